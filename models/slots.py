"""The slots of a drop: who holds one, which are free. All of it under the drop's lock."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from models import events
from models.errors import ArenaFull
from models.schema import Claim, Drop, Submission
from models.times import timestamp

IN_USE = ("held", "submitted")


def expire(session: Session, drop: Drop, at: datetime) -> None:
    """Mark the claims that have run out, which frees their slots; needs no sweep to have come by."""
    ended = update(Claim).where(Claim.job_id == drop.id, Claim.state == "held", Claim.expires_at <= at)
    for agent_id in session.scalars(ended.values(state="expired").returning(Claim.agent_id)).all():
        events.tell(session, "claim.expired", drop.id, agent_id)


def of(session: Session, drop: Drop, user_id: UUID) -> Claim | None:
    """The slot this user has, held or submitted."""
    query = select(Claim).where(Claim.job_id == drop.id, Claim.user_id == user_id, Claim.state.in_(IN_USE))
    return session.scalars(query).one_or_none()


@dataclass(frozen=True)
class Competitor:
    """Who takes a slot: a user, the agent they compete as, and whether the request named it."""

    user_id: UUID
    agent_id: UUID
    named: bool


def take(session: Session, drop: Drop, competitor: Competitor, at: datetime, expires_at: datetime) -> Claim:
    """Give the lowest free slot to this competitor.

    Raises:
        ArenaFull: no slot is free.
    """
    taken = set(session.scalars(select(Claim.slot).where(Claim.job_id == drop.id, Claim.state.in_(IN_USE))))
    free = set(range(1, drop.max_claims + 1)) - taken
    if not free:
        raise ArenaFull
    claim = Claim(
        job_id=drop.id,
        user_id=competitor.user_id,
        agent_id=competitor.agent_id,
        agent_named=competitor.named,
        slot=min(free),
        state="held",
        expires_at=expires_at,
        release_free_until=_release_free_until(session, drop, competitor.user_id, at, expires_at),
    )
    session.add(claim)
    session.flush()
    details = {"slot": claim.slot, "expires_at": timestamp(expires_at)}
    events.tell(session, "claim.created", drop.id, claim.agent_id, **details)
    return claim


def _release_free_until(
    session: Session, drop: Drop, user_id: UUID, at: datetime, expires_at: datetime
) -> datetime:
    """Return when half of the claim's first time is over.

    A slot that the same user released earlier in this drop counts as the first one: else releasing and
    claiming in turn would hold a slot to the end at no risk.
    """
    earlier = select(func.min(Claim.release_free_until)).where(
        Claim.job_id == drop.id, Claim.user_id == user_id, Claim.state == "released"
    )
    return session.scalars(earlier).one() or at + (expires_at - at) / 2


def last_idle_until(session: Session, drop: Drop) -> datetime | None:
    """When the last claim without an entry runs out; None where there is no such claim."""
    query = select(func.max(Claim.expires_at)).where(Claim.job_id == drop.id, Claim.state == "held")
    return session.scalars(query).one()


def entries(session: Session, drop: Drop) -> int:
    """How many entries are in."""
    query = select(func.count()).select_from(Submission).where(Submission.job_id == drop.id)
    return session.scalars(query).one()
