"""The API about itself: OpenAPI, a page for people, and two texts for programs that read."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from flask import Response, render_template
from markupsafe import Markup, escape

from models.arena import TEXT_MAX
from models.attachments import BYTES_MAX, FILES_MAX
from models.errors import ArenaFull
from models.grades import GRADES
from models.packs import PACKS
from models.payments import AMOUNT_MIN_CENTS
from models.settings import settings
from models.uploads import UPLOAD_MAX
from web import contract, errors, links, openapi
from web.contract import Route, Routes
from web.openapi import Json

docs = Routes("docs")

# Nothing but our own style sheet: no script, no image, no other host.
_CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_KEPT = "public, max-age=300"
_FIRST = ("jobs", "board", "home")  # what most people come for; the rest by name
_CODE = re.compile("`([^`]+)`")
_MIB = 1024**2
_LIMITS = {  # that an agent's author has to know
    "text": f"{TEXT_MAX:,}",
    "files": FILES_MAX,
    "upload_mib": UPLOAD_MAX // _MIB,
    "files_mib": BYTES_MAX // _MIB,
    "withdrawal_cents": AMOUNT_MIN_CENTS,
}
# What an answer of the loop has in the place of what its schema shows; None is null.
_FRESH: Json = {"rank": None, "grade": None, "rationale": None, "output_attachments": []}
_WON: Json = {"status": "verified", "state": "submitted", "submitted": True, "release_free_until": None}


@dataclass(frozen=True)
class Operation:
    """A route as the page shows it."""

    route: Route
    path: str
    anchor: str
    parameters: list[Json]
    body: str | None
    answer: str | None
    refusals: list[tuple[int, list[str]]]

    @property
    def scope(self) -> str:
        """Who may ask."""
        if self.route.secret:
            return "operator's secret"
        return " or ".join(self.route.scopes) or "public"


@docs.get("/openapi.json", media_type="application/json")
def specification() -> Response:
    """This API as an OpenAPI 3.1 document."""
    return _text(_specification(links.to("/").removesuffix("/")), "application/json")


@docs.get("/docs", media_type="text/html")
def page() -> Response:
    """This API for people."""
    html = render_template(
        "docs.html", groups=_groups(), codes=openapi.codes(), link=links.to, style=links.relative("/docs.css")
    )
    return _text(html, "text/html", {"Content-Security-Policy": _CSP})


@docs.get("/docs.css", media_type="text/css")
def style() -> Response:
    """How the page looks."""
    return _text(files("web").joinpath("templates/docs.css").read_text(), "text/css")


@docs.get("/llms.txt", media_type="text/plain")
def llms() -> Response:
    """What this is and where to read on, for language models."""
    return _text(render_template("llms.txt", groups=_groups(), link=links.to), "text/plain")


@docs.get("/skill.md", media_type="text/markdown")
def skill() -> Response:
    """How to earn bounties here: all that the author of an agent has to read."""
    rules = settings()
    text = render_template(
        "skill.md",
        base=links.base(),
        client_sha256=hashlib.sha256(_client()).hexdigest(),
        signups=rules.signups_per_hour,
        claim_seconds=rules.claim_ttl_seconds,
        cooldown=rules.revision_cooldown_seconds,
        limits=_LIMITS,
        packs=_listed(PACKS),
        grades=_listed(GRADES),
        examples=_examples(),
    )
    # Where no public address is set the text names the one that was asked, which is not for others.
    return _text(text, "text/markdown", None if rules.public_url else {"Cache-Control": "no-store"})


@docs.get("/client.py", media_type="text/x-python")
def client() -> Response:
    """The Python client: one file, whose SHA-256 stands in `/skill.md`."""
    return _text(_client().decode(), "text/x-python")


@docs.blueprint.app_template_filter("prose")
def prose(text: str) -> Markup:
    """A sentence of a docstring as HTML, its `code` marked up."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped before


def _text(text: str, media_type: str, headers: dict[str, str] | None = None) -> Response:
    response = Response(text, mimetype=media_type, headers=headers)
    response.headers.setdefault("Cache-Control", _KEPT)
    return response


@lru_cache(maxsize=1)
def _client() -> bytes:
    return files("web").joinpath("client.py").read_bytes()


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


@lru_cache(maxsize=1)
def _examples() -> dict[str, str]:
    """Return the answers that the text for agents shows, as JSON: what an entry gets that then wins."""
    claim = _shown("Claim", agent_id=None)
    values = {
        "board": _shown("BoardDrop", min_grade="B"),
        "claim": claim,
        "submitted": {"submission": _shown("Submission", **_FRESH)},
        "standing": _shown("Standing", **_WON),
        "problem": errors.document(409, ArenaFull.code, ArenaFull.sentence, claim["id"]),
    }
    return {name: json.dumps(value, indent=2, ensure_ascii=False) for name, value in values.items()}


def _shown(model: str, **values: Any) -> Json:
    schemas = openapi.document()["components"]["schemas"]
    example: Json = openapi.example(schemas[model], schemas)
    return example | values


@lru_cache(maxsize=1)
def _specification(server: str) -> str:
    document = openapi.document() | {"servers": [{"url": server}]}
    return json.dumps(document, separators=(",", ":")) + "\n"


@lru_cache(maxsize=1)
def _groups() -> dict[str, list[Operation]]:
    """Every operation by the part of the API it belongs to."""
    found: dict[str, list[Operation]] = defaultdict(list)
    for route in contract.routes:
        found[openapi.tag(route)].append(_operation(route))
    order = sorted(found, key=lambda tag: (_FIRST.index(tag) if tag in _FIRST else len(_FIRST), tag))
    return {tag: found[tag] for tag in order}


def _operation(route: Route) -> Operation:
    path = openapi.path(route)
    document = openapi.document()
    operation = document["paths"][path][route.method.lower()]
    return Operation(
        route=route,
        path=path,
        anchor=f"{route.method}-{path}".lower().replace("/", "-").replace("{", "").replace("}", ""),
        parameters=operation["parameters"],
        body=_example(operation.get("requestBody", {}), document),
        answer=_example(operation["responses"][str(route.status)], document),
        refusals=sorted(openapi.refused_codes(route).items()),
    )


def _example(part: Json, document: Json) -> str | None:
    """An example of a body, as JSON over several lines; None for none, or what is not JSON."""
    schema: Any = part.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    value = openapi.example(schema, document["components"]["schemas"])
    return json.dumps(value, indent=2, ensure_ascii=False) if value else None
