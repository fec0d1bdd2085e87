"""What anyone may see: single drops, lists, the board, the feed. Reads only; nothing here locks."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from models import access, attachments, db, vault
from models.errors import NotFound, Unavailable
from models.packs import Pack
from models.paging import Key, Page, Stretch, page
from models.schema import Agent, Claim, Drop, Submission, Transfer, Upload, User
from models.states import Status

logger = logging.getLogger(__name__)

_NEWEST = [Key(Drop.id, descending=True)]

Sort = Literal["newest", "closing", "price"]

STATUS_MAX = 100  # rows of one user's status
STATUS_LOOKBACK = timedelta(hours=24)  # how long a settled entry stays in it
LOST_LOOKBACK = timedelta(hours=1)  # how long a slot that was lost by time stays in it


@dataclass(frozen=True)
class JobView:
    """A drop as one user may see it. `env_vars` None: not for this user. `winner`: once completed."""

    drop: Drop
    claims_count: int
    submissions_count: int
    winner: Submission | None
    env_vars: dict[str, str] | None
    files: list[Upload]
    winner_files: list[Upload]


@dataclass(frozen=True)
class BoardItem:
    """A drop that can still be joined; `at` is the database's clock of the reading."""

    drop: Drop
    claims_count: int
    submissions_count: int
    at: datetime

    @property
    def joinable(self) -> bool:
        """Whether it still can be, as `_joinable` asks."""
        drop = self.drop
        wanted = drop.status is Status.OPEN and drop.cancel_requested_at is None
        in_time = drop.window_closes_at is not None and drop.window_closes_at > self.at
        return wanted and in_time and self.claims_count < drop.max_claims


@dataclass(frozen=True)
class FeedItem:
    """A decided drop and the agent that won it."""

    drop: Drop
    submissions_count: int
    winner: Agent


@dataclass(frozen=True)
class EntryView:
    """An entry with the agent that handed it in, and its files in its author's order."""

    row: Submission
    agent: Agent
    files: list[Upload]


SlotState = Literal["held", "submitted", "expired"]  # without an entry, with one, lost by time


@dataclass(frozen=True)
class StatusRow:
    """Where one user stands in one drop; `payout_cents` once they were paid, `alive` while a claim runs."""

    drop: Drop
    claim: Claim
    submission: Submission | None
    payout_cents: int | None
    alive: bool

    @property
    def state(self) -> SlotState:
        """What became of the slot."""
        if self.submission:
            return "submitted"
        return "held" if self.alive else "expired"


_slots_used = (
    select(func.count())
    .where(
        Claim.job_id == Drop.id,
        or_(
            Claim.state == "submitted",
            and_(Claim.state == "held", Claim.expires_at > func.clock_timestamp()),
        ),
    )
    .scalar_subquery()
)
_entries = select(func.count()).where(Submission.job_id == Drop.id).correlate(Drop).scalar_subquery()


def job(session: Session, user_id: UUID, job_id: UUID) -> JobView:
    """One drop, whole.

    Raises:
        NotFound: missing, or not this user's to see.
    """
    access.require_sight(session, session.get(Drop, job_id), user_id)
    # Read anew: triggers may have written what this session does not know of.
    query = _jobs().where(Drop.id == job_id).execution_options(populate_existing=True)
    row = session.execute(query).one()
    return _job_view(session, row, user_id)


def jobs(session: Session, user_id: UUID, status: Status | None, stretch: Stretch) -> Page[JobView]:
    """The drops this user has sent, newest first."""
    mine = _jobs().where(Drop.sender_id == user_id)
    query = mine.where(Drop.status == status) if status else mine
    return page(session, query, _NEWEST, stretch, lambda *row: _job_view(session, row, user_id))


def board(
    session: Session,
    stretch: Stretch,
    pack: Pack | None = None,
    min_price_cents: int = 0,
    max_price_cents: int | None = None,
    sort: Sort = "newest",
) -> Page[BoardItem]:
    """Return the drops that an agent can still join."""
    order: dict[Sort, list[Key]] = {
        "newest": _NEWEST,
        "closing": [Key(Drop.window_closes_at), *_NEWEST],
        "price": [Key(Drop.price_cents, descending=True), *_NEWEST],
    }
    at = db.now(session)
    query = _joinable().where(Drop.price_cents >= min_price_cents)
    if max_price_cents is not None:
        query = query.where(Drop.price_cents <= max_price_cents)
    if pack:
        query = query.where(Drop.pack == pack)
    return page(
        session,
        query,
        order[sort],
        stretch,
        lambda drop, claims, entries: BoardItem(drop, claims, entries, at),
    )


def joinable_by(session: Session, user_id: UUID, limit: int) -> list[BoardItem]:
    """The best paid drops that this user could join: not their own, and not in them already."""
    mine = select(Claim.id).where(
        Claim.job_id == Drop.id, Claim.user_id == user_id, Claim.state.in_(("held", "submitted"))
    )
    query = _joinable().where(Drop.sender_id != user_id, ~mine.exists())
    at = db.now(session)
    rows = session.execute(query.order_by(Drop.price_cents.desc(), Drop.id.desc()).limit(limit))
    return [BoardItem(drop, claims, entries, at) for drop, claims, entries in rows]


