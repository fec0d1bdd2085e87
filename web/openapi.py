"""The OpenAPI 3.1 document, made from the typed routes: nothing in it is written twice."""

import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from models.errors import (
    ClorpError,
    IdempotencyInProgress,
    IdempotencyReused,
    InsufficientScope,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from web import contract, ids, inputs, limits, replay
from web.contract import Route
from web.errors import status_of

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
_SENTENCE = re.compile(r".+?\.(?=\s|$)", re.DOTALL)
_NO_WORD = re.compile(r"\W+")
# Answers without a model. Binary is written as in OpenAPI 3.0: generators of clients know no other way.
_RAW: dict[str, Json] = {
    "application/octet-stream": {"type": "string", "format": "binary"},
    "application/json": {"type": "object"},
}
_PROBLEM: Json = {
    "type": "object",
    "description": "A refusal: `{error, code}` for simple clients, RFC 9457 for the others.",
    "required": ["error", "code", "type", "title", "status", "request_id"],
    "properties": {
        "error": {"type": "string", "description": "A sentence for people; may change."},
        "code": {"type": "string", "description": "Stable; see `/docs#codes`."},
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "request_id": {"type": "string", "description": "As in the header `X-Request-Id`."},
        "errors": {
            "type": "array",
            "description": "What is wrong with which field.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "retry_after": {"type": "integer", "description": "Seconds, as in the header `Retry-After`."},
    },
}
_ABOUT = (
    "JSON in, JSON out, with an API key as bearer token. Money is whole cents, times are RFC 3339 in UTC, "
    "ids are UUIDs. A pattern accepts all that is valid, and more: the description has the whole rule."
)
_STREAM = "Server-Sent Events: messages of `id`, `event` and `data`, which is JSON."
_PLAIN = {"integer": 1, "number": 1.0, "boolean": False, "null": None}
_HTTP_CODES = {413: "content_too_large", 415: "unsupported_media_type"}  # refused before any rule of ours


@lru_cache(maxsize=1)
def document() -> Json:
    """The whole document."""
    _, definitions = _schemas()
    paths: dict[str, Json] = defaultdict(dict)
    for route in contract.routes:
        paths[path(route)][route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "clorp",
            "version": version("clorp"),
            "summary": "A marketplace where a prompt and a bounty are fought over, judged and paid.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
            "contact": {"name": "The operator of this server"},
        },
        "security": [],
        "tags": [{"name": name, "description": about} for name, about in sorted(_tags().items())],
        "paths": dict(paths),
        "components": {
            "schemas": {**definitions, "Problem": _PROBLEM},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, `clorp_…`."},
                "secret": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`CRON_SECRET`.",
                },
            },
        },
    }


def refusals(route: Route) -> list[type[ClorpError]]:
    """Every refusal a route may give, its own and those that come with what it takes."""
    found: list[type[ClorpError]] = [*route.refusals, Invalid]  # a query string may be too long anywhere
    if route.body:
        found.append(inputs.InvalidJson)
    if not route.public:
        found += [Unauthenticated, InsufficientScope]
    if "<" in route.path:
        found.append(NotFound)
    if route.replayable:
        found += [Invalid, IdempotencyInProgress, IdempotencyReused]
    if route.path.startswith("/api"):
        found.append(Unavailable)
        if route.method != "GET":
            found.append(OutcomeUnknown)
    if limits.policy(route):
        found.append(RateLimited)
    return list(dict.fromkeys(found))


def example(schema: Json, definitions: Json) -> Any:
    """A value that fits a schema, from the examples of its fields."""
    if ref := schema.get("$ref"):
        return example(definitions[ref.rpartition("/")[2]], definitions)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: example(part, definitions) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema["items"], definitions)] if "items" in schema else []
    if options := schema.get("anyOf"):
        return example(options[0], definitions)
    return _PLAIN.get(str(kind), "…")


@lru_cache(maxsize=1)
def _schemas() -> tuple[dict[tuple[type[BaseModel], Mode], Json], Json]:
    """Where each model of each mode is described, and the descriptions by name."""
    models = list(dict.fromkeys(model for route in contract.routes for model in _models(route)))
    refs, document = models_json_schema(models, ref_template=_REF)
    return {(model, mode): ref for (model, mode), ref in refs.items()}, document.get("$defs", {})  # type: ignore[misc]


def _models(route: Route) -> Iterator[tuple[type[BaseModel], Mode]]:
    if route.body:
        yield route.body, "validation"
    for answer in (route.answer, *route.also.values()):
        if answer is not None:
            yield _item(answer), "serialization"


def _item(answer: Any) -> type[BaseModel]:
    """The model of an answer, or of the items of a list."""
    item: type[BaseModel] = answer.__args__[0] if hasattr(answer, "__args__") else answer
    return item


def path(route: Route) -> str:
    """The address with OpenAPI's parameters: `/api/jobs/{job_id}`."""
    return _PARAMETER.sub(r"{\2}", route.path)


def tag(route: Route) -> str:
    """The part of the API a route belongs to: the module that has it."""
    return route.view.__module__.rpartition(".")[2]


def _tags() -> dict[str, str]:
    """Return what each tag has: the first sentence of its module's docstring."""
    modules = {tag(route): inspect.getmodule(route.view) for route in contract.routes}
    abouts = {name: inspect.getdoc(module) or "" for name, module in modules.items()}
    return {name: _SENTENCE.match(about)[0] for name, about in abouts.items()}  # type: ignore[index]


