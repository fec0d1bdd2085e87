"""Where a chord counts its header's results: in Redis, for itself alone."""

from typing import Any

from celery.backends.redis import RedisBackend


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
