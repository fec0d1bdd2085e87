"""Looking at something that may hang, for many who ask and have no time to wait for ever."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Look(Generic[T]):
    """One look for all who ask meanwhile, in a thread of its own; the next begins when it has ended."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._guard = threading.Lock()
        self._running: Future[T] | None = None

    def within(self, seconds: float) -> T:
        """What was seen.

        Raises:
            TimeoutError: nothing yet; the look goes on, and whoever asks next waits for the same.
        """
        with self._guard:
            if self._running is None or self._running.done():
                self._running = Future()
                threading.Thread(target=self._run, args=(self._running,), name="look", daemon=True).start()
            running = self._running
        return running.result(seconds)

    def _run(self, seen: "Future[T]") -> None:
        try:
            seen.set_result(self._look())
        except BaseException as error:
            seen.set_exception(error)