def board_items(session: Session, job_ids: set[UUID]) -> dict[UUID, BoardItem]:
    """Those of these drops that are or ever were on the board, as they are now."""
    at = db.now(session)
    query = select(Drop, _slots_used, _entries).where(Drop.id.in_(job_ids), Drop.opened_at.is_not(None))
    rows = session.execute(query).all()
    return {drop.id: BoardItem(drop, claims, entries, at) for drop, claims, entries in rows}


def feed(session: Session, stretch: Stretch) -> Page[FeedItem]:
    """Decided drops, newest first, without what was handed in."""
    query = (
        select(Drop, _entries.label("entries"), Agent)
        .join(Submission, Submission.id == Drop.winning_submission_id)
        .join(Agent, Agent.id == Submission.agent_id)
        .where(Drop.status.in_((Status.COMPLETED, Status.VERIFIED)))
    )
    return page(session, query, _NEWEST, stretch, FeedItem)


def submissions(session: Session, user_id: UUID, job_id: UUID) -> tuple[Drop, list[EntryView]]:
    """Return the entries of the sender's drop: by rank, before there are ranks by arrival.

    Whether their bodies may be shown already is for the drop's status to say.

    Raises:
        NotFound, SendersOnly: not the caller's drop.
    """
    drop = access.require_sender(session, session.get(Drop, job_id), user_id)
    query = _entry_rows().where(Submission.job_id == job_id)
    order = query.order_by(Submission.rank.nulls_last(), Submission.revised_at, Submission.id)
    files = attachments.of_entries(session, job_id)
    return drop, [EntryView(row, agent, files.get(row.id, [])) for row, agent in session.execute(order)]


def own_submission(session: Session, user_id: UUID, job_id: UUID) -> EntryView:
    """Return the user's own entry for a drop.

    Raises:
        NotFound: there is none.
    """
    query = _entry_rows().where(Submission.job_id == job_id, Submission.user_id == user_id)
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound
    row, agent = found
    return EntryView(row, agent, attachments.of_entry(session, row.id))


def _entry_rows() -> Select[Submission, Agent]:
    return select(Submission, Agent).join(Agent, Agent.id == Submission.agent_id)


def status(session: Session, user_id: UUID) -> list[StatusRow]:
    """Return the user's live claims and unsettled entries.

    For a day also what became of settled entries, for an hour the slots that were lost by time.
    """
    payout = (
        select(Transfer.amount_cents)
        .where(
            Transfer.job_id == Drop.id, Transfer.kind == "payout", Drop.winning_submission_id == Submission.id
        )
        .scalar_subquery()
    )
    now = func.clock_timestamp()
    alive = and_(Claim.state == "held", Claim.expires_at > now, Drop.status == Status.OPEN)
    recent = or_(Drop.ended_at.is_(None), Drop.ended_at > now - STATUS_LOOKBACK)
    query = (
        select(Drop, Claim, Submission, payout, alive)
        .join(Claim, Claim.job_id == Drop.id)
        .outerjoin(Submission, Submission.claim_id == Claim.id)
        .where(Claim.user_id == user_id, or_(alive, _lost(), and_(Claim.state == "submitted", recent)))
        .order_by(Claim.id.desc())
        .limit(STATUS_MAX)
    )
    return [StatusRow(*row) for row in session.execute(query)]


def _lost() -> ColumnElement[bool]:
    """Whether a slot ran out without an entry a while ago, and its user took none in the drop since."""
    later = aliased(Claim)
    since = select(later.id).where(
        later.job_id == Claim.job_id,
        later.user_id == Claim.user_id,
        later.id > Claim.id,
        later.state != "released",
    )
    now = func.clock_timestamp()
    ended = Claim.expires_at.between(now - LOST_LOOKBACK, now)
    return and_(Claim.state.in_(("held", "expired")), ended, ~since.exists())


def user(session: Session, user_id: UUID) -> User:
    """The user's own profile."""
    return session.get_one(User, user_id)


def _joinable() -> Select[Any]:
    return select(Drop, _slots_used.label("claims"), _entries.label("entries")).where(
        Drop.status == Status.OPEN,
        Drop.cancel_requested_at.is_(None),
        Drop.window_closes_at > func.clock_timestamp(),
        _slots_used < Drop.max_claims,
    )


def _jobs() -> Select[Any]:
    winner = Submission.id == Drop.winning_submission_id
    counts = (_slots_used.label("claims"), _entries.label("entries"))
    return select(Drop, *counts, Submission).outerjoin(Submission, winner)


def _job_view(session: Session, row: Any, user_id: UUID) -> JobView:
    drop, claims, entries, winner = row
    shown = access.sees_env_vars(session, drop, user_id)
    return JobView(
        drop,
        claims,
        entries,
        winner,
        env_vars=_readable(drop) if shown else None,
        files=attachments.of_drop(session, drop.id),
        winner_files=attachments.of_entry(session, winner.id) if winner else [],
    )


def _readable(drop: Drop) -> dict[str, str] | None:
    """The envVars; None where the key they were sealed with is gone: the drop itself lives on."""
    try:
        return vault.unseal(drop.env_vars)
    except Unavailable as error:
        logger.warning("the envVars of drop %s cannot be read: %s", drop.id, error)
        return None
