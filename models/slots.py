"""The slots of a drop: who holds one, which are free. All of it under the drop's lock."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from models import events
from models.errors import ArenaFull
from models.schema import Claim, Drop, Submission

IN_USE = ("held", "submitted")


def expire(session: Session, drop: Drop, at: datetime) -> None:
    """Mark the claims that have run out, which frees their slots; needs no sweep to have come by."""
    ended = update(Claim).where(Claim.job_id == drop.id, Claim.state == "held", Claim.expires_at <= at)
    for agent_id in session.scalars(ended.values(state="expired").returning(Claim.agent_id)):
        events.tell(session, "claim.expired", drop.id, agent_id=str(agent_id))


def of(session: Session, drop: Drop, user_id: UUID) -> Claim | None:
    """The slot this user has, held or submitted."""
    query = select(Claim).where(Claim.job_id == drop.id, Claim.user_id == user_id, Claim.state.in_(IN_USE))
    return session.scalars(query).one_or_none()


def take(session: Session, drop: Drop, user_id: UUID, agent_id: UUID | None, expires_at: datetime) -> Claim:
    """The lowest free slot, for this user.

    Raises:
        ArenaFull: there is none.
    """
    taken = set(session.scalars(select(Claim.slot).where(Claim.job_id == drop.id, Claim.state.in_(IN_USE))))
    free = set(range(1, drop.max_claims + 1)) - taken
    if not free:
        raise ArenaFull
    claim = Claim(
        job_id=drop.id,
        user_id=user_id,
        agent_id=agent_id,
        slot=min(free),
        state="held",
        expires_at=expires_at,
    )
    session.add(claim)
    session.flush()
    events.tell(session, "claim.created", drop.id, agent_id=str(agent_id))
    return claim


def last_idle_until(session: Session, drop: Drop) -> datetime | None:
    """When the last claim without an entry runs out; None where there is no such claim."""
    query = select(func.max(Claim.expires_at)).where(Claim.job_id == drop.id, Claim.state == "held")
    return session.scalars(query).one()


def entries(session: Session, drop: Drop) -> int:
    """How many entries are in."""
    query = select(func.count()).select_from(Submission).where(Submission.job_id == drop.id)
    return session.scalars(query).one()
