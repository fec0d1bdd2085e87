"""Who may see a drop, and who may command it."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.errors import NotFound, SendersOnly
from models.schema import Claim, Drop, Submission
from models.states import Status


def competes(session: Session, drop: Drop, user_id: UUID) -> bool:
    """Whether the user has a live claim or an entry."""
    return bool(session.scalar(select(competing(drop.id, user_id))))


def competing(job_id: UUID | InstrumentedAttribute[UUID], user_id: UUID) -> ColumnElement[bool]:
    """The same as part of a query: of one drop, or of those in a column."""
    return or_(
        exists().where(Submission.job_id == job_id, Submission.user_id == user_id),
        exists().where(
            Claim.job_id == job_id,
            Claim.user_id == user_id,
            Claim.state == "held",
            Claim.expires_at > func.clock_timestamp(),
        ),
    )


def require_sight(session: Session, drop: Drop | None, user_id: UUID) -> Drop:
    """The drop, for its sender and its competitors.

    Raises:
        NotFound: for everybody else, exactly as if it did not exist.
    """
    if drop is None or (drop.sender_id != user_id and not competes(session, drop, user_id)):
        raise NotFound
    return drop


def require_sender(session: Session, drop: Drop | None, user_id: UUID) -> Drop:
    """The drop, for its sender.

    Raises:
        SendersOnly: a competitor asks.
        NotFound: anybody else asks.
    """
    drop = require_sight(session, drop, user_id)
    if drop.sender_id != user_id:
        raise SendersOnly
    return drop


def sees_env_vars(session: Session, drop: Drop, user_id: UUID) -> bool:
    """Whether the envVars are this user's to see: the sender's always, a competitor's while it is open."""
    return drop.sender_id == user_id or (drop.status is Status.OPEN and competes(session, drop, user_id))
