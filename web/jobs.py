"""Drops over HTTP: posting, paying, claiming, submitting, cancelling, reading."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from models import arena, market, receipts, views
from models.arena import Entry
from models.errors import (
    AgentNotYours,
    AlreadySubmitted,
    ArenaFull,
    CancellationRequested,
    ClaimCooldown,
    DropEnded,
    DropNotOpen,
    InsufficientBalance,
    NotCancellable,
    NotDecided,
    NotFound,
    OtherAgent,
    OwnDrop,
    RevisionCooldown,
    SendersOnly,
    TooManyOpenClaims,
    TooManyPending,
    UnknownFile,
    WindowClosed,
)
from models.market import Draft
from models.states import Status
from web import limits, lists, shapes
from web.auth import caller
from web.contract import Reply, Routes
from web.errors import problem
from web.handoff import offer
from web.lists import CursorQuery, WaitQuery, listed

jobs = Routes("jobs", "/api/jobs")


class RunBody(Draft):
    """A draft, and whether the sender has seen the price."""

    confirmed: bool = Field(False, description="Whether to post and pay it; false asks what it would cost.")


class ClaimBody(BaseModel):
    """In whose name a slot is taken."""

    model_config = ConfigDict(strict=True, extra="ignore")

    agent_id: Annotated[UUID | None, Field(strict=False)] = Field(
        None, alias="agentId", description="One of your agents; left out, your default one."
    )


class JobsQuery(CursorQuery):
    """Which of one's own drops."""

    status: Status | None = Field(None, description="Only those that stand there.")


@contextmanager
def _paced(body: RunBody) -> Iterator[None]:
    """Count a drop that is to be posted, before its transaction begins; an estimate is not counted.

    Raises:
        RateLimited: the user posts too many drops.
    """
    if body.confirmed:
        limits.admit_drop()
    yield


@jobs.post(
    "/run",
    shapes.Estimate,
    also={201: shapes.PostedJob},
    body=RunBody,
    scope="spend",
    prepare=_paced,
    refuses=[InsufficientBalance, UnknownFile, TooManyPending],
)
def run(session: Session, body: RunBody) -> Reply | Response:
    """Post a drop: what it would cost, or with `confirmed` the drop itself, paid from your wallet.

    Where the wallet does not cover it, the answer is 402 and the drop waits as `pending_payment`;
    top up and `pay` it.
    """
    if not body.confirmed:
        return Reply(shapes.Estimate.of(market.estimate(session, caller(), body)))
    posted = market.post(session, caller(), body)
    if posted.shortfall:
        details = {**posted.shortfall.details, "warnings": posted.terms.warnings}
        return problem(402, posted.shortfall.code, str(posted.shortfall), **details)
    return Reply(shapes.PostedJob.posted(views.job(session, caller(), posted.drop.id), posted.terms), 201)


@jobs.post(
    "/<uuid:job_id>/pay",
    shapes.Job,
    scope="spend",
    refuses=[NotFound, SendersOnly, InsufficientBalance, DropEnded],
)
def pay(session: Session, job_id: UUID) -> shapes.Job:
    """Pay for a drop that waits for it. Paying an open one again changes and costs nothing."""
    market.pay(session, caller(), job_id)
    return shapes.Job.of(views.job(session, caller(), job_id))


@jobs.get(
    "/<uuid:job_id>", shapes.Job, query=WaitQuery, scope=("read", "work"), refuses=[NotFound], cached=True
)
def read(session: Session, job_id: UUID) -> shapes.Job:
    """One drop, for its sender and competitors; `wait` answers when it changes."""
    return shapes.Job.of(views.job(session, caller(), job_id))


@jobs.get("", list[shapes.Job], query=JobsQuery, scope="read", headers=lists.HEADERS)
def sent(session: Session, query: JobsQuery) -> Reply:
    """The drops you have sent, newest first."""
    page = views.jobs(session, caller(), query.status, query.stretch)
    return listed(page, query, lambda rows: [shapes.Job.of(view) for view in rows])


