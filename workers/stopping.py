"""A stop that a signal asks for, without any lock.

Python runs a signal handler between two steps of the main thread, also in the middle of
`threading.Event.wait`. A handler that called `Event.set` there would wait for ever for the lock that this
very thread holds. So a handler sets a flag and writes a byte into a pipe, which wakes the thread that waits.
"""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress

_CLOSED = -1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Whether a signal asked for the end, and a wait for it. Use it from the main thread."""

    def __init__(self) -> None:
        self.asked = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._at_once: Callable[[], None] | None = None

    def catch_signals(self, at_once: Callable[[], None]) -> None:
        """Let SIGINT, SIGTERM and SIGHUP ask for the end; a second one ends this process at once.

        An ignored SIGHUP is `nohup`, and stays ignored. An ignored SIGINT is only how scripts start
        what runs in their background: whoever sends one all the same means it.

        Args:
            at_once: is called by a second signal, in a handler: it must take no lock and wait for nothing.
        """
        self._at_once = at_once
        for name in _SIGNALS:
            if name != signal.SIGHUP or signal.getsignal(name) != signal.SIG_IGN:
                signal.signal(name, self._caught)

    def wait(self, seconds: float) -> bool:
        """Wait until the end is asked for, at most so long; return whether it was."""
        if not self.asked:
            select.select([self._reader], [], [], seconds)
        return self.asked

    def close(self) -> None:
        """Close the pipe; signals still count."""
        descriptors = (self._reader, self._writer)
        self._reader = self._writer = _CLOSED  # first: a handler must not write where a file is opened next
        for descriptor in descriptors:
            if descriptor != _CLOSED:
                os.close(descriptor)

    def _caught(self, number: int, _frame: object) -> None:
        if self.asked and self._at_once:
            self._at_once()
            os._exit(128 + number)
        self.asked = True
        with suppress(OSError):
            os.write(self._writer, b".")
