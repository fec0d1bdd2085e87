"""What a worker takes out of Redis: messages in the form in which Celery writes them, of tasks that it knows.

Celery trusts its queues: an element that is no such message ends the worker that takes it, and the next one
ends the worker that is started instead. Here it is logged once and dropped; what it stood for the sweep sends
again, for the database knows what is owed.
"""

import logging
from typing import Annotated, Any, Literal

from kombu.transport.redis import Channel, Transport
from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError
from pydantic.types import Base64Bytes
from redis import Redis

from workers.app import app

logger = logging.getLogger(__name__)

ID_MAX = 255  # characters of ids and names: a message has a UUID there

_Id = Annotated[str, Field(min_length=1, max_length=ID_MAX)]

_dropped = 0


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _DeliveryInfo(_Part):
    exchange: str
    routing_key: str


class _Properties(_Part):
    delivery_tag: _Id
    delivery_info: _DeliveryInfo
    body_encoding: Literal["base64"]
    priority: int | None = None


class _Headers(_Part):
    task: _Id
    id: _Id
    root_id: _Id | None = None
    parent_id: _Id | None = None
    group: _Id | None = None
    group_index: int | None = None
    eta: str | None = None
    expires: str | None = None
    retries: int | None = None
    timelimit: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None = None
    ignore_result: bool | None = None
    replaced_task_nesting: int | None = None
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None


class _Options(_Part):
    callbacks: list[dict[str, Any]] | None = None
    errbacks: list[dict[str, Any]] | None = None
    chain: list[dict[str, Any]] | None = None
    chord: dict[str, Any] | None = None


class _Envelope(_Part):
    body: Base64Bytes
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties


class _Call(_Part):
    call: Json[tuple[list[Any], dict[str, Any], _Options]]


def dropped() -> int:
    """Return how many elements of queues this process has dropped."""
    return _dropped


def fault(element: bytes) -> str | None:
    """Return what is wrong with an element of a queue, without what it says; None where it is a message."""
    try:
        envelope = _Envelope.model_validate_json(element)
        _Call.model_validate({"call": envelope.body}, strict=False)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)[0]
        return f"{'.'.join(map(str, found['loc'])) or 'element'}: {found['type']}"
    return None if envelope.headers.task in app.tasks else "headers.task: unknown"


class _Client(Redis):
    """A client that passes over what is no message, as if the queue had been empty at that moment."""

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Return the answer to a command; of BRPOP, the queue and the message."""
        answer = super().parse_response(connection, command_name, **options)
        if command_name == "BRPOP" and answer and (wrong := fault(answer[1])):
            _drop(answer[0], wrong)
            return None
        return answer


def _drop(queue: bytes, wrong: str) -> None:
    global _dropped
    _dropped += 1
    logger.error("dropped an element of the queue %s that is no message (%s)", queue.decode(), wrong)


class _Channel(Channel):
    """Celery's channel, with that client."""

    def _get_client(self) -> type[Redis]:
        super()._get_client()  # which looks at the version of redis-py
        return _Client


class Reading(Transport):
    """Celery's transport, with that channel."""

    Channel = _Channel
