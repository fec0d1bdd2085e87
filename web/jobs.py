"""Drops over HTTP: posting, paying, claiming, submitting, cancelling, reading."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict, Field

from models import arena, db, market, views
from models.arena import Entry
from models.market import Draft
from models.schema import Drop
from models.states import Status
from web import contract, shapes
from web.auth import caller
from web.errors import problem
from web.handoff import offer
from web.lists import listed

jobs = Blueprint("jobs", __name__, url_prefix="/api/jobs")

Answer = tuple[dict[str, Any], int]


class RunBody(Draft):
    """A draft, and whether the sender has seen the price."""

    confirmed: bool = False


class ClaimBody(BaseModel):
    """In whose name a slot is taken."""

    model_config = ConfigDict(strict=True, extra="ignore")

    agent_id: UUID | None = Field(None, alias="agentId", strict=False)


@jobs.post("/run")
def run() -> Answer | Response:
    """Phase 1 answers what a drop would cost; phase 2 (`confirmed`) posts and pays it."""
    body = contract.body(RunBody)
    if not body.confirmed:
        return shapes.estimate(market.estimate(body)), 200
    with db.transaction() as session:
        posted = market.post(session, caller(), body)
        view = views.job(session, caller(), posted.drop.id)
    if posted.shortfall is None:
        return shapes.job(view), 201
    return problem(402, posted.shortfall.code, str(posted.shortfall), **posted.shortfall.details)


@jobs.post("/<uuid:job_id>/pay")
def pay(job_id: UUID) -> Answer:
    """Pay for a drop that waits for it."""
    contract.body(contract.NoFields)
    with db.transaction() as session:
        market.pay(session, caller(), job_id)
        view = views.job(session, caller(), job_id)
    return shapes.job(view), 200


@jobs.get("/<uuid:job_id>")
def read(job_id: UUID) -> Answer:
    """One drop, for its sender and competitors."""
    with db.transaction() as session:
        view = views.job(session, caller(), job_id)
    return shapes.job(view), 200


@jobs.get("")
def sent() -> Response:
    """The drops the caller has sent, newest first."""
    limit, offset = contract.page()
    wanted = contract.choice("status", tuple(Status))
    with db.transaction() as session:
        page = views.jobs(session, caller(), Status(wanted) if wanted else None, limit, offset)
    return listed([shapes.job(view) for view in page.rows], page.total, limit, offset)


@jobs.post("/<uuid:job_id>/claim")
def claim(job_id: UUID) -> Answer:
    """Take a slot, or refresh the one held."""
    body = contract.body(ClaimBody)
    with db.transaction() as session:
        row = arena.claim(session, caller(), job_id, body.agent_id)
    return shapes.claim(row), 201


@jobs.post("/<uuid:job_id>/submit")
def submit(job_id: UUID) -> Answer:
    """Hand in an entry, or replace it; the last of a full set closes the window."""
    entry = contract.body(Entry)
    with db.transaction() as session:
        row, drop = arena.submit(session, caller(), job_id, entry)
        view = views.job(session, caller(), job_id)
    return {"submission": shapes.submission(row), **_ranking(drop, shapes.job(view))}, 200


def _ranking(drop: Drop, row: dict[str, Any]) -> dict[str, Any]:
    offer(drop.status, drop.id)
    return {"ranking": {"status": drop.status, "job": row}} if drop.status is Status.RANKING else {}


@jobs.get("/<uuid:job_id>/submissions")
def submissions(job_id: UUID) -> Answer:
    """The entries of the caller's own drop, by rank."""
    with db.transaction() as session:
        drop, rows = views.submissions(session, caller(), job_id)
    return {"submissions": [shapes.senders_submission(row, drop.status) for row in rows]}, 200


@jobs.post("/<uuid:job_id>/cancel")
def cancel(job_id: UUID) -> Answer:
    """Call a drop off; 202 where somebody is still at work on it."""
    contract.body(contract.NoFields)
    with db.transaction() as session:
        drop, scheduled = market.cancel(session, caller(), job_id)
        view = views.job(session, caller(), job_id)
    offer(drop.status, job_id)
    return shapes.job(view), 202 if scheduled else 200
