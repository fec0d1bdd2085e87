"""Calling the API until there is a definite answer, and how often the first try gave one."""

import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

from web.cli.torture.plan import DEFINITE_SECONDS

TIMEOUT_SECONDS = 10.0
PAUSE_SECONDS = 0.15
_PASSING = ("idempotency_in_progress",)  # codes of answers that say: ask again


class Unanswered(RuntimeError):
    """No definite answer came until the end."""


@dataclass(frozen=True)
class Answer:
    """What the API said in the end."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether it is a promise."""
        return self.status < 300


@dataclass
class Availability:
    """Of each kind of call: how many, and how many of them were answered at the first try, and in time."""

    asked: int = 0
    answered: int = 0


@dataclass
class Caller:
    """Calls of many users. `give_up_at` is of the monotonic clock."""

    api_url: str
    give_up_at: float
    availability: dict[str, Availability] = field(default_factory=lambda: defaultdict(Availability))
    contradictions: list[str] = field(default_factory=list)
    tries: int = 0
    _http: httpx2.Client = field(init=False)
    _twins: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))

    def __post_init__(self) -> None:
        limits = httpx2.Limits(max_connections=300, max_keepalive_connections=100)
        self._http = httpx2.Client(
            base_url=self.api_url, timeout=TIMEOUT_SECONDS, trust_env=False, limits=limits
        )

    def post(self, kind: str, key: str, path: str, body: dict[str, Any], twice: bool = False) -> Answer:
        """Send a POST until it is answered, every time with one Idempotency-Key; `twice`: two at once.

        Raises:
            Unanswered: it never is.
        """
        once = str(uuid4())
        if not twice:
            return self._ask(kind, "POST", key, path, body, once)
        twin = self._twins.submit(self._ask, kind, "POST", key, path, body, once)
        mine, other = self._ask(kind, "POST", key, path, body, once), twin.result()
        # A refusal changed nothing and is judged afresh; a promise is given again, word for word.
        if mine.ok and other.ok and mine != other:
            self.contradictions.append(f"{kind}, sent twice with one key, got two answers")
        return mine if mine.ok else other

    def delete(self, kind: str, key: str, path: str) -> Answer:
        """Send a DELETE until it is answered; to one that is sent again 404 is an answer, too."""
        return self._ask(kind, "DELETE", key, path, None, None)

    def close(self) -> None:
        """Ask no more."""
        self._twins.shutdown()
        self._http.close()

    def _ask(
        self, kind: str, method: str, key: str, path: str, body: dict[str, Any] | None, once: str | None
    ) -> Answer:
        headers = {"Authorization": f"Bearer {key}"} | ({"Idempotency-Key": once} if once else {})
        record, begun, first = self.availability[kind], time.monotonic(), True
        record.asked += 1
        while True:
            self.tries += 1
            answer = self._once(method, path, headers, body)
            if answer and first and time.monotonic() - begun <= DEFINITE_SECONDS:
                record.answered += 1
            if answer and answer.body.get("code") not in _PASSING:
                return answer
            first = False
            if time.monotonic() > self.give_up_at:
                raise Unanswered(f"{method} {path} has no answer")
            time.sleep(PAUSE_SECONDS)

    def _once(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None
    ) -> Answer | None:
        """The answer to one try; None where there is none, or the server says that it could not give one."""
        try:
            answer = self._http.request(method, path, headers=headers, json=body)
            document = answer.json()
        except (httpx2.TransportError, ValueError):
            return None
        if answer.status_code >= 500:
            if answer.status_code == 500:
                self.contradictions.append(f"{method} {path} answered 500")
            return None
        return Answer(answer.status_code, document)


def at_once(records: Iterable[Availability]) -> float:
    """How many of all were answered at once, 0 to 1."""
    together = list(records)
    return sum(r.answered for r in together) / max(1, sum(r.asked for r in together))
