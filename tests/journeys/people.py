"""Strangers who use a running system over HTTP, as its users would."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

import httpx2

from tests import support
from tests.workers.processes import PATIENCE_SECONDS
from web.cli.background import System, tail

LOSING = "I cannot help with that."  # the local judge ranks a refusal behind whatever answers
REQUEST_SECONDS = 60  # one that is given up may have been carried out all the same


@dataclass
class Stranger:
    """A user with a key, who tries again while a part of the system restarts."""

    system: System
    key: str

    def call(self, method: str, path: str, expect: int = 200, **body: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = httpx2.request(
                    method,
                    self.system.api_url + path,
                    headers={"Authorization": f"Bearer {self.key}"},
                    json=body if method == "POST" else None,
                    timeout=REQUEST_SECONDS,
                )
                if answer.status_code != 503:
                    assert answer.status_code == expect, answer.text
                    return answer.json()
            except httpx2.TransportError:
                pass
            assert time.monotonic() < deadline, f"{method} {path} was not answered\n{tail(self.system.log)}"
            time.sleep(0.05)

    def post(self, prompt: str, **draft: Any) -> str:
        job = self.call("POST", "/api/jobs/run", 201, prompt=prompt, confirmed=True, **draft)
        return str(job["id"])

    def submit(self, job_id: str, text: str) -> Any:
        return self.call("POST", f"/api/jobs/{job_id}/submit", text=text)

    def wait_for(self, job_id: str, *statuses: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The drop, once it has one of these statuses."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.call("GET", f"/api/jobs/{job_id}")
            if job["status"] in statuses:
                return job
            time.sleep(0.02)
        raise AssertionError(f"{job_id} is {job['status']}, not {statuses}\n{tail(self.system.log)}")


def stranger(system: System, cents: int = 0) -> Stranger:
    """A new user of this system."""
    return Stranger(system, support.person(cents).key)


def fill(system: System, job_id: str, slots: int = 4) -> None:
    """Let strangers enter what loses; with four of five slots taken the next entry closes the window."""
    for _ in range(slots):
        stranger(system).submit(job_id, LOSING)


@contextmanager
def crowded(system: System, prompt: str) -> Iterator[None]:
    """Fill all slots but one of the drop with this prompt that somebody else posts in the block.

    With the entry of the block its window closes, however long it is and however slow the machine.
    """
    over = Event()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(_come, system, prompt, over)
        try:
            yield
        finally:
            over.set()
        coming.result()


def _come(system: System, prompt: str, over: Event) -> None:
    looker = stranger(system)
    while not over.is_set():
        board = looker.call("GET", "/api/board?limit=100")["board"]
        if found := [row["id"] for row in board if row["prompt"] == prompt]:
            fill(system, found[0])
            return
        over.wait(0.1)
