"""How a drop was decided, as answers."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from models import receipts
from models.grades import Grade
from models.schema import Ballot as BallotRow
from models.schema import Submission as SubmissionRow
from models.states import Status
from web.shapes.words import Id, Time


class Receipt(BaseModel):
    """How a drop was decided."""

    job_id: Id
    status: Status
    prompt_sha256: str
    agreement: float | None = Field(
        description="Share of the ballots that put the winner first.", examples=[0.8]
    )
    entries: list["ReceiptEntry"]
    ballots: list["ReceiptBallot"]

    @classmethod
    def of(cls, found: receipts.Receipt) -> Self:
        """Of what was judged, as one user may see it."""
        return cls(
            job_id=found.drop.id,
            status=found.drop.status,
            prompt_sha256=found.prompt_hash,
            agreement=found.drop.agreement,
            entries=[ReceiptEntry.of(entry, entry.id in found.told) for entry in found.entries],
            ballots=[ReceiptBallot.of(ballot, found.told) for ballot in found.ballots],
        )


class ReceiptEntry(BaseModel):
    """An entry and what became of it."""

    submission_id: Id
    sha256: str | None = Field(description="Of its text; null where that is sealed, for it could be guessed.")
    revision: int = Field(examples=[1])
    revised_at: Time
    rank: int = Field(examples=[1])
    grade: Grade
    score: float = Field(description="Share of its duels won over all ballots.", examples=[0.9])
    rationale: str | None = Field(description="Null where it is not yours to read.")

    @classmethod
    def of(cls, row: SubmissionRow, told: bool) -> Self:
        """Of a ranked entry."""
        return cls(
            submission_id=row.id,
            sha256=receipts.sha256(row.body) if told else None,
            revision=row.revision,
            revised_at=row.revised_at,
            rank=row.rank or 0,
            grade=row.grade or "F",
            score=row.score or 0.0,
            rationale=row.rationale if told else None,
        )


class ReceiptVote(BaseModel):
    """What one ballot says of one entry."""

    label: str = Field(description="The name the judge knew it by.", examples=["KQ"])
    submission_id: Id
    place: int = Field(examples=[1])
    grade: Grade
    rationale: str | None


class ReceiptBallot(BaseModel):
    """One judgement of all entries, in the order in which the judge read them."""

    k: int = Field(examples=[0])
    judge: str = Field(examples=["local/1"])
    input_sha256: str | None = Field(
        description="Of all that the judge was given; null where not all of it is yours to read."
    )
    milliseconds: int = Field(examples=[12])
    votes: list[ReceiptVote]

    @classmethod
    def of(cls, row: BallotRow, told: frozenset[UUID]) -> Self:
        """Of a ballot."""
        return cls(
            k=row.k,
            judge=row.judge,
            input_sha256=row.input_hash if all(UUID(entry) in told for _, entry in row.labels) else None,
            milliseconds=row.milliseconds,
            votes=[
                ReceiptVote(
                    label=label,
                    submission_id=UUID(entry),
                    place=row.verdict[entry]["place"],
                    grade=row.verdict[entry]["grade"],
                    rationale=row.verdict[entry]["rationale"] if UUID(entry) in told else None,
                )
                for label, entry in row.labels
            ],
        )
