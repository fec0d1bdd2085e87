"""Where a chord counts its header's results: in Redis, for itself alone."""

import logging
from collections.abc import Callable
from typing import Any

from celery.backends.redis import RedisBackend

from workers.broker import REDIS_TROUBLE

logger = logging.getLogger(__name__)


class Results(RedisBackend):
    """Celery's own, but nobody here ever waits for a result.

    So nothing is subscribed to: a sender would keep a channel and an object for each ballot for as long as
    it lives, and one whose Redis was away could not send again.
    """

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Nothing to do; Celery's subscribes."""

    def add_pending_result(self, result: Any, weak: bool = False, start_drainer: bool = True) -> Any:
        """Nothing is awaited."""
        return result

    def remove_pending_result(self, result: Any) -> Any:
        """Nothing was awaited."""
        return result

    def mark_as_done(self, task_id: str, result: Any, request: Any = None, *_: Any, **__: Any) -> None:
        """Count it for its chord, and keep nothing else; where Redis does not take it, it is lost."""
        self._count(super().mark_as_done, task_id, result, request, store_result=False)

    def mark_as_failure(self, task_id: str, *args: Any, **kwargs: Any) -> None:
        """Count it likewise."""
        self._count(super().mark_as_failure, task_id, *args, **kwargs)

    @staticmethod
    def _count(mark: Callable[..., None], task_id: str, *args: Any, **kwargs: Any) -> None:
        """The task is done, whether or not Redis hears of it: Celery would count it as one that failed, in
        Redis again, and what that raises ends a thread and keeps the place of its message.
        """
        try:
            mark(task_id, *args, **kwargs)
        except REDIS_TROUBLE as error:
            logger.warning("the result of %s is lost: %s", task_id, error)
