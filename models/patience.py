"""How long a thread waits for PostgreSQL, whether or not that still answers.

psycopg2 alone waits for ever for a server that is frozen or cut off: `statement_timeout` is the server's own
clock, and who is cut off from it never hears. So every wait for a socket is ours, and has an end.
"""

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

from psycopg2 import OperationalError, extensions

# For a thread that was told nothing else. A server that lives lets one in within milliseconds, and
# `db.STATEMENT_TIMEOUT_MS` makes it say something within seconds.
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0

_READY = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}
_mine = threading.local()


class NoAnswer(OperationalError):
    """PostgreSQL took longer than the thread has; the connection is closed, for nobody knows its state."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let this thread wait no longer than that for all that it asks PostgreSQL inside the block.

    Inside another such block the earlier end counts.
    """
    outer: float | None = getattr(_mine, "until", None)
    shared: float | None = getattr(_mine, "shared", None) if outer is None else None
    begun = time.monotonic()
    until = begun + (seconds if shared is None else min(seconds, shared))
    _mine.until = until if outer is None else min(outer, until)
    try:
        yield
    finally:
        _mine.until = outer
        if shared is not None:
            _mine.shared = shared - (time.monotonic() - begun)


@contextmanager
def sharing(seconds: float) -> Iterator[None]:
    """Let all blocks of `within` inside this one last no longer together; what lies between them is free."""
    outer: float | None = getattr(_mine, "shared", None)
    _mine.shared = seconds
    try:
        yield
    finally:
        _mine.shared = outer


def left() -> float:
    """Seconds that this thread may still wait, where it was told."""
    until: float | None = getattr(_mine, "until", None)
    return inf if until is None else until - time.monotonic()


@contextmanager
def with_silence(seconds: float) -> Iterator[None]:
    """Let one answer take this thread so long inside the block, instead of SILENCE_SECONDS."""
    outer: float = getattr(_mine, "silence", SILENCE_SECONDS)
    _mine.silence = seconds
    try:
        yield
    finally:
        _mine.silence = outer


def _wait(connection: Any) -> None:
    """What psycopg2 calls instead of waiting by itself; it closes a connection whose wait raised."""
    now = time.monotonic()
    until = getattr(_mine, "until", None) or now + getattr(_mine, "silence", SILENCE_SECONDS)
    if connection.status == extensions.STATUS_SETUP:
        until = min(until, now + CONNECT_SECONDS)
    while (state := connection.poll()) != extensions.POLL_OK:
        socket = select.poll()
        socket.register(connection.fileno(), _READY[state])
        if not socket.poll(max(0.0, until - time.monotonic()) * 1000):
            raise NoAnswer("PostgreSQL did not answer in time")


extensions.set_wait_callback(_wait)
