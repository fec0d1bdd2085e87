"""A judge that does not answer is given up: whoever asked is free again, whatever the judge goes on doing.

A thread cannot be ended from outside. It is left behind, and a process with too many of those ends itself
in good order, to be started anew by whoever keeps it.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as _TimeoutError
from typing import TypeVar

from models.grades import Brief, Opinion
from workers.judge.protocol import Judge

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

LEFT_BEHIND_MAX = 64  # threads of judges that never came back: some megabytes

_left_behind: set[threading.Thread] = set()
_guard = threading.Lock()


class Unanswered(RuntimeError):
    """A judge took longer than it may."""


def ask(judge: Judge, brief: Brief, seconds: float) -> dict[str, Opinion]:
    """The judge's ballot on a brief, which it has so many seconds for.

    Raises:
        Unanswered: it took longer.
        Exception: whatever the judge raises.
    """
    return within(seconds, judge.name, lambda: judge.ballot(brief))


def within(seconds: float, name: str, work: Callable[[], Answer]) -> Answer:
    """What `work` gives, in a thread of its own.

    Raises:
        Unanswered: it took longer than so many seconds; `name` is who.
        Exception: whatever it raises.
    """
    answer: Future[Answer] = Future()
    thread = threading.Thread(target=_do, args=(work, answer), name="judge", daemon=True)
    thread.start()
    try:
        return answer.result(seconds)
    except _TimeoutError:
        if answer.done():  # the judge's own trouble, which is called the same
            raise
        _leave_behind(thread)
        raise Unanswered(f"{name} gave no answer within {seconds:g} s") from None


def _do(work: Callable[[], Answer], answer: "Future[Answer]") -> None:
    try:
        answer.set_result(work())
    except BaseException as error:
        answer.set_exception(error)


def _leave_behind(thread: threading.Thread) -> None:
    with _guard:
        _left_behind.difference_update([other for other in _left_behind if not other.is_alive()])
        _left_behind.add(thread)
        if len(_left_behind) == LEFT_BEHIND_MAX:
            logger.error("%s judges never came back: this worker ends, to be started anew", LEFT_BEHIND_MAX)
            os.kill(os.getpid(), signal.SIGTERM)
