"""The life of a drop: locking it, moving it, and handing out the task it owes.

The only module that assigns `.status`. What a move means for money stands in `ledger`, what it
means for competitors in `slots`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from models import events
from models.errors import NotFound
from models.packs import Pack
from models.panel import Stage
from models.schema import Base, Drop
from models.states import OWED, TERMINAL, TRANSITIONS, Status
from models.times import timestamp

# Past the ORM: it is asked twice for every ballot.
_JOBS = Base.metadata.tables["jobs"].c
_JUDGED = select(
    _JOBS.id, _JOBS.status, _JOBS.panel, _JOBS.attempts, _JOBS.prompt, _JOBS.pack, _JOBS.deal_secret
).where(_JOBS.id == bindparam("job_id"))

# Whoever moves a drop also publishes the next task; the sweep steps in when that got lost.
HANDOFF = timedelta(seconds=2)
# A task that was handed out and did not move the drop by then is handed out again, later each time: under a
# backlog its first message still waits, and every further one would only make that longer.
LEASE = timedelta(seconds=5)
LEASE_MAX = timedelta(seconds=20)
PENDING_LIFE = timedelta(hours=24)
ENV_VARS_LIFE = timedelta(hours=24)  # after the end
SECRET_BYTES = 16  # nobody tries that many


@dataclass(frozen=True)
class Owed:
    """A task that some drop owes now."""

    task: str
    job_id: UUID


def lock(session: Session, job_id: UUID) -> Drop:
    """The drop, locked until the transaction ends. Read the clock after this, never before.

    Raises:
        NotFound: there is no such drop.
    """
    # NO KEY: rows that merely refer to the drop may still be written by others.
    drop = session.get(Drop, job_id, with_for_update={"key_share": True}, populate_existing=True)
    if drop is None:
        raise NotFound
    return drop


@dataclass(frozen=True)
class Judged:
    """What of a drop counts for a ballot on it."""

    id: UUID
    status: Status
    panel: Stage
    attempts: int
    prompt: str
    pack: Pack
    deal_secret: str | None


def judged(session: Session, job_id: UUID, locked: bool) -> Judged | None:
    """A drop as its ballots see it, `locked` like by `lock`, or only read; None where there is none."""
    query = _JUDGED.with_for_update(key_share=True) if locked else _JUDGED
    row = session.execute(query, {"job_id": job_id}).one_or_none()
    return Judged(*row) if row else None


def begin(drop: Drop, at: datetime) -> None:
    """Give a new drop its first status."""
    drop.status = Status.PENDING_PAYMENT
    drop.due_at = at + PENDING_LIFE


def move(session: Session, drop: Drop, to: Status, at: datetime, agent_id: UUID | None = None) -> None:
    """Move a locked drop along the table, set when its next task is due, and write the event.

    Args:
        session: of the transaction.
        drop: locked by it.
        to: the next status.
        at: the database's clock, read after the lock.
        agent_id: of the winner, where there is one.
    """
    if to not in TRANSITIONS[drop.status]:
        raise AssertionError(f"a drop never goes from {drop.status} to {to}")
    drop.status = to
    drop.attempts = 0
    if to is Status.OPEN:
        drop.opened_at = at
        drop.window_closes_at = drop.due_at = at + timedelta(seconds=drop.time_limit_seconds)
    elif to in TERMINAL:
        drop.ended_at = at
        drop.due_at = at + ENV_VARS_LIFE if drop.env_vars else None
    else:
        drop.due_at = at + HANDOFF
    if to is Status.RANKING:
        drop.deal_secret = secrets.token_hex(SECRET_BYTES)
    if kind := _TOLD.get(to):
        events.tell(session, kind, drop.id, agent_id, **_details(drop))


# The payout tells of `verified` itself.
_TOLD: dict[Status, events.Kind] = {
    Status.OPEN: "drop.opened",
    Status.RANKING: "drop.ranking",
    Status.COMPLETED: "drop.completed",
    Status.FAILED: "drop.failed",
    Status.CANCELLED: "drop.cancelled",
}


def _details(drop: Drop) -> dict[str, object]:
    """What is worth telling of a drop in its status; everybody may know it."""
    if drop.status is Status.OPEN:
        assert drop.window_closes_at is not None
        closes_at = timestamp(drop.window_closes_at)
        return {"price_cents": drop.price_cents, "pack": drop.pack, "window_closes_at": closes_at}
    if drop.status is Status.COMPLETED:
        return {"grade": drop.grade, "winning_submission_id": str(drop.winning_submission_id)}
    return {"reason": drop.failure_reason} if drop.failure_reason else {}


# A lease, not a removal: what dies with the task comes back when the lease is over.
_TAKE = text("""
    UPDATE jobs SET due_at = clock_timestamp() + least(:lease * power(2, least(attempts, 10)), :longest),
        attempts = attempts + 1
    WHERE id = (
        SELECT id FROM jobs WHERE due_at <= clock_timestamp()
        ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING id, status
""")


def take_owed(session: Session) -> Owed | None:
    """Lease the task that is most overdue; None when nothing is. Any number may ask at once."""
    row = session.execute(_TAKE, {"lease": LEASE, "longest": LEASE_MAX}).one_or_none()
    return Owed(OWED[Status(row.status)], row.id) if row else None
