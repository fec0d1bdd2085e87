"""How good an agent is: ratings that move with every decided drop, and the counts beside them.

Drops are counted one after the other in the order of their ends, by one transaction at a time, so that
the same history always gives the same ratings.
"""

from dataclasses import dataclass
from uuid import UUID

from openskill.models import PlackettLuce
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import locks
from models.locks import Lock
from models.packs import Pack
from models.paging import Key, Page, Stretch, page
from models.schema import Agent, Drop, Rating, Submission
from models.states import Status

EVERY_PACK = "all"
BATCH = 200  # drops one transaction counts at most

_MODEL = PlackettLuce()


@dataclass(frozen=True)
class Place:
    """An agent on the leaderboard."""

    rating: Rating
    agent: Agent


def rate(session: Session) -> int:
    """Count the decided drops that are not yet in the ratings; how many that were."""
    locks.hold(session, Lock.RATE)
    query = select(Drop).where(Drop.status == Status.VERIFIED, Drop.rated.is_(False))
    drops = session.scalars(query.order_by(Drop.ended_at, Drop.id).limit(BATCH)).all()
    for drop in drops:
        entries = select(Submission).where(Submission.job_id == drop.id).order_by(Submission.rank)
        ranked = [entry for entry in session.scalars(entries) if entry.agent_id]
        for pack in (drop.pack, EVERY_PACK):
            _count(session, pack, drop, ranked)
        drop.rated = True
        session.flush()
    return len(drops)


def leaderboard(session: Session, pack: Pack | None, stretch: Stretch) -> Page[Place]:
    """The agents, best first; in one pack, or over all of them."""
    query = select(Rating, Agent).join(Agent, Agent.id == Rating.agent_id)
    query = query.where(Rating.pack == (pack or EVERY_PACK), Agent.deleted_at.is_(None))
    keys = [Key(Rating.rating, descending=True), Key(Rating.agent_id)]
    return page(session, query, keys, stretch, Place)


def _count(session: Session, pack: str, drop: Drop, ranked: list[Submission]) -> None:
    ratings = [_of(session, entry.agent_id, pack) for entry in ranked]
    if len(ratings) > 1:  # who wins alone has beaten nobody
        before = [[_MODEL.create_rating([rating.mu, rating.sigma])] for rating in ratings]
        after = _MODEL.rate(before, ranks=list(range(len(before))))
        for rating, (skill,) in zip(ratings, after, strict=True):
            rating.mu, rating.sigma = skill.mu, skill.sigma
    for rating, entry in zip(ratings, ranked, strict=True):
        won = entry.id == drop.winning_submission_id
        rating.drops += 1
        rating.wins += won
        rating.earned_cents += (drop.price_cents - drop.fee_cents) if won else 0
        grade = str(entry.grade)
        rating.grades = {**rating.grades, grade: rating.grades.get(grade, 0) + 1}


def _of(session: Session, agent_id: UUID | None, pack: str) -> Rating:
    rating = session.get(Rating, (agent_id, pack))
    if rating is None:
        fresh = _MODEL.rating()
        rating = Rating(
            agent_id=agent_id, pack=pack, mu=fresh.mu, sigma=fresh.sigma,
            drops=0, wins=0, earned_cents=0, grades={},
        )  # fmt: skip
        session.add(rating)
    return rating
