"""Those who listen to a running system, and those who wait for it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2

from tests.web.messages import Message, messages, only_events

CROWD = 10  # who listen, and as many who wait


@contextmanager
def listening(url: str, key: str | None = None) -> Iterator[Iterator[Message]]:
    """A stream, and what comes over it."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx2.stream("GET", url, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        yield messages(answer.iter_bytes())


@contextmanager
def crowd(url: str, key: str) -> Iterator[None]:
    """What the block does, a stop, ends every stream and all waiting in order, and within two seconds."""
    begun = threading.Barrier(CROWD + 1)

    def listen(_: int) -> float:
        with listening(f"{url}/api/board/stream") as stream:
            next(stream)
            begun.wait(30)
            assert only_events(stream) == []
        return time.monotonic()

    def wait(_: int) -> float:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx2.get(f"{url}/api/board?wait=25", headers=headers, timeout=30)
        assert answer.status_code == 200
        return time.monotonic()

    with ThreadPoolExecutor(2 * CROWD) as pool:
        streams, waiting = pool.map(listen, range(CROWD)), pool.map(wait, range(CROWD))
        begun.wait(30)
        time.sleep(0.5)  # until those who wait do
        stopped_at = time.monotonic()
        yield
        assert max(*streams, *waiting) - stopped_at < 2
