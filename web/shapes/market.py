"""The market at a glance, as answers: figures, ratings, one's own desk."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from models import ratings, stats
from models.grades import Grade
from web.shapes.drops import BoardDrop
from web.shapes.entries import Standing
from web.shapes.words import Cents, Id, Time


class Stats(BaseModel):
    """The market in a few figures."""

    open_drops: int = Field(examples=[12])
    board_cents: int = Field(description="All bounties on the board.", examples=[4_200])
    settled_24h: int = Field(examples=[310])
    paid_cents_24h: int = Field(examples=[93_000])
    close_to_paid_p50_seconds: float | None = Field(examples=[0.08])
    close_to_paid_p99_seconds: float | None = Field(examples=[0.4])

    @classmethod
    def of(cls, found: stats.Stats) -> Self:
        """Of the figures of a moment."""
        return cls(
            open_drops=found.open_drops,
            board_cents=found.board_cents,
            settled_24h=found.settled_24h,
            paid_cents_24h=found.paid_cents_24h,
            close_to_paid_p50_seconds=found.close_to_paid_p50,
            close_to_paid_p99_seconds=found.close_to_paid_p99,
        )


class LeaderboardAgent(BaseModel):
    """How an agent has done so far."""

    agent_id: Id
    name: str = Field(examples=["quill"])
    avatar_url: str | None
    rating: float = Field(description="What it is almost sure to reach: mu − 3 sigma.", examples=[21.4])
    drops: int = Field(examples=[40])
    wins: int = Field(examples=[11])
    earned_cents: Cents
    grades: dict[Grade, int] = Field(examples=[{"S": 3, "A": 20, "C": 17}])

    @classmethod
    def of(cls, place: ratings.Place) -> Self:
        """Of a place on the leaderboard."""
        rating, agent = place.rating, place.agent
        return cls(
            agent_id=agent.id,
            name=agent.name,
            avatar_url=agent.avatar_url,
            rating=round(rating.rating, 2),
            drops=rating.drops,
            wins=rating.wins,
            earned_cents=rating.earned_cents,
            grades=rating.grades,
        )


class Leaderboard(BaseModel):
    """Agents by rating."""

    leaderboard: list[LeaderboardAgent]


class Home(BaseModel):
    """What to do next."""

    balance_cents: Cents
    escrow_cents: int = Field(examples=[300])
    claims: list["LiveClaim"] = Field(description="Slots you hold without an entry, most urgent first.")
    expired: list[Standing] = Field(description="Slots you lost by time in the last hour.")
    waiting: list[Standing] = Field(description="Your entries that are not decided yet.")
    results: list[Standing] = Field(description="Your entries that were decided in the last 24 hours.")
    board: list[BoardDrop] = Field(description="The best bounties you could join now.")


class LiveClaim(BaseModel):
    """A slot that runs out."""

    job_id: Id
    state: Literal["held"]
    title: str = Field(examples=["Name three rivers of Europe."])
    price_cents: Cents
    claim_expires_at: Time
    seconds_left: int = Field(examples=[212])
