"""Those who listen to a running system, and those who wait for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2

from tests.web.messages import Message, messages, only_events
from tests.workers.processes import PATIENCE_SECONDS, until

CROWD = 10  # who listen, and as many who wait


@contextmanager
def listening(url: str, key: str | None = None) -> Iterator[Iterator[Message]]:
    """A stream, and what comes over it."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx2.stream("GET", url, headers=headers, timeout=PATIENCE_SECONDS) as answer:
        assert answer.status_code == 200
        yield messages(answer.iter_bytes())


@contextmanager
def crowd(url: str, key: str) -> Iterator[None]:
    """What the block does, a stop, ends every stream and all waiting in order: none is cut off."""

    def listen(_: int) -> None:
        with listening(f"{url}/api/board/stream") as stream:
            assert only_events(stream) == []

    def wait(_: int) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx2.get(f"{url}/api/board?wait=25", headers=headers, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200

    with ThreadPoolExecutor(2 * CROWD) as pool:
        streams, waiting = pool.map(listen, range(CROWD)), pool.map(wait, range(CROWD))
        until("all of them to wait", lambda: waiting_at(url) == 2 * CROWD)
        yield
        assert [*streams, *waiting] == [None] * 2 * CROWD


def waiting_at(url: str) -> int:
    """How many are held back there now."""
    text = httpx2.get(f"{url}/metrics", timeout=PATIENCE_SECONDS, trust_env=False).text
    return int(text.partition("\nclorp_waiting ")[2].partition(".")[0])
