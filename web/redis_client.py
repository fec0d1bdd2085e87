"""Short questions to Redis or Valkey: one that does not answer at once counts as away."""

from functools import lru_cache

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

_NOTHING = "clorp:nothing"


@lru_cache(maxsize=4)
def redis_at(url: str, seconds: float) -> Redis:
    """The server of this URL; connecting and each answer may take so many seconds."""
    return Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
    )


def takes_messages(client: Redis) -> None:
    """Ask for a change that changes nothing: a server that is full, or a copy of another, refuses even that.

    Raises:
        RedisError: it does not answer, or would refuse a message.
    """
    client.setrange(_NOTHING, 0, "")  # no text is put into a key that is not there, which is not made


def refusal(error: ResponseError) -> str:
    """Return in a word why a server refuses: by the kind of the error, or as the server begins (MISCONF)."""
    return str(error).partition(" ")[0] if type(error) is ResponseError else type(error).__name__
