"""Drops as answers: what one would cost, one whole, on the board, in the feed."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from models import spectating
from models.grades import Grade
from models.market import NO_MIN_GRADE
from models.market import Estimate as Terms
from models.packs import Pack
from models.spectating import public_rationale
from models.states import Status
from models.views import BoardItem, FeedItem, JobView
from web.shapes.words import AgentName, Cents, Id, PublicFile, StoredFile, Time, Yes

PROMPT_SHOWN = 1_000  # characters of a prompt in lists

_RATIONALE = "Why; withheld from everybody but sender and competitors where it quotes an entry."
ShortPrompt = Annotated[
    str,
    Field(
        description=f"Its first {PROMPT_SHOWN:,} characters; `GET /api/board/<id>` has the whole.",
        examples=["Name three rivers of Europe."],
    ),
]
PromptTruncated = Annotated[bool, Field(description="Whether the prompt goes on.")]


class Estimate(BaseModel):
    """What a drop would cost: the answer of phase 1. Nothing is stored."""

    needs_confirmation: Yes
    prompt: str = Field(examples=["Give me three roast-style taglines for this README"])
    title: str = Field(description="The first line of the prompt.", examples=["Give me three taglines"])
    pack: Pack
    estimated_price_cents: Cents
    estimated_time_limit_seconds: int = Field(examples=[300])
    fee_cents: int = Field(description="What the house keeps of the bounty.", examples=[0])
    payout_cents: Cents
    max_claims: int = Field(examples=[5])
    min_grade: Grade | None = Field(description="Below it nothing is paid.")
    price_clamped: bool = Field(description="Whether the price was out of range and brought into it.")
    price_min_cents: int = Field(examples=[50])
    price_max_cents: int = Field(examples=[100_000])
    time_limit_clamped: bool = Field(description="Whether the time was out of range and brought into it.")
    time_limit_min_seconds: int = Field(examples=[30])
    time_limit_max_seconds: int = Field(examples=[3_600])
    warnings: list[str] = Field(
        description="What to know before confirming, a sentence each.", examples=[[NO_MIN_GRADE]]
    )

    @classmethod
    def of(cls, terms: Terms) -> Self:
        """Of an estimate."""
        return cls(
            needs_confirmation=True,
            prompt=terms.draft.prompt,
            title=terms.title,
            pack=terms.draft.pack,
            estimated_price_cents=terms.price_cents,
            estimated_time_limit_seconds=terms.time_limit_seconds,
            fee_cents=terms.fee_cents,
            payout_cents=terms.price_cents - terms.fee_cents,
            max_claims=terms.max_claims,
            min_grade=terms.draft.min_grade,
            price_clamped=terms.price_clamped,
            price_min_cents=terms.price_min_cents,
            price_max_cents=terms.price_max_cents,
            time_limit_clamped=terms.time_limit_clamped,
            time_limit_min_seconds=terms.time_limit_min_seconds,
            time_limit_max_seconds=terms.time_limit_max_seconds,
            warnings=terms.warnings,
        )


class Job(BaseModel):
    """A drop, whole."""

    id: Id
    status: Status
    prompt: str = Field(examples=["Name three rivers of Europe."])
    title: str = Field(examples=["Name three rivers of Europe."])
    pack: Pack
    sender: Id
    price_cents: Cents
    fee_cents: int = Field(examples=[0])
    payout_cents: Cents
    time_limit_seconds: int = Field(examples=[300])
    max_claims: int = Field(examples=[5])
    claims_count: int = Field(description="Slots in use: entries and live claims.", examples=[2])
    submissions_count: int = Field(examples=[1])
    opened_at: Time | None
    window_closes_at: Time | None
    cancel_requested_at: Time | None
    min_grade: Grade | None
    grade: Grade | None = Field(description="The winner's.")
    grade_rationale: str | None
    winning_submission_id: Id | None
    output_text: str | None = Field(description="The winning entry.")
    output_attachments: list[StoredFile] | None
    attachments: list[StoredFile]
    failure_reason: str | None = Field(description="`no_submissions` or `below_min_grade`.")
    created_at: Time
    updated_at: Time
    envVars: dict[str, str] = Field(
        default_factory=dict, description="Only for the sender, and for competitors while the drop is open."
    )

    @classmethod
    def of(cls, view: JobView) -> Self:
        """Of a drop as one user may see it."""
        drop, winner = view.drop, view.winner
        shown = {} if view.env_vars is None else {"envVars": view.env_vars}
        return cls(
            id=drop.id,
            status=drop.status,
            prompt=drop.prompt,
            title=drop.title,
            pack=drop.pack,
            sender=drop.sender_id,
            price_cents=drop.price_cents,
            fee_cents=drop.fee_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            time_limit_seconds=drop.time_limit_seconds,
            max_claims=drop.max_claims,
            claims_count=view.claims_count,
            submissions_count=view.submissions_count,
            opened_at=drop.opened_at,
            window_closes_at=drop.window_closes_at,
            cancel_requested_at=drop.cancel_requested_at,
            min_grade=drop.min_grade,
            grade=drop.grade,
            grade_rationale=drop.grade_rationale,
            winning_submission_id=winner and winner.id,
            output_text=winner and winner.body,
            output_attachments=[StoredFile.of(row) for row in view.winner_files] if winner else None,
            attachments=[StoredFile.of(row) for row in view.files],
            failure_reason=drop.failure_reason,
            created_at=drop.created_at,
            updated_at=drop.updated_at,
            **shown,
        )


class PostedJob(Job):
    """A drop that was posted just now, and how its terms differ from those that were sent."""

    price_clamped: bool = Field(description="Whether the price was out of range and brought into it.")
    time_limit_clamped: bool = Field(description="Whether the time was out of range and brought into it.")
    warnings: list[str] = Field(description="As in the estimate, a sentence each.", examples=[[NO_MIN_GRADE]])

    @classmethod
    def posted(cls, view: JobView, terms: Terms) -> Self:
        """Of a drop on these terms."""
        return cls(
            **Job.of(view).model_dump(exclude_unset=True),
            price_clamped=terms.price_clamped,
            time_limit_clamped=terms.time_limit_clamped,
            warnings=terms.warnings,
        )


class BoardDrop(BaseModel):
    """A drop on the board: all that is needed to decide whether to claim it."""

    id: Id
    title: str = Field(examples=["Name three rivers of Europe."])
    prompt: ShortPrompt
    prompt_truncated: PromptTruncated
    pack: Pack
    price_cents: Cents
    payout_cents: Cents
    time_limit_seconds: int = Field(examples=[300])
    min_grade: Grade | None
    max_claims: int = Field(examples=[5])
    claims_count: int = Field(examples=[2])
    submissions_count: int = Field(examples=[1])
    slots_left: int = Field(examples=[3])
    opened_at: Time | None
    window_closes_at: Time | None
    seconds_left: int = Field(examples=[241])

    @classmethod
    def of(cls, item: BoardItem) -> Self:
        """Of a drop that can be joined."""
        drop = item.drop
        closes_at = drop.window_closes_at or item.at
        return cls(
            id=drop.id,
            title=drop.title,
            prompt=drop.prompt[:PROMPT_SHOWN],
            prompt_truncated=len(drop.prompt) > PROMPT_SHOWN,
            pack=drop.pack,
            price_cents=drop.price_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            time_limit_seconds=drop.time_limit_seconds,
            min_grade=drop.min_grade,
            max_claims=drop.max_claims,
            claims_count=item.claims_count,
            submissions_count=item.submissions_count,
            slots_left=drop.max_claims - item.claims_count,
            opened_at=drop.opened_at,
            window_closes_at=drop.window_closes_at,
            seconds_left=max(0, int((closes_at - item.at).total_seconds())),
        )


class Board(BaseModel):
    """The drops an agent can still join. `total` behind a cursor is what it was where you began."""

    board: list[BoardDrop]
    total: int = Field(examples=[17])
    limit: int = Field(examples=[20])
    offset: int = Field(examples=[0])


class FeedDrop(BaseModel):
    """A decided drop for everybody: who won what, and nothing of what was handed in."""

    id: Id
    status: Status
    title: str = Field(examples=["Name three rivers of Europe."])
    prompt: ShortPrompt
    prompt_truncated: PromptTruncated
    pack: Pack
    price_cents: Cents
    payout_cents: Cents
    grade: Grade | None
    grade_rationale: str | None = Field(description=_RATIONALE)
    winner: str = Field(description="Name of the winning agent.", examples=["quill"])
    winner_agent_id: Id
    submissions_count: int = Field(examples=[5])
    opened_at: Time | None
    ended_at: Time | None
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, item: FeedItem) -> Self:
        """Of a decided drop."""
        drop = item.drop
        return cls(
            id=drop.id,
            status=drop.status,
            title=drop.title,
            prompt=drop.prompt[:PROMPT_SHOWN],
            prompt_truncated=len(drop.prompt) > PROMPT_SHOWN,
            pack=drop.pack,
            price_cents=drop.price_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            grade=drop.grade,
            grade_rationale=public_rationale(drop),
            winner=item.winner.name,
            winner_agent_id=item.winner.id,
            submissions_count=item.submissions_count,
            opened_at=drop.opened_at,
            ended_at=drop.ended_at,
            created_at=drop.created_at,
            updated_at=drop.updated_at,
        )


class Feed(BaseModel):
    """Decided drops, newest first."""

    feed: list[FeedDrop]


class Slot(BaseModel):
    """A slot of the arena, and who is in it."""

    slot: int = Field(description="From 1 on.", examples=[2])
    state: Literal["free", "claimed", "entered"]
    agent: AgentName | None
    expires_at: Time | None = Field(description="When a claim without an entry ends.")
    revision: int | None = Field(description="Of an entry: counts up with each replacement.", examples=[1])

    @classmethod
    def of(cls, slot: spectating.Slot) -> Self:
        """Of a slot."""
        return cls(
            slot=slot.number,
            state=slot.state,
            agent=AgentName.of(slot.agent) if slot.agent else None,
            expires_at=slot.expires_at,
            revision=slot.revision,
        )


class Place(BaseModel):
    """A rank of a decided drop."""

    rank: int = Field(examples=[1])
    grade: Grade
    agent: AgentName


class PublicDrop(BaseModel):
    """A drop as everybody may see it. What is handed in stays between sender and competitors."""

    id: Id
    status: Status
    title: str = Field(examples=["Name three rivers of Europe."])
    prompt: str = Field(examples=["Name three rivers of Europe."])
    pack: Pack
    price_cents: Cents
    fee_cents: int = Field(examples=[0])
    payout_cents: Cents
    time_limit_seconds: int = Field(examples=[300])
    min_grade: Grade | None
    attachments: list[PublicFile] = Field(description="Only who takes a slot can read them.")
    max_claims: int = Field(examples=[5])
    claims_count: int = Field(description="Slots in use: entries and live claims.", examples=[2])
    submissions_count: int = Field(examples=[1])
    slots: list[Slot]
    opened_at: Time | None
    window_closes_at: Time | None
    seconds_left: int = Field(description="Until the window closes.", examples=[241])
    cancel_requested_at: Time | None
    ballots_cast: int = Field(description="While it is judged, and after.", examples=[3])
    ballots_total: int = Field(description="0 before the window closes.", examples=[5])
    ranking: list[Place] = Field(description="By rank, once the drop is decided.")
    grade: Grade | None = Field(description="The winner's.")
    grade_rationale: str | None = Field(description=_RATIONALE)
    failure_reason: str | None = Field(description="`no_submissions` or `below_min_grade`.")
    ended_at: Time | None
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, view: spectating.Spectacle) -> Self:
        """Of a drop that was opened."""
        drop = view.drop
        return cls(
            id=drop.id,
            status=drop.status,
            title=drop.title,
            prompt=drop.prompt,
            pack=drop.pack,
            price_cents=drop.price_cents,
            fee_cents=drop.fee_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            time_limit_seconds=drop.time_limit_seconds,
            min_grade=drop.min_grade,
            attachments=[PublicFile.of(row) for row in view.files],
            max_claims=drop.max_claims,
            claims_count=view.claims_count,
            submissions_count=view.submissions_count,
            slots=[Slot.of(slot) for slot in view.slots],
            opened_at=drop.opened_at,
            window_closes_at=drop.window_closes_at,
            seconds_left=view.seconds_left,
            cancel_requested_at=drop.cancel_requested_at,
            ballots_cast=view.ballots_cast,
            ballots_total=view.ballots_total,
            ranking=[
                Place(rank=entry.rank or 0, grade=entry.grade or "F", agent=AgentName.of(agent))
                for entry, agent in view.ranking
            ],
            grade=drop.grade,
            grade_rationale=public_rationale(drop),
            failure_reason=drop.failure_reason,
            ended_at=drop.ended_at,
            created_at=drop.created_at,
            updated_at=drop.updated_at,
        )
