"""The public page of the API, sentence by sentence: a client that was written from it alone works.

The facts of the page stand in this file; ours beside them may change, these may not.
"""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from models.packs import PACKS
from tests.contracts.page_client import PageClient, Refused
from tests.serving import serving
from tests.support import Person, bring, close, drive, let_time_pass, person, violations

README = "Give me three roast-style taglines for this README"
ZULU = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Call:
    """The API as the page writes it: method, path, body; gives status and JSON."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http

    def __call__(
        self, who: Person | None, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        auth = who.auth if who else {}
        answer = self.http.open(path, method=method, json=body, headers={**auth, **headers})
        return answer.status_code, answer.json


@pytest.fixture
def call(http: FlaskClient) -> Call:
    return Call(http)


@pytest.fixture
def sender(database: str) -> Person:
    return person(10_000)


def drop(call: Call, sender: Person, **fields: Any) -> dict[str, Any]:
    status, row = call(sender, "POST", "/api/jobs/run", {"prompt": README, "confirmed": True, **fields})
    assert (status, row["status"]) == (201, "open")
    return row


def decided(call: Call, sender: Person, *workers: Person, **fields: Any) -> str:
    """A verified drop with an entry of each worker; gives its id."""
    job_id = drop(call, sender, **fields)["id"]
    for number, who in enumerate(workers, 1):
        text = f"{number}. Cron, but with opinions.\nStars do not compile.\nRuns on hope."
        assert call(who, "POST", f"/api/jobs/{job_id}/submit", {"text": text})[0] == 200
    let_time_pass(UUID(job_id), 4_000)
    close(UUID(job_id))
    assert drive(UUID(job_id)) == "verified"
    return job_id


# What an example shows: each of its keys, with the kind of its value -----------------------------


def an_id(value: Any) -> bool:
    return isinstance(value, str) and str(UUID(value)) == value


def a_time(value: Any) -> bool:
    return isinstance(value, str) and bool(ZULU.fullmatch(value)) and bool(datetime.fromisoformat(value))


def words(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def number(value: Any) -> bool:
    return type(value) is int


def a_grade(value: Any) -> bool:
    return value in ("S", "A", "B", "C", "D", "F")


def a_pack(value: Any) -> bool:
    return value in ("roast", "scout", "code", "cook", "wild")


def a_list(value: Any) -> bool:
    return isinstance(value, list)


ESTIMATE = {
    "needs_confirmation": lambda value: value is True,
    "prompt": words,
    "title": words,
    "pack": a_pack,
    "estimated_price_cents": number,
    "estimated_time_limit_seconds": number,
}
CLAIM = {
    "id": an_id,
    "job_id": an_id,
    "user_id": an_id,
    "agent_id": lambda value: value is None,
    "expires_at": a_time,
    "submitted": lambda value: value is False,
    "created_at": a_time,
}
SUBMISSION = {
    "id": an_id,
    "job_id": an_id,
    "user_id": an_id,
    "output_text": words,
    "output_attachments": a_list,
    "grade": a_grade,
    "rank": number,
    "rationale": words,
    "created_at": a_time,
}
FEED = {
    "id": an_id,
    "prompt": words,
    "pack": a_pack,
    "grade": a_grade,
    "grade_rationale": words,
    "price_cents": number,
    "submissions_count": number,
    "created_at": a_time,
    "updated_at": a_time,
}
JOB = {
    "pack": a_pack,
    "grade": a_grade,
    "grade_rationale": words,
    "submissions_count": number,
    "max_claims": number,
    "output_text": words,
    "output_attachments": a_list,
}


def shaped(row: dict[str, Any], example: dict[str, Any]) -> None:
    """The row has every key of the example, with a value of its kind."""
    wrong = {
        key: row.get(key, "missing") for key, fits in example.items() if key not in row or not fits(row[key])
    }
    assert wrong == {}


# Model summary ------------------------------------------------------------------------------------


def test_the_packs_set_default_bounties_which_price_cents_overrides(call, sender):
    assert set(PACKS) == {"roast", "scout", "code", "cook", "wild"}
    for pack in PACKS:
        status, row = call(sender, "POST", "/api/jobs/run", {"prompt": README, "pack": pack})
        assert (status, row["pack"]) == (200, pack)
        default = row["estimated_price_cents"]
        assert default > 0
        row = call(sender, "POST", "/api/jobs/run", {"prompt": README, "pack": pack, "price_cents": 777})[1]
        assert row["estimated_price_cents"] == 777


@pytest.mark.parametrize("price", [-1, 0, 1, 10**12])
def test_the_price_is_clamped(call, sender, price):
    status, row = call(sender, "POST", "/api/jobs/run", {"prompt": README, "price_cents": price})
    assert status == 200
    assert 0 < row["estimated_price_cents"] < 10**12


def test_up_to_five_agents_compete_for_five_minutes(call, sender):
    row = drop(call, sender)
    assert (row["max_claims"], row["time_limit_seconds"]) == (5, 300)
    for _ in range(5):
        assert call(person(), "POST", f"/api/jobs/{row['id']}/claim")[0] == 201
    assert call(person(), "POST", f"/api/jobs/{row['id']}/claim")[0] == 409


def test_submissions_are_ranked_and_graded_and_rank_1_takes_all(call, sender):
    workers = [person() for _ in range(3)]
    job_id = decided(call, sender, *workers)
    rows = call(sender, "GET", f"/api/jobs/{job_id}/submissions")[1]["submissions"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert all(a_grade(row["grade"]) for row in rows)
    balances = {str(who.id): call(who, "GET", "/api/wallet/balance")[1]["balance_cents"] for who in workers}
    assert balances.pop(rows[0]["user_id"]) == 100
    assert set(balances.values()) == {0}
    assert violations() == []


# Create a drop --------------------------------------------------------------------------------------


def test_the_typical_request_asks_for_an_estimate_and_then_posts(call, sender):
    body = {
        "prompt": README,
        "envVars": {},
        "attachments": [],
        "pack": "roast",
        "price_cents": 100,
        "time_limit_seconds": 300,
        "confirmed": False,
    }
    status, row = call(sender, "POST", "/api/jobs/run", body)
    assert status == 200
    shaped(row, ESTIMATE)
    wanted = {
        "prompt": README,
        "pack": "roast",
        "estimated_price_cents": 100,
        "estimated_time_limit_seconds": 300,
    }
    assert {key: row[key] for key in wanted} == wanted
    status, row = call(sender, "POST", "/api/jobs/run", {**body, "confirmed": True})
    assert (status, row["status"]) == (201, "open")


def test_only_the_prompt_is_required(call, sender):
    status, row = call(sender, "POST", "/api/jobs/run", {"prompt": README})
    assert status == 200
    shaped(row, ESTIMATE)
    assert (row["pack"], row["estimated_time_limit_seconds"]) == ("wild", 300)
    for body in ({}, {"pack": "roast"}, None):
        assert call(sender, "POST", "/api/jobs/run", body)[0] == 400


def test_env_vars_are_not_on_the_public_board(call, sender):
    job_id = drop(call, sender, envVars={"TOKEN": "hunter2-canary"})["id"]
    assert call(sender, "GET", f"/api/jobs/{job_id}")[1]["envVars"] == {"TOKEN": "hunter2-canary"}
    for path in ("/api/board", f"/api/board/{job_id}", "/api/feed"):
        status, row = call(None, "GET", path)
        assert status == 200
        assert "hunter2-canary" not in str(row)


def test_attachments_are_what_the_upload_answered(call, sender):
    key = bring(sender)
    upload = {"key": key, "name": "notes.md", "size": 5}
    row = drop(call, sender, attachments=[upload])
    assert [file["key"] for file in row["attachments"]] == [key]


@pytest.mark.parametrize("seconds", [-1, 0, 1, 10**9])
def test_the_window_is_clamped_to_the_platforms_bounds(call, sender, seconds):
    status, row = call(sender, "POST", "/api/jobs/run", {"prompt": README, "time_limit_seconds": seconds})
    assert status == 200
    assert 1 < row["estimated_time_limit_seconds"] < 10**9


def test_a_confirmed_drop_is_debited_and_on_the_board(call, sender):
    row = drop(call, sender, price_cents=300)
    assert call(sender, "GET", "/api/wallet/balance")[1]["balance_cents"] == 9_700
    assert [item["id"] for item in call(None, "GET", "/api/board")[1]["board"]] == [row["id"]]


def test_a_short_balance_is_402_and_the_drop_can_be_paid_later(call):
    poor = person(40)
    status, refusal = call(poor, "POST", "/api/jobs/run", {"prompt": README, "confirmed": True})
    assert status == 402
    assert refusal["payment_required"] is True
    assert (refusal["required"], refusal["available"]) == (100, 40)
    job_id = refusal["id"]
    assert call(poor, "GET", f"/api/jobs/{job_id}")[1]["status"] == "pending_payment"
    assert call(None, "GET", "/api/board")[1]["board"] == []
    assert call(poor, "POST", f"/api/jobs/{job_id}/pay")[0] == 402
    assert call(poor, "POST", "/api/wallet/topup", {"amount_cents": 500})[0] == 201
    status, row = call(poor, "POST", f"/api/jobs/{job_id}/pay")
    assert (status, row["status"]) == (200, "open")


# Get a drop -------------------------------------------------------------------------------------------


def test_authorized_viewers_get_the_full_row_and_others_404(call, sender):
    worker, stranger = person(), person()
    job_id = decided(call, sender, worker)
    for who in (sender, worker):
        status, row = call(who, "GET", f"/api/jobs/{job_id}")
        assert status == 200
        shaped(row, JOB)
        assert (row["submissions_count"], row["max_claims"]) == (1, 5)
    missing = call(stranger, "GET", "/api/jobs/01a20dee-ac30-7ace-b2b6-7933bc282913")
    hidden = call(stranger, "GET", f"/api/jobs/{job_id}")
    assert missing[0] == hidden[0] == 404
    assert missing[1]["error"] == hidden[1]["error"]


# Claim a drop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, {}, {"agentId": None}])
def test_a_claim_looks_like_the_example(call, sender, body):
    job_id, who = drop(call, sender)["id"], person()
    status, row = call(who, "POST", f"/api/jobs/{job_id}/claim", body)
    assert status == 201
    shaped(row, CLAIM)
    assert (row["job_id"], row["user_id"]) == (job_id, str(who.id))
    lasts = datetime.fromisoformat(row["expires_at"]) - datetime.fromisoformat(row["created_at"])
    assert 0 < lasts.total_seconds() <= 300


def test_a_claim_may_name_an_agent_and_is_refreshed(call, sender):
    job_id, who = drop(call, sender)["id"], person()
    agent = call(who, "POST", "/api/agents", {"name": f"quill of {who.name}"})[1]["id"]
    first = call(who, "POST", f"/api/jobs/{job_id}/claim", {"agentId": agent})
    again = call(who, "POST", f"/api/jobs/{job_id}/claim", {"agentId": agent})
    assert first[0] == again[0] == 201
    assert first[1]["id"] == again[1]["id"]
    assert first[1]["agent_id"] == agent


def test_an_unknown_drop_is_404_and_one_that_is_not_open_409(call, sender):
    worker = person()
    assert call(worker, "POST", "/api/jobs/01a20dee-ac30-7ace-b2b6-7933bc282913/claim")[0] == 404
    ended = drop(call, sender)["id"]
    call(sender, "POST", f"/api/jobs/{ended}/cancel")
    assert call(worker, "POST", f"/api/jobs/{ended}/claim")[0] == 409
    assert call(worker, "POST", f"/api/jobs/{decided(call, sender, person())}/claim")[0] == 409


# Submit output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["files", "attachments"])
def test_an_entry_has_text_and_files_under_either_name(call, sender, name):
    job_id, who = drop(call, sender)["id"], person()
    agent = call(who, "POST", "/api/agents", {"name": f"sage of {who.name}"})[1]["id"]
    file = {"key": bring(who, name="out.md"), "name": "out.md", "size": 1204}
    body = {"text": "My answer…", name: [file], "agentId": agent}
    status, answer = call(who, "POST", f"/api/jobs/{job_id}/submit", body)
    assert status == 200
    row = answer["submission"]
    assert (row["output_text"], row["output_attachments"][0]["key"]) == ("My answer…", file["key"])
    assert row.keys() >= SUBMISSION.keys()


def test_the_drop_has_to_be_open_and_somebody_elses(call, sender):
    job_id = drop(call, sender)["id"]
    assert call(sender, "POST", f"/api/jobs/{job_id}/submit", {"text": "Mine."})[0] == 403
    call(sender, "POST", f"/api/jobs/{job_id}/cancel")
    assert call(person(), "POST", f"/api/jobs/{job_id}/submit", {"text": "Late."})[0] == 409


def test_two_revisions_at_once_are_429(call, sender):
    job_id, who = drop(call, sender)["id"], person()
    assert call(who, "POST", f"/api/jobs/{job_id}/submit", {"text": "One."})[0] == 200
    status, refusal = call(who, "POST", f"/api/jobs/{job_id}/submit", {"text": "Two."})
    assert (status, refusal["code"]) == (429, "revision_cooldown")


def test_the_submission_that_closes_the_window_brings_the_ranking(call, sender):
    job_id = drop(call, sender)["id"]
    answers = [
        call(person(), "POST", f"/api/jobs/{job_id}/submit", {"text": f"Answer {number}."})[1]
        for number in range(5)
    ]
    assert ["ranking" in answer for answer in answers] == [False] * 4 + [True]
    assert answers[-1]["ranking"]["job"]["id"] == job_id
    assert answers[-1]["ranking"]["job"]["submissions_count"] == 5
    assert drive(UUID(job_id)) == "verified"


# List submissions, feed ---------------------------------------------------------------------------------


def test_the_sender_lists_every_submission_for_forensics(call, sender):
    workers = [person() for _ in range(4)]
    job_id = decided(call, sender, *workers)
    status, answer = call(sender, "GET", f"/api/jobs/{job_id}/submissions")
    assert status == 200
    assert {row["user_id"] for row in answer["submissions"]} == {str(who.id) for who in workers}
    for row in answer["submissions"]:
        shaped(row, SUBMISSION)
    for who in (*workers, person()):
        assert call(who, "GET", f"/api/jobs/{job_id}/submissions")[0] in (403, 404)


def test_the_feed_has_recent_completed_drops(call, sender):
    job_id = decided(call, sender, *(person() for _ in range(4)), pack="code")
    drop(call, sender)
    status, answer = call(None, "GET", "/api/feed")
    assert status == 200
    (row,) = answer["feed"]
    shaped(row, FEED)
    wanted = {"id": job_id, "prompt": README, "pack": "code", "price_cents": 300, "submissions_count": 4}
    assert {key: row[key] for key in wanted} == wanted


# Cancel, and the lists ------------------------------------------------------------------------------------


def test_only_the_sender_cancels(call, sender):
    job_id, worker = drop(call, sender)["id"], person()
    call(worker, "POST", f"/api/jobs/{job_id}/claim")
    assert call(worker, "POST", f"/api/jobs/{job_id}/cancel")[0] == 403
    assert call(person(), "POST", f"/api/jobs/{job_id}/cancel")[0] == 404
    status, row = call(sender, "POST", f"/api/jobs/{job_id}/cancel")
    assert (status, row["status"]) == (202, "open")  # scheduled: somebody is at work
    assert a_time(row["cancel_requested_at"])


def test_terminal_states_cannot_be_cancelled(call, sender):
    cancelled, failed = drop(call, sender)["id"], drop(call, sender)["id"]
    assert call(sender, "POST", f"/api/jobs/{cancelled}/cancel")[0] == 200
    let_time_pass(UUID(failed), 400)
    close(UUID(failed))
    verified = decided(call, sender, person())
    for job_id, state in ((cancelled, "cancelled"), (failed, "failed"), (verified, "verified")):
        assert call(sender, "GET", f"/api/jobs/{job_id}")[1]["status"] == state
        assert call(sender, "POST", f"/api/jobs/{job_id}/cancel")[0] == 400


def test_board_and_lists(call, sender):
    ids = [drop(call, sender)["id"] for _ in range(3)]
    assert [row["id"] for row in call(None, "GET", "/api/board?limit=2&offset=1")[1]["board"]] == ids[:2][
        ::-1
    ]
    assert [row["id"] for row in call(sender, "GET", "/api/jobs")[1]] == ids[::-1]
    call(sender, "POST", f"/api/jobs/{ids[0]}/cancel")
    assert [row["id"] for row in call(sender, "GET", "/api/jobs?status=cancelled")[1]] == ids[:1]
    worker = person()
    call(worker, "POST", f"/api/jobs/{ids[1]}/claim")
    (mine,) = call(worker, "GET", "/api/users/status")[1]
    assert mine["job_id"] == ids[1]


def test_the_cron_route_is_secured_with_its_secret(call, settle, sender, monkeypatch):
    path, secret = "/api/cron/enforce-deadlines", "a secret of sixteen characters"
    assert call(None, "GET", path)[0] == 503  # no secret is set
    monkeypatch.setenv("CRON_SECRET", secret)
    settle()
    job_id, worker = drop(call, sender)["id"], person()
    call(worker, "POST", f"/api/jobs/{job_id}/claim")
    let_time_pass(UUID(job_id), 400)
    assert call(None, "GET", path)[0] == 401
    assert call(sender, "GET", path)[0] == 401
    status, swept = call(None, "GET", path, Authorization=f"Bearer {secret}")
    assert (status, swept["handed_out"]) == (200, {"close": 1})  # the deadline of that drop


# A client from the page alone -------------------------------------------------------------------------------


def test_a_client_that_knows_the_page_alone_trades(http, sender):
    workers = [person() for _ in range(2)]
    with serving(http.application) as url:
        ada = PageClient(url, sender.key)
        job_id = ada.post_drop(README, pack="roast", price_cents=500, time_limit_seconds=60)["id"]
        for number, who in enumerate(workers, 1):
            row = PageClient(url, who.key).enter(job_id, f"{number}. Cron, but with opinions.")
            assert row["output_text"] == f"{number}. Cron, but with opinions."
        let_time_pass(UUID(job_id), 100)
        close(UUID(job_id))
        drive(UUID(job_id))
        assert [rank for rank, *_ in ada.entries(job_id)] == [1, 2]
        ((fed, prompt, grade, _),) = ada.feed()
        assert (fed, prompt, grade) == (job_id, README, ada.entries(job_id)[0][1])
        with pytest.raises(Refused) as late:
            ada.cancel(job_id)
        assert late.value.status == 400
        assert ada.cancel(ada.post_drop("Never mind.")["id"])["status"] == "cancelled"
        with pytest.raises(Refused) as short:
            PageClient(url, person(40).key).post_drop(README)
        assert (short.value.status, short.value.answer["payment_required"]) == (402, True)
    assert violations() == []
