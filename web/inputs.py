"""What a request brings: its JSON body and its query string, as the models of its route.

A name that the route does not know is refused where it is a near miss of one that it knows, for terms that
were meant must not be passed over when money moves. Any other one is ignored, and the answer says so.
"""

import codecs
import json
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import pydantic_core
from flask import Flask, Response, g, request
from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from models import validation
from models.errors import Invalid
from web.near_miss import near_miss

BODY_MAX = 2 * 1024 * 1024  # bytes
FIELDS_MAX = 100  # top-level names in a body or a query string: no route knows more than twenty

IGNORED = "Clorp-Ignored"
IGNORED_MAX = 10  # names in that header
IGNORED_NAME_MAX = 64  # characters of each, in the form in which it stands there

M = TypeVar("M", bound=BaseModel)


class NoFields(BaseModel):
    """The body of a route that needs none: it may be left out, but not be broken."""


class ForeignFields(BaseModel):
    """A body whose fields are another service's: the route reads it by itself."""

    model_config = ConfigDict(extra="allow")


class InvalidJson(Invalid):
    """The body is not JSON."""

    code = "invalid_json"
    sentence = "The body is not valid JSON."


class CompressedBody(UnsupportedMediaType):
    """A body in a content coding; RFC 9110 wants the answer to name those that are taken."""

    description = "Send the body as it is: compressed ones are not read here."

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """Return the usual headers and the coding that is taken."""
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", "identity")]


def install(app: Flask) -> None:
    """Have the answers of this application name what was ignored."""
    app.after_request(_name_ignored)


def require_plain() -> None:
    """Refuse a body that is compressed.

    Raises:
        CompressedBody: it is.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise CompressedBody


def body(model: type[M]) -> M:
    """Return the request's JSON body as `model`; no body at all counts as `{}`.

    What the body means, without order of keys and white space, stays in `g.content`.

    Raises:
        UnsupportedMediaType: a body that does not call itself JSON, or is compressed.
        RequestEntityTooLarge: more than `BODY_MAX` bytes.
        InvalidJson: not JSON, NaN, too deep, half a surrogate pair.
        Invalid: JSON of another shape; `errors` names the fields, never their values.
    """
    require_plain()
    raw = request.get_data()
    if len(raw) > BODY_MAX:  # Flask refuses by Content-Length; without one it only cuts off
        raise RequestEntityTooLarge
    if len(raw) < (request.content_length or 0):
        raise InvalidJson("The body ended before its Content-Length.")  # else it would pass for no body
    if raw and request.mimetype != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    document = _document(raw.removeprefix(codecs.BOM_UTF8)) if raw else {}
    g.content = _meaning(document, raw)
    _require_known("The request is not valid: check {}.", document, model)
    try:
        # By the names of the contract only; Python's own are for our code.
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        _refuse("The request is not valid: check {}.", error)


def query(model: type[M]) -> M:
    """Return the query string as `model`; a parameter that is given twice counts the first time.

    Raises:
        Invalid: a value that the parameter cannot have; `errors` names it.
    """
    parameters = request.args.to_dict()
    _require_known("Check the parameter {}.", parameters, model)
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        _refuse("Check the parameter {}.", error)


def _document(raw: bytes) -> dict[str, Any]:
    try:
        document = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise InvalidJson from None
    if not isinstance(document, dict):
        raise Invalid("The body must be a JSON object.")
    return document


def _meaning(document: dict[str, Any], raw: bytes) -> bytes:
    """Return the same bytes for two bodies that differ in white space and the order of their keys alone."""
    try:
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    except ValueError:  # a number of more digits than Python writes
        return raw


def _require_known(sentence: str, given: Collection[str], model: type[BaseModel]) -> None:
    """Refuse near misses of the model's names, and note the other names that it does not know.

    Where the name that was probably meant is given as well, a near miss is no miss.
    """
    if model.model_config.get("extra") == "allow":
        return
    if len(given) > FIELDS_MAX:
        raise Invalid(f"The request has more than {FIELDS_MAX} fields.")
    known = _names(model)
    unknown = [name for name in given if name not in known]
    meant = {name: near_miss(name, known) for name in unknown}
    errors = [
        {"field": name, "message": f"is no field here; did you mean {near}?"}
        for name, near in meant.items()
        if near and near not in given
    ]
    if errors:
        _raise(sentence, errors)
    g.ignored = [*g.get("ignored", ()), *unknown]


@lru_cache(maxsize=256)
def _names(model: type[BaseModel]) -> frozenset[str]:
    """Return the names by which a client may send the fields of a model."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        alias = field.validation_alias or field.alias or name
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        names |= {str(choice) for choice in choices}
    return frozenset(names)


def _name_ignored(response: Response) -> Response:
    names = [name for name in dict.fromkeys(g.get("ignored", ())) if name]
    shown = [quote(name.encode(errors="replace"))[:IGNORED_NAME_MAX] for name in names[:IGNORED_MAX]]
    if shown:
        response.headers[IGNORED] = ", ".join(shown)
    return response


def _refuse(sentence: str, error: ValidationError) -> NoReturn:
    messages: dict[str, str] = {}
    for problem in error.errors(include_input=False, include_url=False):
        # Below a field stands what the client chose, such as the names of envVars: never repeated.
        name = str(problem["loc"][0]) if problem["loc"] else "body"
        messages.setdefault(name, _place(problem["loc"]) + validation.message(problem))
    _raise(sentence, [{"field": name, "message": message} for name, message in messages.items()])


def _place(loc: tuple[int | str, ...]) -> str:
    """Return which part of a field is meant, where it is a part."""
    if len(loc) < 2:
        return ""
    return f"number {loc[1] + 1} " if isinstance(loc[1], int) else "one value in it "


def _raise(sentence: str, errors: Iterable[dict[str, str]]) -> NoReturn:
    found = list(errors)
    raise Invalid(sentence.format(", ".join(error["field"] for error in found)), errors=found) from None
