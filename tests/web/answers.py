"""What answers have to look like: the one form of every refusal, and the keys of the rows."""

from typing import Any

from werkzeug.test import TestResponse

JOB_KEYS = {
    "id", "status", "prompt", "title", "pack", "sender", "price_cents", "fee_cents", "payout_cents",
    "time_limit_seconds", "max_claims", "claims_count", "submissions_count", "opened_at",
    "window_closes_at", "cancel_requested_at", "min_grade", "grade", "grade_rationale",
    "winning_submission_id", "output_text", "output_attachments", "attachments", "failure_reason",
    "created_at", "updated_at",
}  # fmt: skip
CLAIM_KEYS = {"id", "job_id", "user_id", "agent_id", "expires_at", "submitted", "created_at"}
SUBMISSION_KEYS = {
    "id", "job_id", "user_id", "agent_id", "agent_name", "output_text", "output_attachments", "revision",
    "created_at", "revised_at", "rank", "grade", "rationale", "sealed",
}  # fmt: skip
PROBLEM_KEYS = {"error", "code", "type", "title", "status", "request_id"}


def refused(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer, which has to be this one and in the contract's form."""
    problem = answer.json
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/problem+json"
    assert isinstance(problem, dict)
    assert problem.keys() >= PROBLEM_KEYS
    assert (problem["status"], problem["code"]) == (status, code)
    assert all(isinstance(problem[key], str) and problem[key] for key in ("error", "type", "title"))
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    if status == 429:
        assert int(answer.headers["Retry-After"]) == problem["retry_after"] >= 1
    return problem


def hidden(answer: TestResponse) -> None:
    """A 404 that says the same of what is missing and of what is not yours to see."""
    problem = refused(answer, 404, "not_found")
    assert problem.keys() == PROBLEM_KEYS
    assert problem["error"] == "There is nothing here, or nothing you may see."


def ok(answer: TestResponse, status: int = 200) -> Any:
    """The document of a granted request."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/json"
    return answer.json
