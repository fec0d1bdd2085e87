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

# The patterns that every engine reads, and the rules behind them, which know all of Unicode.
RULES: dict[str, tuple[str, int, Callable[[str], str]]] = {
    "prompt": (texts.NOT_BLANK, 20_000, texts.visible),
    "text": (texts.NOT_BLANK, 100_000, texts.visible),
    "name": (names.PATTERN, names.NAME_MAX, names.named),
}
HANDED_OUT = ("cursor", "after", "files", "attachments")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Take out of a request what no client can invent."""
    if isinstance(case.body, dict):
        if case.body.get("files") and not str(case.body.get("text") or "").strip():
            case.body["text"] = "Rhine"  # an entry that was nothing but files
        _strip(case.body)
        _beyond_patterns(case.body)
        _without_fractions(case.body)
    if isinstance(case.query, dict):
        _strip(case.query)
        if str(case.query.get("wait", "")).isdecimal():
            case.query["wait"] = 0
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 1 <= len(key) <= 255 and key.isascii() and key.isprintable():
        case.headers["Idempotency-Key"] = str(uuid4())  # a new request has a new key


def _strip(part: dict[str, Any]) -> None:
    for name in HANDED_OUT:
        part.pop(name, None)


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
