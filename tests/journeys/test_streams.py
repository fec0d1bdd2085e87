"""Streams and waiting across real processes: what a worker does is heard."""

import time

import httpx2
import pytest

from tests.journeys.listeners import listening
from tests.journeys.people import Stranger, stranger
from tests.web.messages import only_events
from web.cli.background import System

pytestmark = pytest.mark.xdist_group("system")


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
