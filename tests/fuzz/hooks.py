"""What schemathesis cannot make up, because only the server hands it out or because it would only wait.

Tests of their own hold what happens to invented cursors, keys of uploads and used Idempotency-Keys.
"""

from typing import Any
from uuid import uuid4

import schemathesis

HANDED_OUT = ("cursor", "after", "files", "attachments")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Take out of a request what no client can invent."""
    if isinstance(case.body, dict):
        if case.body.get("files") and not str(case.body.get("text") or "").strip():
            case.body["text"] = "Rhine"  # an entry that was nothing but files
        _strip(case.body)
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


def _without_fractions(body: dict[str, Any]) -> None:
    """Cents are whole: JSON Schema takes 7.0 for an integer, this API does not."""
    for name, value in body.items():
        if isinstance(value, float) and value.is_integer():
            body[name] = int(value)
