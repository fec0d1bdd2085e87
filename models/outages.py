"""Outages of a service: each is logged when it begins and when it is over, however many callers meet it."""

import logging
import threading
import time

logger = logging.getLogger(__name__)

QUIET_SECONDS = 10.0  # an outage that begins so soon after the one before is not told of: it comes and goes


class Outage:
    """Whether a service answers, as far as this process knows; logs each change."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._guard = threading.Lock()
        self._begun: float | None = None
        self._told = False
        self._quiet_until = 0.0

    @property
    def lasting(self) -> bool:
        """Whether the service did not answer when it was last called."""
        return self._begun is not None

    def notice(self, why: str) -> None:
        """Record that the service does not answer, and log it where that is new."""
        with self._guard:
            if self._begun is not None:
                return
            self._begun = time.monotonic()
            self._told = self._begun >= self._quiet_until
        if self._told:
            logger.warning("%s does not answer (%s); this is said once until it does", self._what, why)

    def over(self) -> None:
        """Record that the service answers, and log it where an outage was logged."""
        if self._begun is None:
            return
        with self._guard:
            begun, self._begun = self._begun, None
            self._quiet_until = time.monotonic() + QUIET_SECONDS
        if begun is not None and self._told:
            logger.warning("%s answers again, after %.0f s", self._what, time.monotonic() - begun)
