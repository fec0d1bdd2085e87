"""What happened to drops: rows written in the transaction of what they tell, so none without its change.

No body, no envVar and no key is ever in an event; who may read which is for the caller to ask `access`.
They are kept for good, as the transfers are: what happened has happened.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Text, Uuid, func, select, text
from sqlalchemy.orm import Session

from models.schema import Agent, Event

Kind = Literal[
    "drop.opened", "claim.created", "claim.released", "claim.expired", "submission.received",
    "drop.cancel_requested", "drop.ranking", "judge.step", "drop.completed", "drop.failed",
    "drop.cancelled", "payout.posted",
]  # fmt: skip
LAST: tuple[Kind, ...] = ("payout.posted", "drop.failed", "drop.cancelled")  # nothing comes after these
STRETCH = 100  # events that one question gives at most
CATCH_UP_MAX = 1_000  # events of all drops behind a place: who missed more had better begin anew


def tell(session: Session, kind: Kind, job_id: UUID, agent_id: UUID | None = None, **data: Any) -> None:
    """Write an event. The drop is locked by this transaction, so its events come in order.

    Args:
        session: of the transaction.
        kind: what happened.
        job_id: to which drop.
        agent_id: by which agent; the event keeps its name of this moment, too.
        data: further details, as JSON.
    """
    if agent_id:
        name = session.scalars(select(Agent.name).where(Agent.id == agent_id)).one()
        data = {"agent_id": str(agent_id), "agent_name": name, **data}
    session.add(Event(kind=kind, job_id=job_id, data=data))


def of_job(session: Session, job_id: UUID, after: int = 0, limit: int = STRETCH) -> list[Event]:
    """The events of one drop behind the one with the id `after`, oldest first."""
    query = select(Event).where(Event.job_id == job_id, Event.id > after)
    return list(session.scalars(query.order_by(Event.id).limit(limit)))


# All drops -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A place in the stream of all events; what comes later is behind it, whatever its id."""

    xid: int
    id: int

    @classmethod
    def of(cls, event: Event) -> "Place":
        """The place right behind an event."""
        return cls(event.xid, event.id)


def now(session: Session) -> Place:
    """The place behind everything that is complete."""
    return Place(_horizon(session), 0)


def of_all(session: Session, after: Place, kinds: tuple[Kind, ...], limit: int = STRETCH) -> list[Event]:
    """The events of all drops behind `after`, as far as nothing can come in between any more.

    So the longest transaction that writes, in any database of the server, holds back all that came later.
    """
    query = select(Event).where(_behind(after), Event.xid < _horizon(session), Event.kind.in_(kinds))
    return list(session.scalars(query.order_by(Event.xid, Event.id).limit(limit)))


def within_reach(session: Session, place: Place) -> bool:
    """Whether `place` is one of this database, with little enough behind it to be told."""
    if place.xid > _horizon(session):
        return False  # of a database that was ahead of this one, such as before a restore
    missed = select(Event.id).where(_behind(place)).limit(CATCH_UP_MAX + 1).subquery()
    return session.execute(select(func.count()).select_from(missed)).scalar_one() <= CATCH_UP_MAX


def _behind(place: Place) -> Any:
    return text("(events.xid, events.id) > (:xid, :id)").bindparams(xid=place.xid, id=place.id)


def _horizon(session: Session) -> int:
    """Every transaction below this number is over."""
    return session.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")).scalar_one()


# News ----------------------------------------------------------------------------------------


class _Snapshot(NamedTuple):
    """What could be seen at some moment: transactions below `end`, but for those that were `running`."""

    horizon: int
    end: int
    running: list[int]

    @classmethod
    def read(cls, written: str) -> "_Snapshot":
        """From PostgreSQL's form, `xmin:xmax:xip,…`."""
        horizon, end, running = written.split(":")
        return cls(int(horizon), int(end), [int(xid) for xid in running.split(",") if xid])


class News:
    """Which drops had events since the last question; not one of them is missed."""

    # One statement has one snapshot: what it sees and the snapshot it reports belong together.
    # The third line is for readers of `of_all`, who see an event only when all before it are complete.
    _QUESTION = text("""
        SELECT DISTINCT pg_current_snapshot()::text AS seen, events.job_id
        FROM (VALUES (1)) AS always LEFT JOIN events
            ON events.xid >= :end OR events.xid = ANY(:running)
            OR events.xid >= :horizon AND events.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    """).columns(seen=Text, job_id=Uuid)

    def __init__(self) -> None:
        self._last: _Snapshot | None = None

    def changed(self, session: Session) -> set[UUID]:
        """The ids of the drops with new events; the first question only marks the time."""
        if self._last is None:
            self._last = _Snapshot.read(session.scalars(text("SELECT pg_current_snapshot()::text")).one())
            return set()
        rows = session.execute(self._QUESTION, self._last._asdict()).all()
        self._last = _Snapshot.read(rows[0].seen)
        return {row.job_id for row in rows if row.job_id}