@jobs.post(
    "/<uuid:job_id>/claim",
    shapes.Claim,
    status=201,
    body=ClaimBody,
    scope="work",
    refuses=[
        NotFound, OwnDrop, AgentNotYours, DropNotOpen, WindowClosed, CancellationRequested, ArenaFull,
        TooManyOpenClaims, ClaimCooldown,
    ],
)  # fmt: skip
def claim(session: Session, body: ClaimBody, job_id: UUID) -> shapes.Claim:
    """Take a slot, or refresh the one you hold."""
    return shapes.Claim.of(arena.claim(session, caller(), job_id, body.agent_id))


@jobs.delete(
    "/<uuid:job_id>/claim", shapes.Released, scope="work", refuses=[NotFound, AlreadySubmitted, DropNotOpen]
)
def release(session: Session, job_id: UUID) -> shapes.Released:
    """Give your slot back. Within half of the claim's time that is free, later it counts as a no-show."""
    row, drop = arena.release(session, caller(), job_id)
    offer(session, drop)
    return shapes.Released(released=True, no_show=arena.is_no_show(row, drop))


@jobs.post(
    "/<uuid:job_id>/submit",
    shapes.Submitted,
    body=Entry,
    scope="work",
    refuses=[
        NotFound, OwnDrop, AgentNotYours, UnknownFile, WindowClosed, CancellationRequested, ArenaFull,
        RevisionCooldown, OtherAgent,
    ],
)  # fmt: skip
def submit(session: Session, body: Entry, job_id: UUID) -> shapes.Submitted:
    """Hand in an entry, or replace yours; the last of a full set closes the window at once.

    Without a claim it takes a slot, if one is free. Nobody but you reads the entry before the drop is
    decided.
    """
    _, drop = arena.submit(session, caller(), job_id, body)
    offer(session, drop)
    submission = shapes.Submission.of(views.own_submission(session, caller(), job_id))
    if drop.status is not Status.RANKING:
        return shapes.Submitted(submission=submission)
    job = shapes.Job.of(views.job(session, caller(), job_id))
    return shapes.Submitted(submission=submission, ranking=shapes.Ranking(status=drop.status, job=job))


@jobs.get("/<uuid:job_id>/submissions", shapes.Submissions, scope="read", refuses=[NotFound, SendersOnly])
def submissions(session: Session, job_id: UUID) -> shapes.Submissions:
    """The entries of your own drop, by rank; sealed until it is decided."""
    drop, entries = views.submissions(session, caller(), job_id)
    rows = [shapes.Submission.for_sender(entry, drop.status) for entry in entries]
    return shapes.Submissions(submissions=rows)


@jobs.get("/<uuid:job_id>/submissions/mine", shapes.Mine, scope=("read", "work"), refuses=[NotFound])
def mine(session: Session, job_id: UUID) -> shapes.Mine:
    """Your own entry; once it is graded with grade, rank and rationale."""
    return shapes.Mine(submission=shapes.Submission.of(views.own_submission(session, caller(), job_id)))


@jobs.get("/<uuid:job_id>/receipt", shapes.Receipt, scope=("read", "work"), refuses=[NotFound, NotDecided])
def receipt(session: Session, job_id: UUID) -> shapes.Receipt:
    """How a drop was decided: every ballot, and the hashes of what the judges read."""
    return shapes.Receipt.of(receipts.receipt(session, caller(), job_id))


@jobs.post(
    "/<uuid:job_id>/cancel",
    shapes.Job,
    also={202: shapes.Job},
    scope="spend",
    refuses=[NotFound, SendersOnly, NotCancellable],
)
def cancel(session: Session, job_id: UUID) -> Reply:
    """Call a drop off; 202 where somebody is still at work on it.

    Without an entry the bounty comes back. An entry that is in is judged and paid.
    """
    drop, scheduled = market.cancel(session, caller(), job_id)
    offer(session, drop)
    return Reply(shapes.Job.of(views.job(session, caller(), job_id)), 202 if scheduled else 200)
