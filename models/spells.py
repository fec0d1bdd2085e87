"""Faults that every request meets while they last: one is to be logged when it begins, not each time."""

import threading
import time
from collections.abc import Hashable

SPELL_SECONDS = 300.0  # without it, and what comes then is trouble anew
SPELLS_MAX = 100  # that are remembered; what is forgotten is told once more


class Spells:
    """Tells the first occurrence of a fault from those that follow it. Safe to use from several threads."""

    def __init__(self, seconds: float = SPELL_SECONDS) -> None:
        self._seconds = seconds
        self._guard = threading.Lock()
        self._met: dict[Hashable, float] = {}  # trouble → when it was last met, the latest at the end

    def begins(self, trouble: Hashable) -> bool:
        """Record an occurrence of a fault; return whether it is the first, or the first for `seconds`."""
        now = time.monotonic()
        with self._guard:
            last = self._met.pop(trouble, None)
            self._met[trouble] = now
            if len(self._met) > SPELLS_MAX:
                del self._met[next(iter(self._met))]
        return last is None or now - last > self._seconds
