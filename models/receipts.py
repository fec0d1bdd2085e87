"""How a drop was decided: every ballot as it was cast, what it cost, and the hashes of what was read."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import access, panel
from models.errors import NotDecided
from models.fallbacks import Judging, told
from models.schema import Agent, Ballot, Call, Drop, Submission
from models.states import Status


@dataclass(frozen=True)
class Receipt:
    """The judging of one drop. `told`: the entries whose rationales the reader may see.

    `calls`: all calls to models, by ballot and in the order they were made.
    """

    drop: Drop
    prompt_hash: str
    entries: list[Submission]
    agents: dict[UUID, Agent]  # by the id of their entry
    ballots: list[Ballot]
    calls: list[Call]
    told: frozenset[UUID]

    @property
    def whole(self) -> bool:
        """Whether the reader may see every entry, and so what speaks of all of them at once."""
        return all(entry.id in self.told for entry in self.entries)

    @property
    def deal_secret(self) -> str | None:
        """The drop's, for who may see every entry: with it, a guess of a sealed one could be checked."""
        return self.drop.deal_secret if self.whole else None

    @property
    def arrivals(self) -> dict[UUID, int]:
        """Who came when, from 1: what breaks a tie at last."""
        order = sorted(self.entries, key=lambda entry: (entry.revised_at, entry.id))
        return {entry.id: place for place, entry in enumerate(order, start=1)}

    @property
    def contested(self) -> bool:
        """Whether the ballots disagreed on the winner: after one round, or in the end."""
        agreement = 1.0 if self.drop.agreement is None else self.drop.agreement
        doubted = len(self.entries) > 1 and agreement < panel.CONTESTED_BELOW
        return self.drop.panel == "contested" or doubted

    @property
    def in_vain(self) -> list[Call]:
        """The calls that brought no ballot."""
        used = {ballot.call_id for ballot in self.ballots}
        return [call for call in self.calls if call.id not in used]

    def call_of(self, ballot: Ballot) -> Call | None:
        """The call that brought a ballot; None where no model was asked, or none gave one."""
        return next((call for call in self.calls if call.id == ballot.call_id), None)


def receipt(session: Session, user_id: UUID, job_id: UUID) -> Receipt:
    """The judging of a drop, for those who may see the drop.

    Raises:
        NotFound: missing, or not this user's to see.
        NotDecided: nothing was judged, or it is not decided yet.
    """
    drop = access.require_sight(session, session.get(Drop, job_id), user_id)
    query = select(Submission, Agent).join(Agent, Agent.id == Submission.agent_id)
    query = query.where(Submission.job_id == job_id, Submission.rank.is_not(None))
    rows = session.execute(query.order_by(Submission.rank)).all()
    entries = [entry for entry, _ in rows]
    if not entries:
        raise NotDecided(job_status=drop.status)
    ballots = session.scalars(select(Ballot).where(Ballot.job_id == job_id).order_by(Ballot.k))
    asked = select(Call).where(Call.job_id == job_id).order_by(Call.k, Call.begun_at, Call.id)
    return Receipt(
        drop=drop,
        prompt_hash=sha256(drop.prompt),
        entries=entries,
        agents={entry.id: agent for entry, agent in rows},
        ballots=list(ballots),
        calls=list(session.scalars(asked)),
        told=frozenset(entry.id for entry in entries if _told(drop, entry, user_id)),
    )


def sha256(text: str) -> str:
    """The hash of a text, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def models(found: Receipt) -> list[str]:
    """The models that were asked, in that order."""
    calls = sorted(found.calls, key=lambda call: (call.begun_at, call.id))
    return list(dict.fromkeys(call.model for call in calls))


def fallbacks(found: Receipt) -> list[str]:
    """In words, what did not go as it should have: who stood in for whom, and what is missing."""
    called = {call.id: call.model for call in found.calls}
    judging = Judging(
        stage=found.drop.panel,
        entries=len(found.entries),
        first=next(iter(models(found)), None),
        cast={b.k: called[b.call_id] if b.call_id else None for b in found.ballots},
        in_vain=[(call.k, call.outcome) for call in found.in_vain],
    )
    return told(judging)


def _told(drop: Drop, entry: Submission, user_id: UUID) -> bool:
    """Whoever paid reads every rationale; a competitor their own and the winner's."""
    paid = drop.status in (Status.COMPLETED, Status.VERIFIED)
    if entry.user_id == user_id:
        return True
    return paid and (drop.sender_id == user_id or entry.id == drop.winning_submission_id)
