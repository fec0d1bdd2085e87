"""Short questions to Redis or Valkey: one that does not answer at once counts as away."""

from functools import lru_cache

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@lru_cache(maxsize=4)
def redis_at(url: str, seconds: float) -> Redis:
    """The server of this URL; connecting and each answer may take so many seconds."""
    return Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
    )
