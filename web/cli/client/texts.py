"""Words as people read them: times, spans, and what strangers wrote without its control characters."""

import re
from datetime import UTC, datetime

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def clean(text: object) -> str:
    """Text without what would move the cursor, recolour the terminal or turn its direction."""
    return _CONTROL.sub("", str(text).encode(errors="replace").decode())


def counted(number: int, one: str, many: str) -> str:
    """`1 entry`, `2 entries`."""
    return f"{number} {one if number == 1 else many}"


def span(seconds: float) -> str:
    """`272` as `4 min 32 s`, longer ones rougher."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60:02} s"
    size, unit = next((size, unit) for size, unit in _UNITS if whole >= size)
    return f"{whole // size} {unit}"


def relative(time: str | None) -> str:
    """`2026-11-24T13:00:00.000Z` as `in 4 min 32 s` or `3 h ago`."""
    if not time:
        return "–"
    left = seconds_until(time)
    return f"in {span(left)}" if left > 0 else f"{span(-left)} ago"


def seconds_until(time: str) -> float:
    """How far a moment is ahead of this machine's clock; negative when it has passed."""
    return (datetime.fromisoformat(time) - datetime.now(UTC)).total_seconds()
