"""What a model's server tells for nothing: whether it is there, takes the key, and has the models."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpx2

from models.settings import Settings
from workers.judge import dialects

LOOK_SECONDS = 5.0
OK, DENIED, MISSING = 200, (401, 403), 404
LISTS_NOTHING = (405, 429, 501)  # there, and with nothing to say about it now
_MOST = {"limit": 1000}  # Anthropic's tells of twenty, unless it is asked for more


@dataclass(frozen=True)
class Look:
    """Whether models can be asked, as far as their server tells, and what it told."""

    well: bool
    told: str


def trouble(settings: Settings, models: Sequence[str] | None = None) -> str | None:
    """What keeps these models, or those of the settings, from being asked."""
    seen = look(settings, models)
    return None if seen.well else seen.told


def look(settings: Settings, models: Sequence[str] | None = None) -> Look:
    """Look for these models, or those of the settings, where the settings have them."""
    try:
        answer = _get(settings, "/models")
        return _seen(settings, settings.models if models is None else models, answer)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        return Look(False, f"its server cannot be reached ({type(error).__name__})")


def _seen(settings: Settings, models: Sequence[str], answer: httpx2.Response) -> Look:
    status = answer.status_code
    if status in DENIED:
        return Look(False, f"its server answers {status}: the key is missing or wrong")
    if status == MISSING:
        return Look(False, _nothing_there(settings))
    if status != OK and status not in LISTS_NOTHING:
        return Look(False, f"its server answers {status}")
    listed = _ids(answer) if status == OK else None
    if listed and len(listed) == 1 and _of_llama_cpp(answer):
        return Look(True, "its server answers, and serves its one model under any name")
    if not listed:
        return Look(True, "its server answers, and lists no models: whether it has these is not known")
    missing = [model for model in models if model not in listed and not _known(settings, model)]
    if missing:
        return Look(False, f"its server does not list {' and '.join(missing)}")
    return Look(True, "answers")


def _nothing_there(settings: Settings) -> str:
    path = urlsplit(dialects.address(settings)).path
    hint = "is CLORP_LLM_BASE_URL right?" if path.endswith("/v1") else "is /v1 missing?"
    return f"its server does not answer at {path}/models: {hint}"


def _ids(answer: httpx2.Response) -> set[str] | None:
    """The models that an answer lists; None where it is no list of any."""
    try:
        rows = answer.json()["data"]
        return {str(row["id"]) for row in rows}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _of_llama_cpp(answer: httpx2.Response) -> bool:
    """Whether the list is one of llama.cpp, which calls its model by a file and never looks at the name."""
    return any(row.get("owned_by") == "llamacpp" for row in answer.json()["data"])


def _known(settings: Settings, model: str) -> bool:
    """Whether a server knows a model by a name that it does not list: an alias, or one without its tag."""
    answer = _get(settings, "/models/" + quote(model, safe="/:@"))
    try:
        return answer.status_code == OK and bool(answer.json()["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _get(settings: Settings, path: str) -> httpx2.Response:
    params = _MOST if settings.llm_dialect == "anthropic" and path == "/models" else {}
    url, headers = dialects.address(settings) + path, dialects.headers(settings)
    return dialects.client().get(url, headers=headers, params=params, timeout=LOOK_SECONDS)
