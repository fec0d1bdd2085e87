"""Streams and waiting across real processes: what a worker does is heard."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.journeys.listeners import listening
from tests.journeys.people import Stranger, stranger
from tests.web.messages import only_events
from tests.workers.processes import PATIENCE_SECONDS
from web.cli.background import System

pytestmark = pytest.mark.xdist_group("system")

ENTRIES = 5


def test_who_listens_hears_a_drop_from_its_beginning_to_the_payout(system: System):
    sender = stranger(system, 100)
    with listening(f"{system.api_url}/api/board/stream") as board:
        next(board)
        job_id = sender.post("Name three rivers.", price_cents=100)
        with listening(f"{system.api_url}/api/jobs/{job_id}/logs", sender.key) as log:
            fill(system, job_id)
            heard = [message.kind for message in only_events(log)]
        assert heard[0] == "drop.opened"
        assert heard[-2:] == ["drop.completed", "payout.posted"]
        about = (m.kind for m in board if m.data and m.data["job_id"] == job_id)
        assert "drop.completed" in about


def test_who_waits_for_a_drop_is_told_of_what_a_worker_did(system: System):
    sender = stranger(system, 100)
    job_id = sender.post("Name three rivers.", price_cents=100)
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(wait_until_ended, sender, job_id)
        fill(system, job_id)
        seen = waiting.result()
    assert seen[-1] == "verified"
    assert len(seen) <= 2 * ENTRIES + 5  # questions, not one after the other without a pause


def fill(system: System, job_id: str) -> None:
    """The last entry closes the window."""
    for number in range(ENTRIES):
        stranger(system).submit(job_id, f"Rhine, Nile, Amazon, {number}.")


def wait_until_ended(who: Stranger, job_id: str) -> list[str]:
    seen, etag = [], ""
    with httpx2.Client(base_url=who.system.api_url, timeout=PATIENCE_SECONDS) as client:
        while "verified" not in seen:
            headers = {"Authorization": f"Bearer {who.key}", "If-None-Match": etag}
            answer = client.get(f"/api/jobs/{job_id}", params={"wait": 25}, headers=headers)
            assert answer.status_code == 200
            seen, etag = [*seen, answer.json()["status"]], answer.headers["ETag"]
    return seen
