"""Celery's two programs as we run them: a stop that comes while they still start is as quiet as any other.

Before they hear signals at all one simply ends them. What Celery then does about one may use what the
interrupted code is in the middle of making or importing.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from celery.apps import beat, worker
from celery.concurrency.thread import TaskPool
from celery.worker import state


def _leave_alone(_self: TaskPool, _pid: int, _signal: Any = None) -> None:
    """A thread cannot be ended. Its process is about to be, and its message is handed back before."""


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
