"""Rows as the JSON of the contract. Field names are contract; nothing here decides anything."""

from datetime import UTC, datetime
from typing import Any

from models import ledger
from models.market import Estimate
from models.schema import Claim, Submission
from models.states import Status
from models.views import BoardItem, FeedItem, JobView, StatusRow

Json = dict[str, Any]

OPENED = (Status.COMPLETED, Status.VERIFIED)  # when bodies may be read by those who paid for them


def time(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, `2026-11-24T13:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def estimate(terms: Estimate) -> Json:
    """What a draft would become: the answer of phase 1."""
    return {
        "needs_confirmation": True,
        "prompt": terms.draft.prompt,
        "title": terms.title,
        "pack": terms.draft.pack,
        "estimated_price_cents": terms.price_cents,
        "estimated_time_limit_seconds": terms.time_limit_seconds,
        "fee_cents": terms.fee_cents,
        "payout_cents": terms.price_cents - terms.fee_cents,
        "max_claims": terms.max_claims,
        "price_clamped": terms.price_clamped,
    }


def job(view: JobView) -> Json:
    """A drop, whole. What does not apply yet is null; envVars are there only for who may see them."""
    drop, winner = view.drop, view.winner
    row = {
        "id": str(drop.id),
        "status": drop.status,
        "prompt": drop.prompt,
        "title": drop.title,
        "pack": drop.pack,
        "sender": str(drop.sender_id),
        "price_cents": drop.price_cents,
        "fee_cents": drop.fee_cents,
        "payout_cents": drop.price_cents - drop.fee_cents,
        "time_limit_seconds": drop.time_limit_seconds,
        "max_claims": drop.max_claims,
        "claims_count": view.claims_count,
        "submissions_count": view.submissions_count,
        "opened_at": time(drop.opened_at),
        "window_closes_at": time(drop.window_closes_at),
        "cancel_requested_at": time(drop.cancel_requested_at),
        "min_grade": drop.min_grade,
        "grade": drop.grade,
        "grade_rationale": drop.grade_rationale,
        "winning_submission_id": winner and str(winner.id),
        "output_text": winner and winner.body,
        "output_attachments": [] if winner else None,
        "attachments": [],
        "failure_reason": drop.failure_reason,
        "created_at": time(drop.created_at),
        "updated_at": time(drop.updated_at),
    }
    return row if view.env_vars is None else {**row, "envVars": view.env_vars}


def board_item(item: BoardItem) -> Json:
    """A drop on the board: all that is needed to decide whether to claim it."""
    drop = item.drop
    closes_at = drop.window_closes_at or item.at
    return {
        "id": str(drop.id),
        "title": drop.title,
        "pack": drop.pack,
        "price_cents": drop.price_cents,
        "payout_cents": drop.price_cents - drop.fee_cents,
        "time_limit_seconds": drop.time_limit_seconds,
        "min_grade": drop.min_grade,
        "max_claims": drop.max_claims,
        "claims_count": item.claims_count,
        "submissions_count": item.submissions_count,
        "slots_left": drop.max_claims - item.claims_count,
        "opened_at": time(drop.opened_at),
        "window_closes_at": time(drop.window_closes_at),
        "seconds_left": max(0, int((closes_at - item.at).total_seconds())),
    }


def feed_item(item: FeedItem) -> Json:
    """A decided drop for everybody: who won what, and nothing of what was handed in."""
    drop = item.drop
    return {
        "id": str(drop.id),
        "status": drop.status,
        "title": drop.title,
        "pack": drop.pack,
        "price_cents": drop.price_cents,
        "payout_cents": drop.price_cents - drop.fee_cents,
        "grade": drop.grade,
        "winner": item.winner,
        "submissions_count": item.submissions_count,
        "opened_at": time(drop.opened_at),
        "ended_at": time(drop.ended_at),
    }


def claim(row: Claim) -> Json:
    """A claim, for who holds it."""
    return {
        "id": str(row.id),
        "job_id": str(row.job_id),
        "user_id": str(row.user_id),
        "agent_id": row.agent_id and str(row.agent_id),
        "expires_at": time(row.expires_at),
        "submitted": row.state == "submitted",
        "created_at": time(row.created_at),
    }


def submission(row: Submission) -> Json:
    """An entry, whole: for its author, or for the sender who paid."""
    return {
        "id": str(row.id),
        "job_id": str(row.job_id),
        "user_id": str(row.user_id),
        "agent_id": row.agent_id and str(row.agent_id),
        "text": row.body,
        "files": [],
        "revision": row.revision,
        "created_at": time(row.created_at),
        "revised_at": time(row.revised_at),
        "rank": row.rank,
        "grade": row.grade,
        "rationale": row.rationale,
        "sealed": False,
    }


def senders_submission(row: Submission, status: Status) -> Json:
    """An entry for the sender: sealed until the drop is decided, and for ever where nothing was paid."""
    if status in OPENED:
        return submission(row)
    return {**submission(row), "text": None, "files": None, "rationale": None, "sealed": True}


def status_row(row: StatusRow) -> Json:
    """Where a competitor stands in one drop."""
    entry = row.submission
    return {
        "job_id": str(row.drop.id),
        "title": row.drop.title,
        "status": row.drop.status,
        "price_cents": row.drop.price_cents,
        "window_closes_at": time(row.drop.window_closes_at),
        "claim_expires_at": time(row.claim.expires_at),
        "submitted": entry is not None,
        "submission_id": entry and str(entry.id),
        "grade": entry and entry.grade,
        "rank": entry and entry.rank,
        "payout_cents": row.payout_cents,
    }


def ledger_entry(entry: ledger.Entry) -> Json:
    """A line of a wallet's history; `delta` in cents."""
    return {
        "id": str(entry.transfer.id),
        "delta": entry.delta,
        "reason": entry.transfer.kind,
        "job_id": entry.transfer.job_id and str(entry.transfer.job_id),
        "created_at": time(entry.transfer.created_at),
    }
