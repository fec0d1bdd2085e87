"""One drop as everybody may see it, from its opening on, for good: no envVars, no entry and no entry's file.

What its sender and competitors may see beyond that stands in `views`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, defer

from models import attachments, db, ids, panel
from models.errors import AmbiguousId, NotFound
from models.schema import Agent, Ballot, Claim, Drop, Submission, Upload
from models.states import OPENED, Status

CANDIDATES_MAX = 5  # ids that an ambiguous beginning is answered with
WITHHELD = "Withheld, for it quotes an entry."


@dataclass(frozen=True)
class Slot:
    """A slot of the arena. `free` ones have nothing but their number.

    `expires_at`: of a claim without an entry. `revision`: of an entry.
    """

    number: int
    state: Literal["free", "claimed", "entered"] = "free"
    agent: Agent | None = None
    expires_at: datetime | None = None
    revision: int | None = None


@dataclass(frozen=True)
class Spectacle:
    """A drop with its arena. `at` is the database's clock of the reading.

    `ranking`: the entries with their agents, best first, once the drop is decided and was not refunded.
    """

    drop: Drop
    at: datetime
    files: list[Upload]
    slots: list[Slot]
    ballots_cast: int
    ballots_total: int
    ranking: list[tuple[Submission, Agent]]

    @property
    def claims_count(self) -> int:
        """Slots in use."""
        return sum(slot.state != "free" for slot in self.slots)

    @property
    def submissions_count(self) -> int:
        """Entries."""
        return sum(slot.state == "entered" for slot in self.slots)

    @property
    def seconds_left(self) -> int:
        """Whole seconds until the window closes; 0 when the drop is not open."""
        closes_at = self.drop.window_closes_at
        if self.drop.status is not Status.OPEN or closes_at is None:
            return 0
        return max(0, int((closes_at - self.at).total_seconds()))


def public_rationale(drop: Drop) -> str | None:
    """Return the winner's rationale as the public may read it: one that quotes an entry is withheld."""
    return WITHHELD if drop.rationale_quotes else drop.grade_rationale


def find(session: Session, beginning: str) -> UUID:
    """Return the id of the one drop that was opened and whose id begins so.

    Raises:
        NotFound: there is none.
        AmbiguousId: there are several; `ids` names some.
    """
    span = ids.between(beginning)
    if span is None:
        raise NotFound
    query = select(Drop.id).where(Drop.id.between(*span), Drop.opened_at.is_not(None))
    found = list(session.scalars(query.order_by(Drop.id).limit(CANDIDATES_MAX)))
    if not found:
        raise NotFound
    if len(found) > 1:
        raise AmbiguousId(ids=[str(one) for one in found])
    return found[0]


def spectacle(session: Session, job_id: UUID) -> Spectacle:
    """Return one drop as everybody may see it.

    Raises:
        NotFound: no such drop, or it was never opened.
    """
    drop = session.get(Drop, job_id, populate_existing=True)
    if drop is None or drop.opened_at is None:
        raise NotFound
    slots, entries = _slots(session, drop)
    judging = drop.status not in (Status.OPEN, Status.CANCELLED) and bool(entries)
    cast = select(func.count()).select_from(Ballot).where(Ballot.job_id == job_id)
    return Spectacle(
        drop=drop,
        at=db.now(session),
        files=attachments.of_drop(session, job_id),
        slots=slots,
        ballots_cast=session.scalars(cast).one() if judging else 0,
        ballots_total=len(panel.ballots(drop.panel, len(entries))) if judging else 0,
        ranking=sorted(entries, key=lambda entry: entry[0].rank or 0) if drop.status in OPENED else [],
    )


def _slots(session: Session, drop: Drop) -> tuple[list[Slot], list[tuple[Submission, Agent]]]:
    """Return every slot by its number, and the entries in them with their agents."""
    held = and_(
        Claim.state == "held",
        Claim.expires_at > func.clock_timestamp(),
        Drop.status == Status.OPEN,
    )
    query = (
        select(Claim, Agent, Submission)
        .join(Drop, Drop.id == Claim.job_id)
        .join(Agent, Agent.id == Claim.agent_id)
        .outerjoin(Submission, Submission.claim_id == Claim.id)
        .where(Claim.job_id == drop.id, or_(Claim.state == "submitted", held))
        .options(defer(Submission.body))
    )
    rows = session.execute(query.execution_options(populate_existing=True)).all()
    taken = {claim.slot: _taken(claim, agent, entry) for claim, agent, entry in rows}
    slots = [taken.get(number, Slot(number)) for number in range(1, drop.max_claims + 1)]
    return slots, [(entry, agent) for _, agent, entry in rows if entry]


def _taken(claim: Claim, agent: Agent, entry: Submission | None) -> Slot:
    if entry:
        return Slot(claim.slot, "entered", agent, revision=entry.revision)
    return Slot(claim.slot, "claimed", agent, expires_at=claim.expires_at)
