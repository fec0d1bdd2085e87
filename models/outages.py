"""Trouble that lasts: logged once when it begins and once when it is over, however many notice it."""

import logging
import threading
import time

logger = logging.getLogger(__name__)

QUIET_SECONDS = 10.0  # an outage that begins so soon after the one before is not told of: it comes and goes


class Outage:
    """A time in which something does not answer, as this process knows it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._guard = threading.Lock()
        self._begun: float | None = None
        self._told = False
        self._quiet_until = 0.0

    @property
    def lasting(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return self._begun is not None

    def notice(self, why: str) -> None:
        """Note that it does not answer."""
        with self._guard:
            if self._begun is not None:
                return
            self._begun = time.monotonic()
            self._told = self._begun >= self._quiet_until
        if self._told:
            logger.warning("%s does not answer (%s); this is said once until it does", self._what, why)

    def over(self) -> None:
        """Note that it answers."""
        if self._begun is None:
            return
        with self._guard:
            begun, self._begun = self._begun, None
            self._quiet_until = time.monotonic() + QUIET_SECONDS
        if begun is not None and self._told:
            logger.warning("%s answers again, after %.0f s", self._what, time.monotonic() - begun)