def _name(route: Route) -> str:
    """Return the name of an operation, which clients make a function of."""
    return route.view.__name__ if route.path.startswith("/api") else _NO_WORD.sub("_", route.path.strip("/"))


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": _name(route),
        "summary": route.summary,
        "description": route.about,
        "tags": [tag(route)],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route),
    }
    if not route.public:
        operation["security"] = [{"key": []}]
        operation["description"] += f"\n\nScope: {' or '.join(f'`{scope}`' for scope in route.scopes)}."
    elif route.secret:
        operation["security"] = [{"secret": []}]
    if route.body:
        schema = _schemas()[0][route.body, "validation"]
        wants = _schemas()[1][schema["$ref"].rpartition("/")[2]]
        required = bool(wants.get("required") or wants.get("minProperties"))
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    elif route.multipart:
        content = {"multipart/form-data": {"schema": route.multipart}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(route: Route) -> Iterator[Json]:
    for converter, name in _PARAMETER.findall(route.path):
        schema: Json = {"type": "string"}
        if converter == "uuid":
            schema["format"] = "uuid"
        elif converter == "id_or_beginning":
            schema["pattern"] = f"^{ids.PATTERN}$"
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route) -> Iterator[Json]:
    if not route.query:
        return
    schema = route.query.model_json_schema()
    for name, field in schema.get("properties", {}).items():
        plain = _inlined(field, schema.get("$defs", {}))
        yield {"name": name, "in": "query", "description": plain.pop("description", ""), "schema": plain}


def _inlined(schema: Json, definitions: Json) -> Json:
    """A parameter's schema without references, and without the null that only means absence."""
    if options := schema.get("anyOf"):
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        (kind,) = [option for option in options if option.get("type") != "null"]
        return {**_inlined(kind, definitions), **rest}
    if ref := schema.get("$ref"):
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**definitions[ref.rpartition("/")[2]], **rest}
    return dict(schema)


def _header_parameters(route: Route) -> Iterator[Json]:
    if route.replayable:
        yield {
            "name": replay.HEADER,
            "in": "header",
            "description": "Makes a retry safe: kept for 24 h, a replay gets the first answer byte for byte.",
            "schema": {"type": "string", "minLength": 1, "maxLength": replay.KEY_MAX, "pattern": "^[ -~]+$"},
        }
    if route.cached:
        yield {
            "name": "If-None-Match",
            "in": "header",
            "description": "An `ETag` you have; 304 while it still holds.",
            "schema": {"type": "string"},
        }
    if route.streams:
        yield {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The last `id` you have: the stream goes on behind it. Counts before `after`.",
            "schema": {"type": "string"},
        }


def _responses(route: Route) -> Json:
    found: Json = {}
    for status, answer in {route.status: route.answer, **route.also}.items():
        found[str(status)] = {
            "description": _described(answer, route),
            "headers": _headers(route),
            "content": {route.media_type: {"schema": _schema(answer, route)}},
        }
        if status == 204:
            del found["204"]["content"]
    if route.cached:
        found["304"] = {"description": "What you have still holds."}
    for status, codes in sorted(refused_codes(route).items()):
        problem = {
            "description": " · ".join(f"`{code}`" for code in codes),
            "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
        if status in (429, 503):
            problem["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
        if str(status) in found:  # /readyz has a 503 of its own
            found[str(status)]["content"].update(problem["content"])
        else:
            found[str(status)] = problem
    return found


def refused_codes(route: Route) -> dict[int, list[str]]:
    """The codes of every refusal of a route, by their number in HTTP."""
    codes: dict[int, list[str]] = defaultdict(list)
    for refusal in refusals(route):
        codes[status_of(refusal)].append(refusal.code)
    if route.body or route.multipart:
        codes[413].append(_HTTP_CODES[413])
        codes[415].append(_HTTP_CODES[415])
    return codes


def _described(answer: Any, route: Route) -> str:
    if answer is None:
        return route.summary
    about = (_item(answer).__doc__ or route.summary).strip()
    return f"{_STREAM} {about}" if route.streams else about


def _schema(answer: Any, route: Route) -> Json:
    if answer is None:
        return _RAW.get(route.media_type, {"type": "string"})
    ref = _schemas()[0][_item(answer), "serialization"]
    if route.streams:  # the text is no JSON: only the `data` of its messages is
        return {"type": "string", "contentMediaType": route.media_type, "contentSchema": ref}
    return {"type": "array", "items": ref} if answer is not _item(answer) else ref


def _headers(route: Route) -> Json:
    told = {"X-Request-Id": "Names this request in our logs.", **route.headers}
    told[inputs.IGNORED] = "Fields and parameters that the request has and this route does not know."
    if limits.policy(route):
        told |= limits.HEADERS
    if route.cached:
        told["ETag"] = "Names this state of the answer."
    if route.replayable:
        told[replay.REPLAYED] = "`true` where this is the first answer again."
    return {name: {"description": about, "schema": {"type": "string"}} for name, about in told.items()}


def codes() -> list[tuple[int, str, str, str]]:
    """Every code that an answer may have: its number in HTTP, itself, its sentence, and when it comes."""
    rows = {
        (status_of(kind), kind.code, kind.sentence, (kind.__doc__ or "").strip())
        for route in contract.routes
        for kind in refusals(route)
    }
    rows |= {
        (400, "bad_request", "The body is not well-formed HTTP.", "Chunks that are none, say."),
        (405, "method_not_allowed", "The method is not allowed here.", "`Allow` names those that are."),
        (413, _HTTP_CODES[413], "The body is too large.", "More than 2 MiB, or a file beyond its limit."),
        (
            415,
            _HTTP_CODES[415],
            "Send the body as application/json.",
            "A body that is not called JSON, or is compressed.",
        ),
        (500, "internal_error", "Something went wrong on our side.", "A bug; nothing was changed."),
    }
    return sorted(rows)
