"""Streams and waiting across real processes: what a worker does is heard, and a stop ends them in order."""

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from models import db
from tests.journeys.people import Stranger, stranger
from tests.journeys.test_up import Up, ends_in_order, up
from tests.support import person
from tests.web.messages import Message, messages, only_events
from web.cli.background import System
from web.cli.servers import use
from workers import embedded

STREAMS = 10  # of each kind, when the stop comes


@contextmanager
def listening(url: str, key: str | None = None) -> Iterator[Iterator[Message]]:
    """A stream, and what comes over it."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx2.stream("GET", url, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        yield messages(answer.iter_bytes())


@pytest.mark.xdist_group("system")
def test_who_listens_hears_a_drop_from_its_beginning_to_the_payout(system: System):
    sender, worker = stranger(system, 100), stranger(system)
    with listening(f"{system.api_url}/api/board/stream") as board:
        next(board)
        job_id = sender.post("Name three rivers.", price_cents=100, time_limit_seconds=2)
        with listening(f"{system.api_url}/api/jobs/{job_id}/logs", sender.key) as log:
            worker.submit(job_id, "Rhine, Nile, Amazon.")
            heard = [message.kind for message in only_events(log)]
        assert heard[0] == "drop.opened"
        assert heard[-2:] == ["drop.completed", "payout.posted"]
        about = (m.kind for m in board if m.data and m.data["job_id"] == job_id)
        assert "drop.completed" in about


@pytest.mark.xdist_group("system")
def test_who_waits_for_a_drop_is_told_of_what_a_worker_did(system: System):
    sender, worker = stranger(system, 100), stranger(system)
    job_id = sender.post("Name three rivers.", price_cents=100, time_limit_seconds=1)
    worker.submit(job_id, "Rhine, Nile, Amazon.")
    begun, seen = time.monotonic(), wait_until_ended(sender, job_id)
    assert seen[-1] == "verified"
    assert len(seen) <= 6  # questions, not one after the other without a pause
    assert time.monotonic() - begun < 20


def wait_until_ended(who: Stranger, job_id: str) -> list[str]:
    seen, etag = [], ""
    with httpx2.Client(base_url=who.system.api_url, timeout=30) as client:
        while "verified" not in seen:
            headers = {"Authorization": f"Bearer {who.key}", "If-None-Match": etag}
            answer = client.get(f"/api/jobs/{job_id}", params={"wait": 25}, headers=headers)
            assert answer.status_code == 200
            seen, etag = [*seen, answer.json()["status"]], answer.headers["ETag"]
    return seen


@pytest.fixture
def running() -> Iterator[Up]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-streams-", dir="/tmp") as folder:
        with up(Path(folder)) as started:
            servers = embedded.find(Path(folder))
            assert servers
            use(CLORP_DATABASE_URL=servers.database_url)
            yield started
        db.engine().dispose()
        db.engine.cache_clear()


def test_a_stop_ends_every_stream_and_whoever_waits_in_order(running: Up):
    key = person().key
    opened = threading.Barrier(STREAMS + 1)

    def listen(_: int) -> float:
        with listening(f"{running.url}/api/board/stream") as stream:
            next(stream)
            opened.wait(30)
            assert only_events(stream) == []
        return time.monotonic()

    def wait(_: int) -> float:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx2.get(f"{running.url}/api/board?wait=25", headers=headers, timeout=30)
        assert answer.status_code == 200
        return time.monotonic()

    db.engine().dispose()
    with ThreadPoolExecutor(2 * STREAMS) as pool:
        streams = pool.map(listen, range(STREAMS))
        waiting = pool.map(wait, range(STREAMS))
        opened.wait(30)
        time.sleep(0.5)  # until those who wait do
        begun = time.monotonic()
        ends_in_order(running, signal.SIGTERM)
        assert max(*streams, *waiting) - begun < 2
