"""PostgreSQL away for a while: a line of each process when it goes, one when it is back, and work goes on."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest
import redis
from sqlalchemy import make_url

from models.health import QUEUES
from tests.models.stages import sql
from tests.postgres_proxy import use
from tests.redis_trouble import server
from tests.workers.processes import child, until
from workers import embedded
from workers.app import app

TASKS = {"money": ("sweep", "remit_owed", "rate", "audit"), "judge": ("pulse",)}
POOLS = {"money": ["prefork", "--concurrency", "1"], "judge": ["threads", "--concurrency", "4"]}
ROUNDS = 4


@pytest.fixture
def broker(database, monkeypatch) -> Iterator[str]:
    """A Redis of the test's own, which the workers are going to use."""
    url = f"redis://{embedded.HOST}:{embedded.free_port()}/0"
    with server(url):
        monkeypatch.setenv("CLORP_REDIS_URL", url)
        yield url


def send(url: str, queue: str) -> None:
    app.loader.import_default_modules()
    with app.connection_for_write(url) as connection:
        for task in TASKS[queue]:
            app.tasks[f"workers.tasks.{task}"].apply_async(connection=connection)


@contextmanager
def away(database: str) -> Iterator[None]:
    """While the block runs PostgreSQL lets nobody into this database."""
    url = make_url(database)
    with closing(psycopg2.connect(url.set(database="postgres").render_as_string(False))) as admin:
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database]
            )
            try:
                yield
            finally:
                cursor.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")


def await_service(url: str) -> None:
    sql("DELETE FROM heartbeats")
    for queue in QUEUES:
        send(url, queue)
    served = set(QUEUES)
    until(
        "both queues to be served",
        lambda: {row.queue for row in sql("SELECT queue FROM heartbeats")} == served,
    )


def test_an_outage_is_two_lines_of_each_worker_and_no_traceback(broker, database, tmp_path):
    logs = {queue: tmp_path / queue for queue in QUEUES}
    with ExitStack() as stack, redis.Redis.from_url(broker) as client:
        for queue in QUEUES:
            argv = [sys.executable, "-m", "celery", "--app", "workers.app", "worker", "--queues", queue]
            argv += ["--pool", *POOLS[queue]]
            output = stack.enter_context(logs[queue].open("wb"))
            process = stack.enter_context(child(argv, stdout=output, stderr=output, env=dict(os.environ)))
            stack.callback(process.terminate)
        await_service(broker)
        with away(database):
            for _ in range(ROUNDS):
                for queue in QUEUES:
                    send(broker, queue)
            until(
                "all to be given up", lambda: not any(map(client.llen, QUEUES)) and not client.hlen("unacked")
            )
        await_service(broker)
    for queue in QUEUES:
        told = logs[queue].read_text()
        assert told.count("PostgreSQL does not answer") == 1, told
        assert told.count("PostgreSQL answers again") == 1, told
        assert re.findall(r":\d+ in \w+", told) == [], told  # a place in the code


def test_a_task_that_is_called_here_raises_what_it_meets(database, settle):
    from sqlalchemy.exc import OperationalError

    from workers import tasks

    use(f"postgresql://clorp@{embedded.HOST}:{embedded.free_port()}/clorp")
    with pytest.raises(OperationalError):
        tasks.sweep()
    use(database)
