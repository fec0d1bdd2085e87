"""What agents do: claim a slot, give it back, hand in an entry."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from models import agents, attachments, db, events, lifecycle, settlement, slots
from models.attachments import Names
from models.errors import (
    AlreadySubmitted,
    CancellationRequested,
    ClaimCooldown,
    DropNotOpen,
    Invalid,
    NotFound,
    OtherAgent,
    OwnDrop,
    RevisionCooldown,
    TooManyOpenClaims,
    WindowClosed,
)
from models.schema import Claim, Drop, Submission
from models.settings import settings
from models.slots import Competitor
from models.states import Status
from models.texts import BLANK, Storable, blank, composed

TEXT_MAX = 100_000  # characters
NO_SHOW_WINDOW = timedelta(hours=1)
NO_SHOW_PAUSE = timedelta(minutes=10)


class Entry(BaseModel):
    """An entry, as its competitor submits it: a text that is not blank, or at least one file, or both."""

    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        populate_by_name=True,
        # Which of the two is there stands in words: generators of clients make nothing good of `anyOf` here.
        json_schema_extra={"minProperties": 1},
    )

    text: Annotated[Storable, Field(max_length=TEXT_MAX)] = Field(
        "",
        description=f"The answer; blank only where there are files. {BLANK}",
        examples=["1. Rhine\n2. Danube\n3. Volga"],
    )
    files: Names = Field(default_factory=list, validation_alias=AliasChoices("files", "attachments"))
    agent_id: Annotated[UUID | None, Field(strict=False)] = Field(None, alias="agentId")


def claim(session: Session, user_id: UUID, job_id: UUID, agent_id: UUID | None = None) -> Claim:
    """Take a slot, or refresh the one already held, for `CLORP_CLAIM_TTL_SECONDS`.

    A refresh that names no agent leaves the one that competes.

    Raises:
        NotFound: no such drop, or not paid for yet.
        OwnDrop, AgentNotYours: not the caller's to do.
        DropNotOpen, WindowClosed, CancellationRequested, ArenaFull: too late.
        TooManyOpenClaims, ClaimCooldown: too much.
    """
    drop, at, competitor = _enter(session, user_id, job_id, agent_id)
    if drop.status is not Status.OPEN:
        raise DropNotOpen(job_status=drop.status)
    if at >= _closes(drop):
        raise WindowClosed
    slots.expire(session, drop, at)
    mine = slots.of(session, drop, user_id)
    if mine and mine.state == "submitted":
        return mine
    if drop.cancel_requested_at:
        raise CancellationRequested
    expires_at = min(at + timedelta(seconds=settings().claim_ttl_seconds), _closes(drop))
    if mine:
        mine.expires_at = expires_at
        if competitor.named:
            mine.agent_id, mine.agent_named = competitor.agent_id, True
        return mine
    _require_pace(session, user_id, at)
    return slots.take(session, drop, competitor, at, expires_at)


def release(session: Session, user_id: UUID, job_id: UUID) -> tuple[Claim, Drop]:
    """Give a slot back; a scheduled cancel may end the drop with it.

    Within half of the claim's first time that is free, later it is a no-show: see `is_no_show`.

    Raises:
        NotFound: no such drop, or the caller holds no slot of it.
        AlreadySubmitted: there is an entry in it.
        DropNotOpen: its window is over.
    """
    drop = lifecycle.lock(session, job_id)
    at = db.now(session)
    if drop.status is Status.OPEN:
        slots.expire(session, drop, at)
    mine = slots.of(session, drop, user_id)
    if mine is None:
        raise NotFound
    if mine.state == "submitted":
        raise AlreadySubmitted
    if drop.status is not Status.OPEN or at >= _closes(drop):
        raise DropNotOpen(job_status=drop.status)
    mine.state, mine.released_at = "released", at
    events.tell(session, "claim.released", job_id, mine.agent_id)
    session.flush()
    settlement.settle_window(session, drop, at)
    return mine, drop


def is_no_show(claim: Claim, drop: Drop) -> bool:
    """Return whether a released claim counts as a no-show.

    A slot that is held for long and released at the last moment keeps everybody else out, as one that runs
    out does. Under a scheduled cancel an entry is no longer expected.
    """
    assert claim.released_at is not None
    return claim.released_at > claim.release_free_until and not drop.cancel_requested_at


def submit(session: Session, user_id: UUID, job_id: UUID, entry: Entry) -> tuple[Submission, Drop]:
    """Hand in an entry, or replace it; the last of a full set closes the window at once.

    Raises:
        Invalid, UnknownFile: nothing handed in, too much, or not the caller's files.
        NotFound, OwnDrop, AgentNotYours: as `claim`.
        WindowClosed, ArenaFull, CancellationRequested: too late.
        RevisionCooldown: revised a moment ago.
        OtherAgent: the entry that it would replace competes as another agent.
    """
    if blank(entry.text) and not entry.files:
        message = "must have a visible character" if entry.text else "is missing"
        raise Invalid("An entry needs text or files.", errors=[{"field": "text", "message": message}])
    drop, at, competitor = _enter(session, user_id, job_id, entry.agent_id)
    if drop.status is not Status.OPEN or at >= _closes(drop):
        raise WindowClosed(job_status=drop.status)
    files = attachments.named(session, user_id, entry.files, "files")
    slots.expire(session, drop, at)
    query = select(Submission).where(Submission.job_id == job_id, Submission.user_id == user_id)
    submission = session.scalars(query).one_or_none()
    if submission:
        if competitor.named and competitor.agent_id != submission.agent_id:
            raise OtherAgent(agent_id=str(submission.agent_id))
        news = _revise(submission, entry, attachments.of_entry(session, submission.id) != files, at)
    else:
        submission, news = _first(session, drop, competitor, entry, at), True
    session.flush()
    if news:
        attachments.attach(session, files, drop, submission)
        revision = submission.revision
        events.tell(session, "submission.received", job_id, submission.agent_id, revision=revision)
    settlement.settle_window(session, drop, at)
    return submission, drop


def _enter(
    session: Session, user_id: UUID, job_id: UUID, agent_id: UUID | None
) -> tuple[Drop, datetime, Competitor]:
    """Return the locked drop, the clock, and who competes. The user is locked too, before the clock."""
    drop = lifecycle.lock(session, job_id)
    if drop.opened_at is None:  # never paid for
        raise NotFound
    if drop.sender_id == user_id:
        raise OwnDrop
    agent = agents.competitor(session, user_id, agent_id)
    return drop, db.now(session), Competitor(user_id, agent, named=agent_id is not None)


def _closes(drop: Drop) -> datetime:
    assert drop.window_closes_at is not None, "a drop that was opened has a window"
    return drop.window_closes_at


def _first(session: Session, drop: Drop, competitor: Competitor, entry: Entry, at: datetime) -> Submission:
    claim = slots.of(session, drop, competitor.user_id)
    if claim is None:
        if drop.cancel_requested_at:
            raise CancellationRequested
        claim = slots.take(session, drop, competitor, at, _closes(drop))
    claim.state = "submitted"
    if competitor.named:  # the one that claimed has nothing more to do here, and may be deleted
        claim.agent_id, claim.agent_named = competitor.agent_id, True
    submission = Submission(
        job_id=drop.id,
        user_id=competitor.user_id,
        agent_id=claim.agent_id,
        claim_id=claim.id,
        body=entry.text,
        revision=1,
        created_at=at,
        revised_at=at,
    )
    session.add(submission)
    return submission


def _revise(submission: Submission, entry: Entry, other_files: bool, at: datetime) -> bool:
    """Replace an entry; False where it is the same."""
    if composed(submission.body) == composed(entry.text) and not other_files:
        return False
    ready_at = submission.revised_at + timedelta(seconds=settings().revision_cooldown_seconds)
    if at < ready_at:
        raise RevisionCooldown(retry_after=_seconds(ready_at - at))
    submission.body = entry.text
    submission.revision += 1
    submission.revised_at = at
    return True


def _require_pace(session: Session, user_id: UUID, at: datetime) -> None:
    """Refuse to hoard slots and to fail to show up again and again.

    The user is locked, for two drops may be claimed at once.
    """
    idle = select(Claim.expires_at).where(
        Claim.user_id == user_id, Claim.state == "held", Claim.expires_at > at
    )
    ends = sorted(session.scalars(idle))
    if len(ends) >= settings().max_idle_claims:
        raise TooManyOpenClaims(retry_after=_seconds(ends[0] - at))
    if limit := settings().no_show_limit:
        ended_at = func.coalesce(Claim.released_at, Claim.expires_at)
        # Under a scheduled cancel no entry is expected any more.
        in_force = or_(Drop.cancel_requested_at.is_(None), Drop.cancel_requested_at > ended_at)
        late = or_(Claim.state.in_(("held", "expired")), Claim.released_at > Claim.release_free_until)
        missed = select(func.count(), func.max(ended_at)).join(Drop, Drop.id == Claim.job_id)
        missed = missed.where(
            in_force,
            late,
            Claim.user_id == user_id,
            Claim.state.in_(("held", "expired", "released")),
            Claim.expires_at >= at - NO_SHOW_WINDOW,  # no claim ends later than that: for the index
            ended_at.between(at - NO_SHOW_WINDOW, at),
        )
        count, last = session.execute(missed).one()
        if count >= limit and at < last + NO_SHOW_PAUSE:
            raise ClaimCooldown(retry_after=_seconds(last + NO_SHOW_PAUSE - at))


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds()) + 1  # whole seconds, never too early
