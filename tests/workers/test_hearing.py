"""A worker that takes no message ends, and no other one does."""

import os
import signal
from uuid import uuid4

import pytest
import redis
from celery.worker import state
from kombu.asynchronous import Hub
from kombu.message import Message

from models.settings import settings
from workers import hearing, messages
from workers.hearing import DEAF_SECONDS, Hearing


@pytest.fixture
def queue(database):
    name = f"queue-{uuid4().hex}"
    with redis.Redis.from_url(settings().redis_url) as client:
        yield lambda *messages: client.lpush(name, *messages) if messages else name
        client.delete(name)


@pytest.fixture(autouse=True)
def _counts(monkeypatch):
    monkeypatch.setattr(state, "all_total_count", [7])
    monkeypatch.setattr(state, "active_requests", set())


def deaf(listening: Hearing) -> bool:
    """What it says after a while in which nothing but `between` happens."""
    listening.deaf(100)
    return listening.deaf(100 + DEAF_SECONDS)


def test_messages_that_nobody_takes_are_noticed(queue):
    queue("one")
    assert deaf(Hearing([queue()]))


def test_an_empty_queue_is_a_quiet_day(queue):
    assert not deaf(Hearing([queue()]))


def test_who_takes_messages_hears(queue):
    queue("one", "two")
    listening = Hearing([queue()])
    listening.deaf(100)
    state.all_total_count[0] += 1
    assert not listening.deaf(100 + DEAF_SECONDS)
    assert listening.deaf(100 + 2 * DEAF_SECONDS)


def test_who_drops_what_is_no_message_hears(queue, monkeypatch):
    queue("one", "two")
    listening = Hearing([queue()])
    listening.deaf(100)
    monkeypatch.setattr(messages, "_dropped", messages.dropped() + 1)
    assert not listening.deaf(100 + DEAF_SECONDS)
    assert listening.deaf(100 + 2 * DEAF_SECONDS)


def test_who_is_at_work_is_not_asked_to_take_more(queue, monkeypatch):
    queue("one")
    monkeypatch.setattr(state, "active_requests", {object()})
    assert not deaf(Hearing([queue()]))


def test_without_redis_there_is_nothing_to_hear(queue, settle):
    settle(redis_url="redis://127.0.0.1:1/0")
    assert not deaf(Hearing([queue()]))


def test_a_deaf_worker_tells_itself_to_stop(queue, monkeypatch):
    queue("one")
    told = []
    monkeypatch.setattr(hearing, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(hearing, "DEAF_SECONDS", 0.05)
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    hearing._listen(Hearing([queue()]))
    assert told == [(os.getpid(), signal.SIGTERM)]


def test_an_acknowledgement_that_fails_has_the_loop_connect_anew(monkeypatch):
    """As Celery asks for it: with what it takes for a log, and the errors that count."""
    loop = Hub()
    monkeypatch.setattr(hearing, "_loop", loop)
    message = Message(channel=Broken(), delivery_tag="one")
    work = hearing.Request.__new__(hearing.Request)
    work._on_ack, work._connection_errors = message.ack_log_error, (redis.ConnectionError,)
    work.acknowledge()
    assert work.acknowledged
    with pytest.raises(redis.ConnectionError, match="an acknowledgement failed"):
        loop.run_once()
    loop.close()


class Broken:
    no_ack_consumers = None

    def basic_ack(self, tag: str, multiple: bool = False) -> None:
        raise redis.ConnectionError("closed")
