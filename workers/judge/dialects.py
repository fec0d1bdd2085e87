"""The two dialects of models, over one HTTP client: OpenAI's chat and Anthropic's messages.

Each turns a prompt into a request, and an answer into the text that was meant and what it cost.
"""

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import httpx2

from models.settings import Settings
from workers.judge import patience
from workers.judge.prompt import SCHEMA, Prompt

Dialect = Literal["openai", "anthropic"]

CONNECTIONS_MAX = 256  # of one worker process; each thread of it holds one at most
ANSWER_BYTES_MAX = 1_000_000  # more than any verdict is
SLACK_SECONDS = 1.0  # for the client to notice by itself that time is up
_TOOL = "verdict"


class Refused(Exception):
    """The model declined to judge."""


class Malformed(Exception):
    """An answer that is none."""


@dataclass(frozen=True)
class _Tongue:
    url: str  # where nothing else is set
    path: str
    headers: Callable[[str], dict[str, str]]
    request: Callable[[str, Prompt], dict[str, Any]]
    text: Callable[[dict[str, Any]], str]
    tokens: tuple[str, str]  # what the answer calls those read and those written


@lru_cache(maxsize=1)
def client() -> httpx2.Client:
    """This process' connections to models; safe to share by threads."""
    limits = httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    return httpx2.Client(limits=limits, follow_redirects=False, trust_env=True)


def address(settings: Settings) -> str:
    """Where models are asked, without a slash at its end."""
    return (settings.llm_base_url or _TONGUES[settings.llm_dialect].url).rstrip("/")


def headers(settings: Settings) -> dict[str, str]:
    """What says who asks."""
    return _TONGUES[settings.llm_dialect].headers(settings.llm_api_key or "")


@dataclass(frozen=True)
class Heard:
    """An answer as it came. `later`: what it says in Retry-After."""

    status: int
    body: bytes
    later: str


def post(settings: Settings, model: str, prompt: Prompt) -> Heard:
    """Ask a model.

    Raises:
        ConnectionError: it cannot be asked; nothing is charged.
        TimeoutError: it broke off in the middle, or did not answer in time, all in all: also where its name
            is not found, or a head drips in, which the client would wait for again and again.
    """
    seconds = settings.llm_timeout_seconds + SLACK_SECONDS
    try:
        return patience.within(seconds, model, lambda: _post(settings, model, prompt))
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise ConnectionError(f"no connection ({type(error).__name__})") from None
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL):
        raise ConnectionError("CLORP_LLM_BASE_URL is no address that can be asked") from None
    except (httpx2.LocalProtocolError, ValueError) as error:  # address, key or proxy, before anything is sent
        raise ConnectionError(f"the request cannot be made ({type(error).__name__})") from None
    except (httpx2.HTTPError, patience.Unanswered) as error:
        raise TimeoutError(f"no answer ({type(error).__name__})") from None


def _post(settings: Settings, model: str, prompt: Prompt) -> Heard:
    tongue, seconds = _TONGUES[settings.llm_dialect], settings.llm_timeout_seconds
    deadline = time.monotonic() + seconds
    request = client().build_request(
        "POST",
        address(settings) + tongue.path,
        headers=headers(settings),
        json=tongue.request(model, prompt),
        timeout=seconds,
    )
    response = client().send(request, stream=True)
    body = bytearray()
    with closing(response):
        for part in response.iter_bytes():
            body += part
            if time.monotonic() > deadline:
                raise httpx2.ReadTimeout("the answer only drips in", request=request)
            if len(body) > ANSWER_BYTES_MAX:
                raise httpx2.DecodingError("the answer does not end", request=request)
    return Heard(response.status_code, bytes(body), response.headers.get("Retry-After", ""))


def read(dialect: Dialect, body: dict[str, Any]) -> str:
    """What a 200 says: JSON, as text.

    Raises:
        Refused: the model declined.
        Malformed: it is not what this dialect answers, or it breaks off.
    """
    try:
        return _TONGUES[dialect].text(body)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Malformed("not what this dialect answers") from None


def tokens(dialect: Dialect, body: object) -> tuple[int, int]:
    """How many tokens were read and written, as far as an answer says."""
    usage = body.get("usage") if isinstance(body, dict) else None
    counts = usage if isinstance(usage, dict) else {}
    read, written = (counts.get(name) for name in _TONGUES[dialect].tokens)
    return _count(read), _count(written)


def _count(told: object) -> int:
    return min(told, 10**9) if type(told) is int and told >= 0 else 0


def _openai_request(model: str, prompt: Prompt) -> dict[str, Any]:
    schema = {"name": _TOOL, "strict": True, "schema": SCHEMA}
    return {
        "model": model,
        "temperature": 0,
        "max_tokens": prompt.output_tokens,
        "messages": [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ],
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


def _openai_text(body: dict[str, Any]) -> str:
    choice = body["choices"][0]
    if choice["message"].get("refusal") or choice.get("finish_reason") == "content_filter":
        raise Refused(str(choice["message"].get("refusal") or "filtered"))
    if choice.get("finish_reason") == "length":
        raise Malformed("it breaks off: the answer is longer than it may be")
    return str(choice["message"]["content"])


def _anthropic_request(model: str, prompt: Prompt) -> dict[str, Any]:
    return {
        "model": model,
        "temperature": 0,
        "max_tokens": prompt.output_tokens,
        "system": prompt.system,
        "messages": [{"role": "user", "content": prompt.user}],
        "tools": [{"name": _TOOL, "description": "Hand in the verdict.", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": _TOOL},
    }


def _anthropic_text(body: dict[str, Any]) -> str:
    if body.get("stop_reason") == "refusal":
        raise Refused("the model refused")
    if body.get("stop_reason") == "max_tokens":
        raise Malformed("it breaks off: the answer is longer than it may be")
    used = [block for block in body["content"] if block["type"] == "tool_use" and block["name"] == _TOOL]
    return json.dumps(used[0]["input"])


_TONGUES: dict[Dialect, _Tongue] = {
    "openai": _Tongue(
        url="https://api.openai.com/v1",
        path="/chat/completions",
        headers=lambda key: {"Authorization": f"Bearer {key}"} if key else {},
        request=_openai_request,
        text=_openai_text,
        tokens=("prompt_tokens", "completion_tokens"),
    ),
    "anthropic": _Tongue(
        url="https://api.anthropic.com/v1",
        path="/messages",
        headers=lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
        request=_anthropic_request,
        text=_anthropic_text,
        tokens=("input_tokens", "output_tokens"),
    ),
}
