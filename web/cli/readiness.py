"""Asking a system of our own whether it is ready."""

import threading
import time

import httpx2
from pydantic import BaseModel, ValidationError

_PAUSE_SECONDS_MIN, _PAUSE_SECONDS_MAX = 0.05, 0.5  # quick at first; a busy machine is asked less
_TIMEOUT_SECONDS = 5


class Check(BaseModel):
    """One of the questions behind the answer."""

    name: str
    ok: bool
    detail: str
    needed: bool = True


class Ready(BaseModel):
    """What `/readyz` answers; anything else is not ours."""

    ready: bool
    checks: list[Check]


def ask(client: httpx2.Client, url: str) -> Ready | None:
    """What `/readyz` says there; None where nobody answers, or somebody else."""
    try:
        return Ready.model_validate_json(client.get(f"{url}/readyz").content)
    except (httpx2.HTTPError, ValidationError):
        return None


def local_client() -> httpx2.Client:
    """For servers of this machine: a proxy that is set for the world does not reach them."""
    return httpx2.Client(timeout=_TIMEOUT_SECONDS, trust_env=False)


class Pauses:
    """Longer and longer rests between two questions."""

    def __init__(self) -> None:
        self._seconds = _PAUSE_SECONDS_MIN

    def rest(self) -> None:
        """Wait, and wait longer the next time."""
        time.sleep(self._seconds)
        self._seconds = min(self._seconds * 1.5, _PAUSE_SECONDS_MAX)


class Probe:
    """Asks in a thread of its own, so that an answer that takes its time holds nobody up."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ready = threading.Event()
        self.missing = "an answer"  # what it waits for, in words
        threading.Thread(target=self._ask, name="probe", daemon=True).start()

    def ready(self) -> bool:
        """Whether it was ready once."""
        return self._ready.is_set()

    def _ask(self) -> None:
        pauses = Pauses()
        with local_client() as client:
            while True:
                if answer := ask(client, self._url):
                    self.missing = "; ".join(
                        f"{c.name}: {c.detail}" for c in answer.checks if c.needed and not c.ok
                    )
                    if answer.ready:
                        self._ready.set()
                        return
                pauses.rest()
