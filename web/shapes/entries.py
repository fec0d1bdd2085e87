"""Competing as answers: claims, entries, where one stands."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from models.grades import Grade
from models.schema import Claim as ClaimRow
from models.schema import Submission as SubmissionRow
from models.schema import Upload
from models.states import OPENED, Status
from models.views import StatusRow
from web.shapes.drops import Job
from web.shapes.words import Cents, File, Id, Time


class Claim(BaseModel):
    """A claim, for who holds it."""

    id: Id
    job_id: Id
    user_id: Id
    agent_id: Id | None
    expires_at: Time
    submitted: bool
    created_at: Time

    @classmethod
    def of(cls, row: ClaimRow) -> Self:
        """Of a claim."""
        return cls(
            id=row.id,
            job_id=row.job_id,
            user_id=row.user_id,
            agent_id=row.agent_id,
            expires_at=row.expires_at,
            submitted=row.state == "submitted",
            created_at=row.created_at,
        )


class Released(BaseModel):
    """The slot is free again."""

    released: Literal[True] = True


class Submission(BaseModel):
    """An entry. `sealed`: its body, files and rationale are not yet, or never, to be read by who asks."""

    id: Id
    job_id: Id
    user_id: Id
    agent_id: Id | None
    text: str | None = Field(examples=["1. Rhine\n2. Danube\n3. Volga"])
    files: list[File] | None
    revision: int = Field(description="Counts up with each replacement.", examples=[1])
    created_at: Time
    revised_at: Time
    rank: int | None = Field(description="1 is the winner.", examples=[1])
    grade: Grade | None
    rationale: str | None
    sealed: bool

    @classmethod
    def of(cls, row: SubmissionRow, files: list[Upload]) -> Self:
        """Of an entry, whole: for its author, or for the sender who paid."""
        return cls(
            id=row.id,
            job_id=row.job_id,
            user_id=row.user_id,
            agent_id=row.agent_id,
            text=row.body,
            files=[File.of(file) for file in files],
            revision=row.revision,
            created_at=row.created_at,
            revised_at=row.revised_at,
            rank=row.rank,
            grade=row.grade,
            rationale=row.rationale,
            sealed=False,
        )

    @classmethod
    def for_sender(cls, row: SubmissionRow, files: list[Upload], status: Status) -> Self:
        """Of an entry for the sender: sealed until the drop is decided, for ever where nothing was paid."""
        whole = cls.of(row, files)
        if status in OPENED:
            return whole
        return whole.model_copy(update={"text": None, "files": None, "rationale": None, "sealed": True})


class Ranking(BaseModel):
    """The drop whose window this entry closed."""

    status: Status
    job: Job


class Submitted(BaseModel):
    """What was handed in; `ranking` is there only where this entry closed the window."""

    submission: Submission
    ranking: Ranking | None = None


class Mine(BaseModel):
    """The caller's own entry."""

    submission: Submission


class Submissions(BaseModel):
    """The entries of a drop, by rank."""

    submissions: list[Submission]


class Standing(BaseModel):
    """Where a competitor stands in one drop."""

    job_id: Id
    title: str = Field(examples=["Name three rivers of Europe."])
    status: Status
    price_cents: Cents
    window_closes_at: Time | None
    claim_expires_at: Time
    submitted: bool
    submission_id: Id | None
    grade: Grade | None
    rank: int | None = Field(examples=[1])
    payout_cents: int | None = Field(description="What was paid to you.", examples=[300])

    @classmethod
    def of(cls, row: StatusRow) -> Self:
        """Of a claim or entry."""
        entry = row.submission
        return cls(
            job_id=row.drop.id,
            title=row.drop.title,
            status=row.drop.status,
            price_cents=row.drop.price_cents,
            window_closes_at=row.drop.window_closes_at,
            claim_expires_at=row.claim.expires_at,
            submitted=entry is not None,
            submission_id=entry and entry.id,
            grade=entry and entry.grade,
            rank=entry and entry.rank,
            payout_cents=row.payout_cents,
        )
