"""Counting in a moving window: in Redis for all processes together, or here while Redis is away."""

import logging
import math
import threading
import time
from dataclasses import dataclass

from limits import RateLimitItem
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.1  # what a frozen Redis costs the requests that notice it, and no other
AWAY_SECONDS = 1.0  # between two looks whether it is back
PREFIX = "clorp:limits"


@dataclass(frozen=True)
class Count:
    """How a request was counted."""

    granted: bool
    remaining: int
    seconds: int  # until at least one more is granted


class Tally:
    """Counts. Connects on first use, so that it may be made before a fork."""

    def __init__(self, redis_url: str | None) -> None:
        self._url = redis_url
        self._guard = threading.Lock()
        self._here: MovingWindowRateLimiter | None = None
        self._shared: MovingWindowRateLimiter | None = None
        self._away = threading.Event()

    def hit(self, item: RateLimitItem, who: str) -> Count:
        """Count one request of `who`, unless that would be more than `item` grants."""
        here = self._open()
        if self._shared and not self._away.is_set():
            try:
                return _hit(self._shared, item, who)
            except RedisError as error:
                self._lose(error)
        return _hit(here, item, who)

    def _open(self) -> MovingWindowRateLimiter:
        with self._guard:
            if self._here is None:
                self._shared = _shared(self._url) if self._url else None
                self._here = MovingWindowRateLimiter(MemoryStorage())
            return self._here

    def _lose(self, error: RedisError) -> None:
        with self._guard:
            if self._away.is_set():
                return
            self._away.set()
        logger.warning("Redis is away (%s); this process limits by itself", type(error).__name__)
        threading.Thread(target=self._find, name="limits", daemon=True).start()

    def _find(self) -> None:
        # A thread of its own, so that no request waits for a Redis that does not answer.
        assert self._shared is not None
        while True:
            time.sleep(AWAY_SECONDS)
            if self._shared.storage.check():
                self._away.clear()
                logger.warning("Redis is back; limits are shared again")
                return


def _hit(limiter: MovingWindowRateLimiter, item: RateLimitItem, who: str) -> Count:
    granted = limiter.hit(item, who)
    stats = limiter.get_window_stats(item, who)
    seconds = max(1, math.ceil(stats.reset_time - time.time()))
    return Count(granted, max(0, stats.remaining) if granted else 0, seconds)


def _shared(url: str) -> MovingWindowRateLimiter | None:
    options = {
        "socket_timeout": REDIS_SECONDS,
        "socket_connect_timeout": REDIS_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.startswith("unix:"):
        url = f"redis+{url}"
    try:
        return MovingWindowRateLimiter(RedisStorage(url, key_prefix=PREFIX, **options))  # type: ignore[arg-type]
    except (ConfigurationError, ValueError) as error:
        logger.warning("CLORP_REDIS_URL is no use for limits (%s)", type(error).__name__)
        return None
