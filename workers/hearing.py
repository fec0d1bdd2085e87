"""A worker that lost Redis hears of it, and one that hears nothing while messages wait ends itself.

Where the loss shows first in an acknowledgement, Celery logs that and goes on waiting for messages on a
connection that is closed already: from outside it looks like a quiet day. So such a failure counts as the
lost connection that it is. Whatever else makes a worker deaf, it knows whether there is anything to do.
"""

import logging
import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import celery
import redis
from celery.exceptions import Ignore
from celery.signals import worker_ready
from celery.worker import request, state

from models import db
from models.settings import settings

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
DEAF_SECONDS = 4.0  # a message that waits is taken within milliseconds where somebody is idle

_loop: Any = None  # of the worker, from when it takes messages on


class Request(request.Request):
    """A message in work."""

    acknowledged: bool

    def acknowledge(self) -> None:
        """Tell Redis that it is done; where that fails, have the loop connect anew."""
        if not self.acknowledged:
            self._on_ack(_Lost(), self._connection_errors)
            self.acknowledged = True


class Task(celery.Task):
    """A task whose messages are ours, and which ends quietly where PostgreSQL cannot be reached."""

    Request = Request

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task. What it could not do is due again when its lease ends, as after any failure."""
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        try:
            return self.run(*args, **kwargs)
        except Exception as error:
            if db.noted(error):
                raise Ignore from None  # which Celery does not log
            raise


class _Lost:
    """What Celery takes for a log, to which it tells that an acknowledgement failed."""

    def critical(self, text: str, *details: object, exc_info: object = None) -> None:
        logger.warning(text, *details)
        if _loop:
            _loop.call_soon(_break_off)


def _break_off() -> None:
    """In the loop: what makes a worker connect anew."""
    raise redis.ConnectionError("an acknowledgement failed")


class Hearing:
    """What is known of how a worker hears its queues; all times are of the monotonic clock."""

    def __init__(self, queues: list[str]) -> None:
        from workers import messages  # which imports the application, which imports this

        self._dropped = messages.dropped
        self._queues = queues
        self._client = redis.Redis.from_url(
            settings().redis_url or "", socket_timeout=2, socket_connect_timeout=2
        )
        self._taken: int | None = None
        self._since = 0.0

    def deaf(self, now: float) -> bool:
        """Whether messages have been waiting for DEAF_SECONDS, with nobody at work and none being taken."""
        taken = state.all_total_count[0] + self._dropped()
        if taken != self._taken or state.active_requests or not self._waiting():
            self._taken, self._since = taken, now
        return now - self._since >= DEAF_SECONDS

    def _waiting(self) -> bool:
        """Whether any queue has messages; with Redis away there are none to hear."""
        with suppress(redis.RedisError, OSError):
            return any(self._client.llen(queue) for queue in self._queues)
        return False


@worker_ready.connect(weak=False)
def _begin(sender: Any, **_: object) -> None:
    global _loop
    _loop = sender.hub
    hearing = Hearing(list(sender.app.amqp.queues.consume_from))
    threading.Thread(target=_listen, args=(hearing,), name="hearing", daemon=True).start()


def _listen(hearing: Hearing) -> None:
    while not hearing.deaf(time.monotonic()):
        time.sleep(LOOK_SECONDS)
    logger.error("messages wait and none is taken: this worker ends, to be started anew")
    os.kill(os.getpid(), signal.SIGTERM)
