"""Waiting for something to happen: one thread asks PostgreSQL for news on behalf of all who wait here.

It asks only while somebody waits. A wake-up says "look again", never what happened.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from models import db, events

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2  # between two questions; what waiting costs in time and PostgreSQL in work
WAITING_MAX = 64  # threads that may wait at once in one process: half of those that serve

_places = threading.BoundedSemaphore(WAITING_MAX)
_guard = threading.Lock()
_waiting: set["_Waiter"] = set()
_thread: threading.Thread | None = None
_ending = threading.Event()


@dataclass(eq=False)
class _Waiter:
    job_id: UUID | None  # None: for news of any drop
    news: threading.Event = field(default_factory=threading.Event)
    heard_first: bool = False  # the first look after its coming wakes it: something may have slipped between


@contextmanager
def waiting(job_id: UUID | None = None) -> Iterator[Callable[[float], bool]]:
    """Listen while the block runs.

    Args:
        job_id: of the drop to wait for; None for all of them.

    Yields:
        A function that waits up to so many seconds. True: look again; False: time is up, there are
        too many waiting, or the process is ending.
    """
    if not _places.acquire(blocking=False):
        yield lambda _seconds: False
        return
    waiter = _Waiter(job_id)

    def changed(seconds: float) -> bool:
        if seconds <= 0 or _ending.is_set():
            return False
        heard = waiter.news.wait(seconds)
        waiter.news.clear()
        return heard and not _ending.is_set()

    try:
        with _guard:
            _waiting.add(waiter)
            _ensure_thread()
        yield changed
    finally:
        with _guard:
            _waiting.discard(waiter)
        _places.release()


def count() -> int:
    """How many wait in this process."""
    return len(_waiting)


def ending() -> bool:
    """Whether this process is about to stop: whoever streams should come to an end."""
    return _ending.is_set()


def end() -> None:
    """Wake everyone for the last time."""
    _ending.set()
    with _guard:
        for waiter in _waiting:
            waiter.news.set()


def _ensure_thread() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_look, name="watch", daemon=True)
        _thread.start()


def _look() -> None:
    """Ask and wake, until nobody waits any more."""
    global _thread
    news = events.News()
    while True:
        with _guard:
            present = list(_waiting)
            if not present:
                _thread = None
                return
        try:
            with db.transaction() as session:
                changed = news.changed(session)
        except SQLAlchemyError as error:
            logger.warning("could not look for news: %s", type(error).__name__)
            changed = set()
        for waiter in present:
            if not waiter.heard_first or (changed if waiter.job_id is None else waiter.job_id in changed):
                waiter.heard_first = True
                waiter.news.set()
        _ending.wait(LOOK_SECONDS)
