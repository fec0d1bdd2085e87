"""What the users of the market do to it: each drop's story is drawn from the seed and its number."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import SQLAlchemyError

from models import accounts, db, ledger
from models.packs import PACKS
from web.cli.torture.calling import PAUSE_SECONDS, Answer, Caller, Unanswered
from web.cli.torture.promises import Promises

SENDERS, COMPETITORS = 8, 40
PURSE_CENTS = 10**9
WINDOW_SECONDS = (2, 3, 4)
LAST_SECONDS = 0.3  # of a window, in which many hand in
ENTRIES = (0, 1, 2, 3, 3, 4, 5, 5)  # that a drop gets
TWICE = 10  # every so manieth POST is sent twice at once
_WORDS = (
    "the river city lamp engine garden winter paper window music bridge orange letter market shadow".split()
)


@dataclass(frozen=True)
class User:
    """Someone with a key."""

    id: UUID
    key: str = field(repr=False)


def make_user(name: str, cents: int = 0) -> User:
    """A new user, with money."""
    with db.transaction() as session:
        user, key = accounts.create_user(session, f"{name}-{uuid4().hex[:8]}")
        if cents:
            ledger.credit(session, user.id, cents, f"torture:{uuid4()}")
        return User(user.id, key)


class Load:
    """The users, and what they do. `failures` are calls that were never answered."""

    def __init__(self, seed: int, caller: Caller, promises: Promises) -> None:
        self._seed = seed
        self.caller, self.promises = caller, promises
        self._senders = [make_user("sender", PURSE_CENTS) for _ in range(SENDERS)]
        self.poor = make_user("poor")  # whose money comes only when it is missed
        self._competitors = [make_user("competitor") for _ in range(COMPETITORS)]
        self.failures: list[str] = []

    def play(self, number: int) -> None:
        """The story of one drop, from the post to its last entry. Takes as long as its window."""
        random = Random(f"{self._seed}:{number}")  # noqa: S311
        try:
            _Story(self, random, number).play()
        except Unanswered as error:
            self.failures.append(str(error))
        except Exception as error:  # of ours, or an answer that nobody thought of
            self.failures.append(f"the story of drop {number} broke off: {error!r}")

    def post(self, random: Random, kind: str, user: User, path: str, body: dict[str, Any]) -> Answer:
        """A POST, sent twice now and then."""
        return self.caller.post(kind, user.key, path, body, twice=random.randrange(TWICE) == 0)

    def sender(self, random: Random) -> User:
        """Someone who pays."""
        return random.choice(self._senders)

    def competitors(self, random: Random, count: int) -> list[User]:
        """So many who compete."""
        return random.sample(self._competitors, count)


class _Story:
    def __init__(self, load: Load, random: Random, number: int) -> None:
        self._load, self._random = load, random
        self._prompt = f"{number}. Write about {_text(random, 4)}."
        self._sender = load.sender(random)
        self._path = ""
        self._job_id = UUID(int=0)

    def play(self) -> None:
        random = self._random
        job = self._post_poor() if random.random() < 0.06 else self._post()
        self._job_id, self._path = UUID(job["id"]), f"/api/jobs/{job['id']}"
        closes_at = datetime.fromisoformat(job["window_closes_at"]).astimezone(UTC).timestamp()
        fate = random.random()
        if fate < 0.05:
            self._cancel()
            return
        for at, act in sorted(self._acts(closes_at, fate), key=lambda planned: planned[0]):
            time.sleep(max(0.0, at - time.time()))
            act()

    def _acts(self, closes_at: float, fate: float) -> list[tuple[float, Callable[[], None]]]:
        """What happens until the window closes, each with its time in seconds since 1970."""
        random, now = self._random, time.time()
        entries, idle = random.choice(ENTRIES), random.choice((0, 0, 0, 1, 2))
        people = self._load.competitors(random, entries + idle)
        acts: list[tuple[float, Callable[[], None]]] = []
        for place, who in enumerate(people):
            begin = random.uniform(now, now + 0.5)
            if place >= entries or random.random() < 0.6:
                acts.append((begin, lambda who=who: self._claim(who)))  # type: ignore[misc]
            if place >= entries:
                if random.random() < 0.3:
                    acts.append((begin + 0.5, lambda who=who: self._release(who)))  # type: ignore[misc]
                continue
            late = random.random() < 0.4
            at = closes_at - random.uniform(0, LAST_SECONDS) if late else random.uniform(begin, begin + 1)
            acts.append((at, lambda who=who: self._submit(who)))  # type: ignore[misc]
            if random.random() < 0.1:
                acts.append((at + 0.3, lambda who=who: self._submit(who)))  # type: ignore[misc]
        if fate < 0.12:
            acts.append((random.uniform(now, closes_at), self._cancel))
        return acts

    def _draft(self) -> dict[str, Any]:
        random = self._random
        return {
            "prompt": self._prompt,
            "pack": random.choice(sorted(PACKS)),
            "price_cents": random.randint(50, 900),
            "time_limit_seconds": random.choice(WINDOW_SECONDS),
            "confirmed": True,
        }

    def _post(self) -> dict[str, Any]:
        self._load.promises.post(self._prompt, None)
        answer = self._load.post(self._random, "create", self._sender, "/api/jobs/run", self._draft())
        return self._opened(answer, 201)

    def _post_poor(self) -> dict[str, Any]:
        """Posted without money, paid when it has come."""
        self._sender = self._load.poor
        self._load.promises.post(self._prompt, None)
        draft = self._draft()
        answer = self._load.post(self._random, "create", self._sender, "/api/jobs/run", draft)
        if answer.status == 201:  # a refund has made the poor one rich for a moment
            return self._opened(answer, 201)
        if answer.status != 402:
            raise Unanswered(f"create answered {answer.status}: {answer.body.get('error')}")
        self._load.promises.post(self._prompt, UUID(answer.body["job_id"]))
        path = f"/api/jobs/{answer.body['job_id']}/pay"
        while (paid := self._load.post(self._random, "pay", self._sender, path, {})).status == 402:
            self._credit(draft["price_cents"])
        return self._opened(paid, 200)

    def _credit(self, cents: int) -> None:
        """Money from outside, by a key that makes trying again safe."""
        key = f"torture:{uuid4()}"
        while True:
            try:
                db.retried(lambda session: ledger.credit(session, self._sender.id, cents, key))
                return
            except SQLAlchemyError:
                if time.monotonic() > self._load.caller.give_up_at:
                    raise Unanswered("a wallet could not be filled") from None
                time.sleep(PAUSE_SECONDS)

    def _opened(self, answer: Answer, status: int) -> dict[str, Any]:
        if answer.status != status:
            raise Unanswered(f"a drop was answered {answer.status}: {answer.body.get('error')}")
        self._load.promises.post(self._prompt, UUID(answer.body["id"]))
        return answer.body

    def _claim(self, who: User) -> None:
        answer = self._load.post(self._random, "claim", who, f"{self._path}/claim", {})
        if answer.ok:
            self._load.promises.claims.add(UUID(answer.body["id"]))

    def _release(self, who: User) -> None:
        self._load.caller.delete("release", who.key, f"{self._path}/claim")

    def _submit(self, who: User) -> None:
        body = _text(self._random, 30)
        before = self._load.promises.entries.get((self._job_id, who.id))
        self._load.promises.entry(self._job_id, who.id, None)  # until there is an answer nobody knows
        answer = self._load.post(self._random, "submit", who, f"{self._path}/submit", {"text": body})
        if answer.ok or before:
            self._load.promises.entry(self._job_id, who.id, body if answer.ok else before)

    def _cancel(self) -> None:
        answer = self._load.post(self._random, "cancel", self._sender, f"{self._path}/cancel", {})
        if answer.ok and answer.body["status"] == "cancelled":
            self._load.promises.cancelled.add(self._job_id)


def _text(random: Random, words: int) -> str:
    return " ".join(random.choices(_WORDS, k=words))
