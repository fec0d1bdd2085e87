"""Celery's two programs as we run them: a stop that comes while they still start is as quiet as any other.

Before they hear signals at all one simply ends them. What Celery then does about one may use what the
interrupted code is in the middle of making or importing.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.apps import beat, worker
from celery.concurrency.thread import TaskPool
from celery.exceptions import Ignore, Reject, Retry
from celery.worker import state

logger = logging.getLogger(__name__)


def _leave_alone(_self: TaskPool, _pid: int, _signal: Any = None) -> None:
    """A thread cannot be ended. Its process is about to be, and its message is handed back before."""


def _told(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a task comes to, as an answer that Celery can act on, whatever was raised.

    An exception that only the future of the thread keeps frees no place, and neither does one that Celery
    would raise anew: out of memory or told to exit, it is one task that failed. Its message is done, for
    sent again at once it might fail for ever; what it left undone is due again when its lease ends.
    """
    begun = time.monotonic()
    try:
        return target(*args, **kwargs)
    except (Reject, Ignore, Retry):
        return 1, ExceptionInfo(), time.monotonic() - begun
    except BaseException as error:
        logger.error("a task broke off: %s", type(error).__name__)
        return 1, _broken(error), time.monotonic() - begun


def _broken(error: BaseException) -> ExceptionInfo:
    try:
        raise RuntimeError(f"a task broke off: {type(error).__name__}") from None
    except RuntimeError:
        return ExceptionInfo()


def apply_to_the_end(
    pool: TaskPool,
    target: Callable[..., Any],
    args: tuple[Any, ...] | None = None,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Celery's `on_apply`, whose callback hears of every end."""
    return _apply(pool, partial(_told, target), args, kwargs, **options)


_apply = TaskPool.on_apply
TaskPool.on_apply = apply_to_the_end

# Without it Celery's stop breaks off where it cancels what a pool of threads still does.
TaskPool.terminate_job = _leave_alone


class Beat(beat.Beat):
    """It has nothing to save: its schedule is in memory."""

    def install_sync_handler(self, service: Any) -> None:
        """A signal is its end; a message that was half sent is sent again by the next tick."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(os.EX_OK))


class Worker(worker.Worker):
    """Until its first task it has nothing to finish or to hand back, and it may have no pool yet."""

    def install_platform_tweaks(self, worker: Any) -> None:
        """Celery's, but its handlers for a stop wait for that task."""
        super().install_platform_tweaks(worker)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, _from_the_first_task_on(signal.getsignal(number)))


def _from_the_first_task_on(handler: Any) -> Callable[..., None]:
    def hear(*args: Any) -> None:
        if state.total_count or state.reserved_requests:
            handler(*args)
        else:
            state.should_stop = os.EX_OK  # the loop that takes messages looks at this before each

    return hear
