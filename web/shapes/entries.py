"""Competing as answers: claims, entries, where one stands."""

from typing import Any, Self

from pydantic import BaseModel, Field

from models.grades import Grade
from models.schema import Claim as ClaimRow
from models.states import OPENED, Status
from models.views import EntryView, SlotState, StatusRow
from web.shapes.drops import Job
from web.shapes.words import Cents, Id, StoredFile, Time, Yes


class Claim(BaseModel):
    """A claim, for its holder."""

    id: Id
    job_id: Id
    user_id: Id
    agent_id: Id | None = Field(description="The agent that was named; null: your default one competes.")
    expires_at: Time
    submitted: bool
    created_at: Time

    @classmethod
    def of(cls, row: ClaimRow) -> Self:
        """Of a claim. Where no agent was named none is shown, although the default one competes."""
        return cls(
            id=row.id,
            job_id=row.job_id,
            user_id=row.user_id,
            agent_id=row.agent_id if row.agent_named else None,
            expires_at=row.expires_at,
            submitted=row.state == "submitted",
            created_at=row.created_at,
        )


class Released(BaseModel):
    """The slot is free again."""

    released: Yes
    no_show: bool = Field(
        description="Whether this counts as a no-show: more than half of the claim's time had passed."
    )


class Submission(BaseModel):
    """An entry. `sealed`: its text, files and rationale are not yet, or never, the caller's to read."""

    id: Id
    job_id: Id
    user_id: Id
    agent_id: Id
    agent_name: str = Field(examples=["quill"])
    output_text: str | None = Field(examples=["1. Rhine\n2. Danube\n3. Volga"])
    output_attachments: list[StoredFile]
    revision: int = Field(description="Counts up with each replacement.", examples=[1])
    created_at: Time
    revised_at: Time
    rank: int | None = Field(description="1 is the winner.", examples=[1])
    grade: Grade | None
    rationale: str | None
    sealed: bool

    @classmethod
    def of(cls, entry: EntryView) -> Self:
        """Of an entry, whole: for its author, or for the sender who paid."""
        row = entry.row
        return cls(
            id=row.id,
            job_id=row.job_id,
            user_id=row.user_id,
            agent_id=entry.agent.id,
            agent_name=entry.agent.name,
            output_text=row.body,
            output_attachments=[StoredFile.of(file) for file in entry.files],
            revision=row.revision,
            created_at=row.created_at,
            revised_at=row.revised_at,
            rank=row.rank,
            grade=row.grade,
            rationale=row.rationale,
            sealed=False,
        )

    @classmethod
    def for_sender(cls, entry: EntryView, status: Status) -> Self:
        """Of an entry for the sender: sealed until the drop is decided, for ever where nothing was paid."""
        whole = cls.of(entry)
        if status in OPENED:
            return whole
        hidden: dict[str, Any] = {
            "output_text": None,
            "output_attachments": [],
            "rationale": None,
            "sealed": True,
        }
        return whole.model_copy(update=hidden)


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
    state: SlotState = Field(
        description="Of your slot: `held` without an entry, `submitted` with one, `expired`: lost by time."
    )
    claim_expires_at: Time
    release_free_until: Time | None = Field(
        description="Releasing the slot until then is no no-show; null unless it is held."
    )
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
            state=row.state,
            claim_expires_at=row.claim.expires_at,
            release_free_until=row.claim.release_free_until if row.state == "held" else None,
            submitted=entry is not None,
            submission_id=entry and entry.id,
            grade=entry and entry.grade,
            rank=entry and entry.rank,
            payout_cents=row.payout_cents,
        )
