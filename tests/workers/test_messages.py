"""Elements of a queue that are no messages: a real worker logs each once, drops it and goes on."""

import json
import os
import random
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from models.health import QUEUES
from tests.models.stages import sql
from tests.redis_trouble import server
from tests.workers.processes import child, until
from workers import embedded, messages
from workers.app import app

Message = dict[str, Any]

BEATS = {"money": "sweep", "judge": "pulse"}  # what each queue is served with, so that it has a heartbeat

CALL = b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
# A message as Celery 5.7 wrote it.
SOUND: Message = {
    "body": b64encode(CALL).decode(),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {
        "lang": "py", "task": "workers.tasks.rate", "id": "ac1ab32b-8a20-4525-b9ea-d44d3acfb753",
        "shadow": None, "eta": None, "expires": None, "group": None, "group_index": None, "retries": 0,
        "timelimit": [None, None], "root_id": "ac1ab32b-8a20-4525-b9ea-d44d3acfb753", "parent_id": None,
        "argsrepr": "()", "kwargsrepr": "{}", "origin": "gen952@vm", "ignore_result": True,
        "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
    },
    "properties": {
        "correlation_id": "ac1ab32b-8a20-4525-b9ea-d44d3acfb753",
        "reply_to": "e9784380-1a1f-3e71-ab05-68a69e35b6e5", "delivery_mode": 2, "priority": 0,
        "delivery_info": {"exchange": "", "routing_key": "money"}, "body_encoding": "base64",
        "delivery_tag": "a39eeb0e-9390-41d2-abc7-8f562ca18d2a",
    },
}  # fmt: skip


def changed(*path: str, value: Any) -> bytes:
    """The sound message with one thing in another way."""
    copy: Message = json.loads(json.dumps(SOUND))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return json.dumps(copy).encode()


def without(*path: str) -> bytes:
    copy: Message = json.loads(json.dumps(SOUND))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return json.dumps(copy).encode()


def body(text: str) -> bytes:
    return changed("body", value=b64encode(text.encode()).decode())


NO_MESSAGES: dict[str, bytes] = {
    "a word": b"hello",
    "nothing": b"",
    "random bytes": random.Random(7).randbytes(1_000),
    "half a document": json.dumps(SOUND).encode()[:200],
    "a hundred thousand brackets": b"[" * 100_000,
    "half a surrogate pair": b'"\\ud800"',
    "null": b"null",
    "a number": b"5",
    "a text": b'"text"',
    "a list": b"[]",
    "an empty object": b"{}",
    "no properties": without("properties"),
    "properties of null": changed("properties", value=None),
    "properties in a list": changed("properties", value=[]),
    "no delivery tag": without("properties", "delivery_tag"),
    "a delivery tag in a list": changed("properties", "delivery_tag", value=["x"]),
    "no delivery info": without("properties", "delivery_info"),
    "a routing key of null": changed("properties", "delivery_info", "routing_key", value=None),
    "an unknown encoding": changed("properties", "body_encoding", value="rot13"),
    "a priority in words": changed("properties", "priority", value="high"),
    "no headers": without("headers"),
    "headers of null": changed("headers", value=None),
    "headers in a list": changed("headers", value=["task"]),
    "no task": without("headers", "task"),
    "a task in a list": changed("headers", "task", value=["workers.tasks.rate"]),
    "an unknown task": changed("headers", "task", value="workers.tasks.nothing"),
    "no id": without("headers", "id"),
    "an id of null": changed("headers", "id", value=None),
    "retries in words": changed("headers", "retries", value="often"),
    "time limits in words": changed("headers", "timelimit", value="short"),
    "a group in an object": changed("headers", "group", value={"id": 1}),
    "stamps in a list": changed("headers", "stamps", value=[1]),
    "no body": without("body"),
    "a body of null": changed("body", value=None),
    "a body that is no base64": changed("body", value="%%%"),
    "a body that is no JSON": body("hello"),
    "a body that is a number": body("5"),
    "a body that is too short": body("[[], {}]"),
    "arguments in an object": body("[{}, {}, {}]"),
    "a chord in words": body('[[], {}, {"chord": "rank"}]'),
    "a pickle": changed("content-type", value="application/x-python-serialize"),
    "an unknown charset": changed("content-encoding", value="nonsense"),
}


@pytest.fixture
def broker(database, monkeypatch) -> Iterator["redis.Redis[bytes]"]:
    """A Redis of the test's own, which the worker is going to use."""
    url = f"redis://{embedded.HOST}:{embedded.free_port()}/0"
    with server(url), redis.Redis.from_url(url) as client:
        monkeypatch.setenv("CLORP_REDIS_URL", url)
        yield client


@pytest.fixture
def worker(broker, tmp_path) -> Iterator[Callable[[], str]]:
    """A worker of both queues; gives what it has logged."""
    log = tmp_path / "log"
    argv = [sys.executable, "-m", "celery", "--app", "workers.app", "worker", "--queues", ",".join(QUEUES)]
    argv += ["--pool", "threads", "--concurrency", "2"]
    with log.open("wb") as output, child(argv, stdout=output, stderr=output, env=os.environ) as process:
        yield lambda: log.read_text() if process.poll() is None else pytest.fail(log.read_text())
        process.terminate()


def lengths(broker) -> list[int]:
    return [broker.llen(queue) for queue in QUEUES] + [broker.hlen("unacked")]


def test_a_real_worker_drops_what_is_no_message_and_goes_on(broker, worker):
    for queue in QUEUES:
        broker.lpush(queue, *NO_MESSAGES.values())
        broker.lpush(queue, changed("headers", "task", value=f"workers.tasks.{BEATS[queue]}"))
    until("both queues to be served", lambda: worker() and len(sql("SELECT FROM heartbeats")) == len(QUEUES))
    until("all to be acknowledged", lambda: worker() and not any(lengths(broker)))
    lines = worker().splitlines()
    told = [line for line in lines if "that is no message" in line]
    assert len(told) == len(QUEUES) * len(NO_MESSAGES)
    assert [line for line in lines if "Traceback" in line or "Unrecoverable" in line] == []


@pytest.mark.parametrize("what", NO_MESSAGES)
def test_what_is_no_message_is_named_without_what_it_says(what):
    wrong = messages.fault(NO_MESSAGES[what])
    assert wrong
    assert len(wrong) < 100
    assert "hello" not in wrong


def test_what_celery_writes_is_a_message(broker):
    from workers import tasks

    app.loader.import_default_modules()
    url = f"redis://{embedded.HOST}:{broker.connection_pool.connection_kwargs['port']}/0"
    with app.connection_for_write(url) as connection:
        for task in (tasks.sweep.s(), tasks.pay.s("one"), tasks.ballot.si("one", 1)):
            task.apply_async(connection=connection)
    written = [broker.rpop(queue) for queue in ("money", "money", "judge")]
    assert [messages.fault(element) for element in (*written, json.dumps(SOUND).encode())] == [None] * 4
    assert b64decode(json.loads(written[1])["body"]).startswith(b'[["one"], {}')
