"""What happened to drops: rows written in the transaction of what they tell, so none without its change.

No body, no envVar and no key is ever in an event; who may read which is for the caller to ask `access`.
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from models.schema import Event

Kind = Literal[
    "drop.opened", "claim.created", "claim.released", "claim.expired", "submission.received",
    "drop.ranking", "judge.step", "drop.completed", "drop.failed", "drop.cancelled", "payout.posted",
]  # fmt: skip
LAST: tuple[Kind, ...] = ("payout.posted", "drop.failed", "drop.cancelled")  # nothing comes after these


def tell(session: Session, kind: Kind, job_id: UUID, **data: Any) -> None:
    """Note what happens. The drop is locked by this transaction, so its events come in order."""
    session.add(Event(kind=kind, job_id=job_id, data=data))


def of_job(session: Session, job_id: UUID, after: int = 0, limit: int = 100) -> list[Event]:
    """The events of one drop behind the one with the id `after`, oldest first."""
    query = select(Event).where(Event.job_id == job_id, Event.id > after)
    return list(session.scalars(query.order_by(Event.id).limit(limit)))


@dataclass(frozen=True)
class Place:
    """A place in the stream of all events; what comes later is behind it, whatever its id."""

    xid: int
    id: int


def now(session: Session) -> Place:
    """The place behind everything that is complete."""
    return Place(_horizon(session) - 1, 2**63 - 1)


def of_all(session: Session, after: Place, kinds: tuple[Kind, ...], limit: int = 100) -> list[Event]:
    """The events of all drops behind `after`, as far as nothing can come in between any more."""
    behind = text("(events.xid, events.id) > (:xid, :id)").bindparams(xid=after.xid, id=after.id)
    query = select(Event).where(behind, Event.xid < _horizon(session), Event.kind.in_(kinds))
    return list(session.scalars(query.order_by(Event.xid, Event.id).limit(limit)))


class News:
    """Which drops had events since the last question."""

    def __init__(self) -> None:
        self._since: int | None = None
        self._seen: set[int] = set()

    def changed(self, session: Session) -> set[UUID]:
        """The ids of the drops with new events; the first question only marks the place."""
        horizon = _horizon(session)
        if self._since is None:
            self._since = horizon
        rows = session.execute(
            select(Event.id, Event.xid, Event.job_id).where(Event.xid >= self._since)
        ).all()
        fresh = {row.job_id for row in rows if row.id not in self._seen}
        # Transactions below the horizon are over; of those above it some rows were seen already.
        self._seen = {row.id for row in rows if row.xid >= horizon}
        self._since = horizon
        return fresh


def _horizon(session: Session) -> int:
    """Every transaction below this number is over."""
    return session.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")).scalar_one()
