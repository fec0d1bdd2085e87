"""Waiting for something to happen: one thread asks PostgreSQL for news on behalf of all who wait here.

It asks only while somebody waits. A wake-up says "look again", never what happened. It starts with the
first who waits, so it lives in the process that serves and not in one that forks.
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
WAITING_EACH_MAX = 24  # of them one user or address may hold, so that nobody takes all of them

Waiting = Callable[[float], bool]

_guard = threading.Lock()
_waiting: set["_Waiter"] = set()
_thread: threading.Thread | None = None
_ending = threading.Event()


class HungUp(Exception):
    """Who waited has left: there is nobody to answer."""


@dataclass(eq=False)
class _Waiter:
    job_id: UUID | None  # None: for news of any drop
    who: str | None = None
    news: threading.Event = field(default_factory=threading.Event)
    left: Callable[[], bool] | None = None  # whether who waits has hung up
    gone: bool = False
    # Between its own look and the thread's next one something may slip: the first that succeeds wakes it.
    unsure: bool = True

    def heard(self, seconds: float) -> bool:
        if seconds <= 0 or _ending.is_set() or not self.news.wait(seconds):
            return False
        if self.gone:
            raise HungUp
        self.news.clear()  # before the caller looks, and never at a time-out: nothing gets lost
        return not _ending.is_set()


@contextmanager
def waiting(
    job_id: UUID | None = None, who: str | None = None, left: Callable[[], bool] | None = None
) -> Iterator[Waiting | None]:
    """Listen while the block runs. Look once inside it, before waiting: then nothing is missed.

    Args:
        job_id: of the drop to wait for; None for all of them.
        who: the user or address that waits, who gets no more than its share of the places.
        left: whether it has hung up, if somebody knows; then its place is free for others.

    Yields:
        A function that waits up to so many seconds. True: look again; False: time is up, or the
        process is ending. It raises HungUp. None instead of it where too many wait already.
    """
    waiter = _Waiter(job_id, who, left=left)
    with _guard:
        held = sum(other.who == who for other in _waiting) if who else 0
        room = len(_waiting) < WAITING_MAX and held < WAITING_EACH_MAX
        if room:
            _waiting.add(waiter)
    try:
        if room:
            _ensure_thread()
        yield waiter.heard if room else None
    finally:
        with _guard:
            _waiting.discard(waiter)


def count() -> int:
    """How many wait in this process."""
    return len(_waiting)


def ending() -> bool:
    """Whether this process is about to stop: whoever streams should come to an end."""
    return _ending.is_set()


def end() -> None:
    """Wake everyone for the last time. Not for a signal handler: it takes a lock."""
    _ending.set()
    with _guard:
        for waiter in _waiting:
            waiter.news.set()


def _ensure_thread() -> None:
    global _thread
    with _guard:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_look, name="watch", daemon=True)
            _thread.start()


def _look() -> None:
    """Ask and wake, until nobody waits any more."""
    news, away = events.News(), False
    while present := _present():
        _dismiss([waiter for waiter in present if waiter.left and waiter.left()])
        try:
            with db.transaction() as session:
                changed = news.changed(session)
        except SQLAlchemyError as error:
            if not db.noted(error) and not away:
                logger.warning("could not look for news: %s", type(error).__name__)
            for waiter in present:
                waiter.unsure = True
            news, away = events.News(), True  # what comes back may be another server, with older numbers
        else:
            away = False
            _wake(present, changed)
        _ending.wait(LOOK_SECONDS)


def _present() -> list[_Waiter]:
    """Who waits; where nobody does, the thread is over, and the next to come starts another."""
    global _thread
    with _guard:
        if _waiting and not _ending.is_set():
            return list(_waiting)
        _thread = None
        return []


def _dismiss(left: list[_Waiter]) -> None:
    with _guard:
        _waiting.difference_update(left)
    for waiter in left:
        waiter.gone = True
        waiter.news.set()


def _wake(present: list[_Waiter], changed: set[UUID]) -> None:
    for waiter in present:
        if waiter.unsure or (changed if waiter.job_id is None else waiter.job_id in changed):
            waiter.unsure = False
            waiter.news.set()
