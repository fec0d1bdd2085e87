"""A second verdict on a decided drop, kept beside the first: ranks, money and status stay as they are.

What it cost is in its own row. `calls`, and so the caps of drop and day, know only what verdicts that
count have cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import attachments, dealing, settlement
from models.errors import NotDecided, NotFound
from models.grades import Grade, Ranked, Verdict
from models.packs import Pack
from models.schema import Agent, Drop, Rejudgement, Submission, Upload


@dataclass(frozen=True)
class Place:
    """One entry in a verdict; `agent` is who competed with it."""

    submission_id: UUID
    agent: str
    rank: int
    grade: Grade
    score: float


@dataclass(frozen=True)
class Case:
    """A decided drop as it is to be judged again: the entries in order of arrival, and the first verdict.

    `name`: what it was dealt as.
    """

    job_id: UUID
    name: str
    prompt: str
    pack: Pack
    entries: list[tuple[UUID, str]]
    files: dict[UUID, list[Upload]]
    first: list[Place]
    agreement: float

    def places(self, verdict: Verdict) -> list[Place]:
        """A verdict on these entries, best first."""
        agents = {place.submission_id: place.agent for place in self.first}
        return [Place(r.entry, agents[r.entry], r.rank, r.grade, r.score) for r in verdict.ranking]


@dataclass(frozen=True)
class Second:
    """How a drop was judged again. `ballots` and `calls` are kept as they are: JSON."""

    verdict: Verdict
    judge: str
    models: list[str]
    ballots: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    contested: bool
    input_tokens: int
    output_tokens: int
    microcents: int


def case(session: Session, job_id: UUID) -> Case:
    """A decided drop to be judged again.

    Raises:
        NotFound: there is none.
        NotDecided: there is no first verdict.
    """
    drop = session.get(Drop, job_id)
    if drop is None:
        raise NotFound
    if drop.agreement is None:
        raise NotDecided(job_status=drop.status)
    entries = settlement.arrivals(session, job_id)
    return Case(
        job_id=drop.id,
        name=dealing.name(drop.id, drop.deal_secret),
        prompt=drop.prompt,
        pack=drop.pack,
        entries=[(entry.id, entry.body) for entry in entries],
        files=attachments.of_entries(session, job_id),
        first=_places(session, entries),
        agreement=drop.agreement,
    )


def keep(session: Session, job_id: UUID, second: Second) -> Rejudgement:
    """Keep a second verdict beside the first."""
    row = Rejudgement(
        job_id=job_id,
        judge=second.judge,
        models=second.models,
        verdict={
            "ranking": [_ranked(ranked) for ranked in second.verdict.ranking],
            "ballots": second.ballots,
            "calls": second.calls,
        },
        agreement=second.verdict.agreement,
        contested=second.contested,
        input_tokens=second.input_tokens,
        output_tokens=second.output_tokens,
        microcents=second.microcents,
    )
    session.add(row)
    session.flush()
    return row


def _ranked(ranked: Ranked) -> dict[str, Any]:
    return {
        "submission_id": str(ranked.entry),
        "rank": ranked.rank,
        "grade": ranked.grade,
        "score": ranked.score,
        "rationale": ranked.rationale,
    }


def _places(session: Session, entries: Sequence[Submission]) -> list[Place]:
    found = session.scalars(select(Agent).where(Agent.id.in_([entry.agent_id for entry in entries])))
    names = {agent.id: agent.name for agent in found}
    return [
        Place(
            submission_id=entry.id,
            agent=names[entry.agent_id] if entry.agent_id else "",
            rank=entry.rank or 0,
            grade=entry.grade or "F",
            score=entry.score or 0.0,
        )
        for entry in sorted(entries, key=lambda entry: entry.rank or 0)
    ]
