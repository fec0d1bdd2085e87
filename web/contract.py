"""Reading a request as the contract asks: JSON bodies into models, query strings into numbers."""

from typing import Any, NoReturn, TypeVar

import pydantic_core
from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from models.errors import Invalid

BODY_MAX = 2 * 1024 * 1024  # bytes
LIMIT_DEFAULT = 20
LIMIT_MAX = 100
OFFSET_MAX = 2**31 - 1
NUMBER_MAX = 2**63 - 1

T = TypeVar("T", bound=BaseModel)


class NoFields(BaseModel):
    """The body of a route that needs none: it may be left out, but not be broken."""


class InvalidJson(Invalid):
    """The body is not JSON."""

    code = "invalid_json"
    sentence = "The body is not valid JSON."


def body(model: type[T]) -> T:
    """The request's body as `model`; no body at all counts as `{}`.

    Raises:
        UnsupportedMediaType: a body that does not call itself JSON.
        RequestEntityTooLarge: more than `BODY_MAX` bytes.
        InvalidJson: not JSON, NaN, too deep, half a surrogate pair.
        Invalid: JSON of another shape; `errors` names the fields, never their values.
    """
    raw = request.get_data()
    if len(raw) > BODY_MAX:  # Flask refuses by Content-Length; without one it only cuts off
        raise RequestEntityTooLarge
    if not raw:
        return _validated(model, {})
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    try:
        document = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise InvalidJson from None
    if not isinstance(document, dict):
        raise Invalid("The body must be a JSON object.")
    return _validated(model, document)


def _validated(model: type[T], document: dict[str, Any]) -> T:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    messages: dict[str, str] = {}
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        # Below a field stands what the client chose, such as the names of envVars: never repeated.
        messages.setdefault(str(problem["loc"][0]), problem["msg"].removeprefix("Value error, "))
    errors = [{"field": field, "message": message} for field, message in messages.items()]
    raise Invalid(f"The request is not valid: check {', '.join(messages)}.", errors=errors) from None


def number(name: str, default: int, low: int, high: int) -> int:
    """The query parameter `name`, clamped to `low` … `high`.

    Raises:
        Invalid: it is not a whole number.
    """
    raw = request.args.get(name)
    if raw is None:
        return default
    digits = raw.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        _refuse_parameter(name, "must be a whole number")
    # Longer than any bound: no need to turn thousands of digits into a number.
    value = int(raw) if len(digits) < 20 else high if digits == raw else low
    return min(max(value, low), high)


def page() -> tuple[int, int]:
    """`limit` and `offset` of a list."""
    return number("limit", LIMIT_DEFAULT, 1, LIMIT_MAX), number("offset", 0, 0, OFFSET_MAX)


def choice(name: str, choices: tuple[str, ...], default: str | None = None) -> str | None:
    """The query parameter `name`, one of `choices`.

    Raises:
        Invalid: it is something else.
    """
    raw = request.args.get(name)
    if raw is None:
        return default
    if raw not in choices:
        _refuse_parameter(name, f"must be one of {', '.join(choices)}")
    return raw


def _refuse_parameter(name: str, message: str) -> NoReturn:
    raise Invalid(f"The parameter {name} {message}.", errors=[{"field": name, "message": message}])
