"""Trouble that lasts and is met by every request: told when it begins, not each time."""

import threading
import time
from collections.abc import Hashable

SPELL_SECONDS = 300.0  # without it, and what comes then is trouble anew
SPELLS_MAX = 100  # that are remembered; what is forgotten is told once more


class Spells:
    """What troubles this process is in; for any number of threads."""

    def __init__(self, seconds: float = SPELL_SECONDS) -> None:
        self._seconds = seconds
        self._guard = threading.Lock()
        self._met: dict[Hashable, float] = {}  # trouble → when it was last met, the latest at the end

    def begins(self, trouble: Hashable) -> bool:
        """Note that this trouble was met; whether a spell of it begins with that."""
        now = time.monotonic()
        with self._guard:
            last = self._met.pop(trouble, None)
            self._met[trouble] = now
            if len(self._met) > SPELLS_MAX:
                del self._met[next(iter(self._met))]
        return last is None or now - last > self._seconds
