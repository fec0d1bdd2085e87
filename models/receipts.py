"""How a drop was decided: every ballot as it was cast, and the hashes of what the judges read."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import access
from models.errors import NotDecided
from models.schema import Ballot, Drop, Submission
from models.states import Status


@dataclass(frozen=True)
class Receipt:
    """The judging of one drop. `told`: the entries whose rationales the reader may see."""

    drop: Drop
    prompt_hash: str
    entries: list[Submission]
    ballots: list[Ballot]
    told: frozenset[UUID]


def receipt(session: Session, user_id: UUID, job_id: UUID) -> Receipt:
    """The judging of a drop, for those who may see the drop.

    Raises:
        NotFound: missing, or not this user's to see.
        NotDecided: nothing was judged, or it is not decided yet.
    """
    drop = access.require_sight(session, session.get(Drop, job_id), user_id)
    query = select(Submission).where(Submission.job_id == job_id, Submission.rank.is_not(None))
    entries = list(session.scalars(query.order_by(Submission.rank)))
    if not entries:
        raise NotDecided(job_status=drop.status)
    ballots = session.scalars(select(Ballot).where(Ballot.job_id == job_id).order_by(Ballot.k))
    return Receipt(
        drop=drop,
        prompt_hash=sha256(drop.prompt),
        entries=entries,
        ballots=list(ballots),
        told=frozenset(entry.id for entry in entries if _told(drop, entry, user_id)),
    )


def sha256(text: str) -> str:
    """The hash of a text, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _told(drop: Drop, entry: Submission, user_id: UUID) -> bool:
    """Whoever paid reads every rationale; a competitor their own and the winner's."""
    paid = drop.status in (Status.COMPLETED, Status.VERIFIED)
    if entry.user_id == user_id:
        return True
    return paid and (drop.sender_id == user_id or entry.id == drop.winning_submission_id)
