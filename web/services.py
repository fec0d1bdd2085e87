"""The services of others that this server is to use, tried out: the bucket of uploads, the rail of money.

None of them is needed to settle a drop, so none of them turns `/readyz`; but users are told to ask the
operator, who has to be able to see what is wrong.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from models import files
from models.errors import Unavailable
from models.health import Check
from models.settings import Settings, settings
from web.looks import Look
from workers import rails

WAIT_SECONDS = 1.0  # then whoever asks is told that it does not answer; the look goes on
FRESH_SECONDS = 60.0  # each look costs requests at others'
TROUBLED_SECONDS = 10.0  # likewise, while something is wrong and may be mended


def tried(*wanted: str) -> list[Check]:
    """Return how each service does that is configured, or each of those wanted; takes as long as they do."""
    return [_tried(name, ask) for name, ask in _configured() if not wanted or name in wanted]


def seen() -> list[Check]:
    """Return what the last look saw, or a new one where that is too long ago; takes WAIT_SECONDS at most."""
    known = _last if _last and _last.of is settings() else None
    if known and time.monotonic() < known.until:
        return known.checks
    try:
        return _look.within(WAIT_SECONDS).checks
    except TimeoutError:
        detail = f"no answer within {WAIT_SECONDS:g} s"
        return [Check(name, False, detail, needed=False) for name, _ in _configured()]


@dataclass(frozen=True)
class _Seen:
    """What a look saw, of which settings, and until when that will do."""

    checks: list[Check]
    of: Settings
    until: float


def _see() -> _Seen:
    global _last
    of, checks = settings(), tried()
    fresh = FRESH_SECONDS if all(check.ok for check in checks) else TROUBLED_SECONDS
    _last = _Seen(checks, of, time.monotonic() + fresh)
    return _last


_last: _Seen | None = None
_look = Look(_see)


def _configured() -> Iterator[tuple[str, Callable[[], None]]]:
    if settings().uploads:
        yield "uploads", lambda: files.try_out(files.chosen())
    if settings().payments != "sandbox":
        yield "payments", lambda: rails.chosen().try_out()


def _tried(name: str, ask: Callable[[], None]) -> Check:
    try:
        ask()
    except Unavailable as trouble:
        return Check(name, False, f"cannot be used: {trouble.cause or trouble}", needed=False)
    return Check(name, True, "can be used", needed=False)
