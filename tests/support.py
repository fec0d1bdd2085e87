"""What most tests begin with: users with money, drops, and driving a drop by hand."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models import accounts, arena, db, files, ledger, market, patience, settlement, uploads
from models.arena import Entry
from models.market import Draft
from models.schema import (
    Account,
    Agent,
    ApiKey,
    Attachment,
    Ballot,
    Claim,
    Drop,
    Name,
    Submission,
    Transfer,
    Upload,
    User,
)
from models.states import Status
from models.uploads import Parcel
from tests.workers.processes import PATIENCE_SECONDS

R = TypeVar("R")


@dataclass(frozen=True)
class Person:
    """A user of a test, with the key to call the API."""

    id: UUID
    name: str
    key: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def person(cents: int = 0, name: str | None = None) -> Person:
    with db.transaction() as session:
        user, key = accounts.create_user(session, name or f"user-{uuid4().hex[:12]}")
        made = Person(user.id, user.name, key)
    return give(made, cents) if cents else made


def give(who: Person, cents: int) -> Person:
    """Put so much more into the wallet; gives the same person."""
    with db.transaction() as session:
        ledger.credit(session, who.id, cents, f"credit:{uuid4()}")
    return who


def people(count: int) -> list[Person]:
    return [person() for _ in range(count)]


def post(sender: Person, prompt: str = "Name three rivers.", **draft: Any) -> UUID:
    """An open (or, where the money is short, pending) drop."""
    with db.transaction() as session:
        return market.post(session, sender.id, Draft(prompt=prompt, **draft)).drop.id


def claim(who: Person, job_id: UUID, agent_id: UUID | None = None) -> None:
    with db.transaction() as session:
        arena.claim(session, who.id, job_id, agent_id)


def submit(who: Person, job_id: UUID, body: str = "Rhine, Nile, Amazon.", **entry: Any) -> Submission:
    with db.transaction() as session:
        return arena.submit(session, who.id, job_id, Entry(text=body, **entry))[0]


def bring(
    who: Person, content: bytes = b"Rhine", name: str = "notes.md", content_type: str = "text/markdown"
) -> str:
    """An upload: its bytes in the store, its row beside them; gives its key."""
    parcel = Parcel.of(name, content_type, content)
    files.chosen().put(parcel.key, content)
    with db.transaction() as session:
        return str(uploads.record(session, who.id, parcel).id)


def age_uploads(hours: float = 25) -> None:
    """Make every upload so much older."""
    with db.transaction() as session:
        session.execute(
            text("UPDATE uploads SET created_at = created_at - CAST(:age AS interval)"),
            {"age": f"{hours} hours"},
        )


def drop(job_id: UUID) -> Drop:
    with db.transaction() as session:
        return session.get_one(Drop, job_id)


def status(job_id: UUID) -> Status:
    return drop(job_id).status


def balance(who: Person) -> int:
    with db.transaction() as session:
        return ledger.balance(session, who.id)


def violations() -> list[ledger.Violation]:
    with db.transaction() as session:
        return ledger.audit(session).violations


def let_time_pass(job_id: UUID, seconds: float = 10_000) -> None:
    """Move a drop and its claims into the past, as if so many seconds had gone by."""
    shift = {"id": job_id, "seconds": f"{seconds} seconds"}
    with db.transaction() as session:
        # The terms of a drop are frozen by triggers; only a test may turn the clock.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(
            text("""UPDATE jobs SET created_at = created_at - CAST(:seconds AS interval),
                opened_at = opened_at - CAST(:seconds AS interval),
                window_closes_at = window_closes_at - CAST(:seconds AS interval),
                updated_at = updated_at - CAST(:seconds AS interval),
                ended_at = ended_at - CAST(:seconds AS interval),
                cancel_requested_at = cancel_requested_at - CAST(:seconds AS interval),
                due_at = due_at - CAST(:seconds AS interval) WHERE id = :id"""),
            shift,
        )
        session.execute(
            text("""UPDATE claims SET created_at = created_at - CAST(:seconds AS interval),
                expires_at = expires_at - CAST(:seconds AS interval),
                release_free_until = release_free_until - CAST(:seconds AS interval),
                released_at = released_at - CAST(:seconds AS interval) WHERE job_id = :id"""),
            shift,
        )
        session.execute(
            text("""UPDATE submissions SET created_at = created_at - CAST(:seconds AS interval),
                revised_at = revised_at - CAST(:seconds AS interval) WHERE job_id = :id"""),
            shift,
        )


def steal(who: Person, cents: int = 1) -> None:
    """Change a balance behind every guard's back."""
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(
            text("UPDATE accounts SET balance_cents = balance_cents - :cents WHERE user_id = :id"),
            {"cents": cents, "id": who.id},
        )


def age_audit(seconds: float) -> None:
    """Move the last audit into the past."""
    with db.transaction() as session:
        session.execute(
            text("UPDATE audits SET finished_at = finished_at - CAST(:age AS interval)"),
            {"age": f"{seconds} seconds"},
        )


def close(job_id: UUID) -> Status:
    """What the sweep does with an open drop: close its window if that is over."""
    with db.transaction() as session:
        return settlement.close(session, job_id)


def drive(job_id: UUID) -> Status:
    """Do all that a drop in `ranking` or `completed` owes, by calling the tasks as functions."""
    from workers import tasks

    with db.transaction() as session:
        missing = settlement.ballots_missing(session, job_id) or []
    for k in missing:
        tasks.ballot(str(job_id), k)
    tasks.rank(str(job_id))
    tasks.pay(str(job_id))
    return status(job_id)


def insist(call: Callable[[], R]) -> R:
    """Call again, as clients do, while a busy machine only puts it off; nothing was changed then.

    That is a 503 with Retry-After over HTTP, and below it a lock, a connection or an answer of PostgreSQL
    that was not had in time.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = call()
        except (DBAPIError, PoolTimeout) as error:
            if not _put_off(error) or time.monotonic() > deadline:
                raise
        else:
            busy = getattr(answer, "status_code", None) == 503 and "Retry-After" in answer.headers
            if not busy or time.monotonic() > deadline:
                return answer
        time.sleep(0.05)


def _put_off(error: DBAPIError | PoolTimeout) -> bool:
    lock_timeout, statement_timeout = "55P03", "57014"
    if isinstance(error, PoolTimeout) or isinstance(error.orig, patience.NoAnswer):
        return True
    return getattr(error.orig, "pgcode", None) in (lock_timeout, statement_timeout)


def at_once(calls: list[Callable[[], R]]) -> list[R | Exception]:
    """Every call in a thread of its own, all let go at the same moment; errors are results.

    Whoever is only put off insists.
    """
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], R]) -> R | Exception:
        gate.wait(PATIENCE_SECONDS)
        try:
            return insist(call)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def books() -> dict[str, list[str]]:
    """Every row that says who did what and who owns what, as text, table by table."""
    tables = (
        User,
        Name,
        ApiKey,
        Agent,
        Drop,
        Claim,
        Submission,
        Ballot,
        Account,
        Transfer,
        Upload,
        Attachment,
    )
    with db.transaction() as session:
        return {
            table.__tablename__: sorted(session.scalars(text(f"SELECT t::text FROM {table.__tablename__} t")))
            for table in tables
        }


@contextmanager
def unchanged() -> Iterator[None]:
    """What happens inside leaves every row as it was, and the audit clean."""
    before = books()
    yield
    assert books() == before
    assert violations() == []
