"""What schemathesis cannot make up: because only the server hands it out, because it would only wait, or
because no pattern holds the whole rule.

Tests of their own hold what happens to invented cursors, keys of uploads and used Idempotency-Keys.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import schemathesis

from models import names, texts
from models.errors import Invalid

# The patterns of the document, which are simple, and the rules behind them, which know all of Unicode.
RULES: dict[str, tuple[str, int, Callable[[str], str]]] = {
    "prompt": (texts.NOT_BLANK, 20_000, texts.visible),
    "text": (texts.NOT_BLANK, 100_000, texts.visible),
    "name": (names.PATTERN, names.NAME_MAX, names.named),
}
HANDED_OUT = ("cursor", "after")
FILES = ("files", "attachments")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Take out of a request what no client can invent."""
    if isinstance(case.body, dict):
        if case.operation.path.endswith("/submit"):
            _say_something(case.body)
        _without_files(case.body)
        _beyond_patterns(case.body)
        _named_variables(case.body)
        _without_spaces_around(case.body)
        _without_fractions(case.body)
    if isinstance(case.query, dict):
        for name in HANDED_OUT:
            case.query.pop(name, None)
        if str(case.query.get("wait", "")).isdecimal():
            case.query["wait"] = 0
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 1 <= len(key) <= 255 and key.isascii() and key.isprintable():
        case.headers["Idempotency-Key"] = str(uuid4())  # a new request has a new key


def _without_files(body: dict[str, Any]) -> None:
    """Take out the files that the document would accept; all others have to be refused."""
    for name in FILES:
        files = body.get(name)
        if isinstance(files, list) and len(files) <= 5 and all(map(_described, files)):
            del body[name]


def _described(file: Any) -> bool:
    return (
        isinstance(file, dict)
        and isinstance(file.get("key"), str)
        and isinstance(file.get("name", ""), str)
        and isinstance(file.get("size", 0), int)
    )


def _say_something(body: dict[str, Any]) -> None:
    """Give an entry without a text one: that it needs text or files stands in words alone."""
    text = body.get("text", "")
    if body and isinstance(text, str) and _short(text) and texts.blank(text):
        body["text"] = "Rhine"


def _short(text: str) -> bool:
    return len(text) <= 100_000 and "\0" not in text


def _named_variables(body: dict[str, Any]) -> None:
    """Take out variables without a name that can be stored and seen: the document knows no rule for keys."""
    if isinstance(variables := body.get("envVars"), dict):
        body["envVars"] = {name: value for name, value in variables.items() if _fits(_variable, name)}


def _without_spaces_around(body: dict[str, Any]) -> None:
    """Make a name too long that is so for the document alone: the rule does not count spaces around it."""
    name = body.get("name")
    if isinstance(name, str) and len(name) > names.NAME_MAX and _fits(names.named, name):
        body["name"] = "x" * len(name)


def _variable(name: str) -> str:
    return texts.visible(texts.storable(name))


def _beyond_patterns(body: dict[str, Any]) -> None:
    """Replace each text that fits its pattern, but not the rule behind it."""
    for field, (pattern, most, rule) in RULES.items():
        text = body.get(field)
        if isinstance(text, str) and len(text) <= most and re.search(pattern, text) and not _fits(rule, text):
            body[field] = f"Rhine {uuid4()}"


def _fits(rule: Callable[[str], str], text: str) -> bool:
    try:
        rule(text)
    except (ValueError, Invalid):
        return False
    return True


def _without_fractions(body: dict[str, Any]) -> None:
    """Cents are whole: JSON Schema takes 7.0 for an integer, this API does not."""
    for name, value in body.items():
        if isinstance(value, float) and value.is_integer():
            body[name] = int(value)
