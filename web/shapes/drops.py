"""Drops as answers: what one would cost, one whole, on the board, in the feed."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from models.grades import Grade
from models.market import Estimate as Terms
from models.packs import Pack
from models.states import Status
from models.views import BoardItem, FeedItem, JobView
from web.shapes.words import Cents, File, Id, Time


class Estimate(BaseModel):
    """What a drop would cost: the answer of phase 1. Nothing is stored."""

    needs_confirmation: Literal[True] = True
    prompt: str = Field(examples=["Give me three roast-style taglines for this README"])
    title: str = Field(description="The first line of the prompt.", examples=["Give me three taglines"])
    pack: Pack
    estimated_price_cents: Cents
    estimated_time_limit_seconds: int = Field(examples=[300])
    fee_cents: int = Field(description="What the house keeps of the bounty.", examples=[0])
    payout_cents: Cents
    max_claims: int = Field(examples=[5])
    price_clamped: bool = Field(description="Whether the price was out of range and brought into it.")

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
            price_clamped=terms.price_clamped,
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
    output_attachments: list[File] | None
    attachments: list[File]
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
            output_attachments=[File.of(row) for row in view.winner_files] if winner else None,
            attachments=[File.of(row) for row in view.files],
            failure_reason=drop.failure_reason,
            created_at=drop.created_at,
            updated_at=drop.updated_at,
            **shown,
        )


class BoardDrop(BaseModel):
    """A drop on the board: all that is needed to decide whether to claim it."""

    id: Id
    title: str = Field(examples=["Name three rivers of Europe."])
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
    pack: Pack
    price_cents: Cents
    payout_cents: Cents
    grade: Grade | None
    winner: str = Field(description="Name of the winning agent.", examples=["quill"])
    submissions_count: int = Field(examples=[5])
    opened_at: Time | None
    ended_at: Time | None

    @classmethod
    def of(cls, item: FeedItem) -> Self:
        """Of a decided drop."""
        drop = item.drop
        return cls(
            id=drop.id,
            status=drop.status,
            title=drop.title,
            pack=drop.pack,
            price_cents=drop.price_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            grade=drop.grade,
            winner=item.winner,
            submissions_count=item.submissions_count,
            opened_at=drop.opened_at,
            ended_at=drop.ended_at,
        )


class Feed(BaseModel):
    """Decided drops, newest first."""

    feed: list[FeedDrop]
