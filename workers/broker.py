"""What Celery raises where Redis is away, frozen or full."""

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

REDIS_TROUBLE = (CeleryError, KombuError, RedisError, OSError)
