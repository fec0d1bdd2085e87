"""POST /api/jobs/<id>/pay: opening a drop that waits for its bounty."""

from uuid import uuid4

import pytest

from models import db, ledger
from tests.support import (
    balance,
    claim,
    drive,
    let_time_pass,
    person,
    post,
    submit,
    unchanged,
    violations,
)
from tests.web.answers import JOB_KEYS, hidden, ok, refused
from tests.web.scenes import end_window


def top_up(who, cents):
    with db.transaction() as session:
        ledger.credit(session, who.id, cents, f"credit:{uuid4()}")


def test_a_waiting_drop_opens_when_paid(api):
    sender = person(99)
    drop = post(sender)
    let_time_pass(drop, 1000)
    top_up(sender, 1)
    row = ok(api.post(sender, f"/api/jobs/{drop}/pay"))
    assert row.keys() == JOB_KEYS | {"envVars"}
    assert row["status"] == "open"
    assert row["opened_at"] > row["created_at"]
    assert balance(sender) == 0
    assert [item["id"] for item in ok(api.get(None, "/api/board"))["board"]] == [str(drop)]
    assert violations() == []


def test_paying_an_open_drop_again_costs_nothing(api):
    sender = person(500)
    drop = post(sender)
    with unchanged():
        assert ok(api.post(sender, f"/api/jobs/{drop}/pay"))["status"] == "open"


def test_with_too_little_money_it_goes_on_waiting(api):
    sender = person(99)
    drop = post(sender)
    with unchanged():
        problem = refused(api.post(sender, f"/api/jobs/{drop}/pay"), 402, "insufficient_balance")
    told = {
        "payment_required": True,
        "required": 100,
        "available": 99,
        "id": str(drop),
        "job_id": str(drop),
    }
    assert {key: problem[key] for key in told} == told


def test_what_has_ended_cannot_be_paid(api):
    sender, competitor = person(1000), person()
    cancelled, failed, ranking, verified = (post(sender) for _ in range(4))
    ok(api.post(sender, f"/api/jobs/{cancelled}/cancel"))
    end_window(failed)
    for drop in (ranking, verified):
        submit(competitor, drop)
        ok(api.post(sender, f"/api/jobs/{drop}/cancel"), 202)
    drive(verified)
    with unchanged():
        for drop in (cancelled, failed, ranking, verified):
            refused(api.post(sender, f"/api/jobs/{drop}/pay"), 409, "drop_ended")


def test_after_a_day_it_cannot_be_paid_even_before_the_sweep_comes_by(api):
    sender = person(99)
    drop = post(sender)
    top_up(sender, 1)
    let_time_pass(drop, 24 * 3600 + 1)
    with unchanged():
        refused(api.post(sender, f"/api/jobs/{drop}/pay"), 409, "drop_ended")


def test_nobody_else_pays(api):
    sender, competitor, stranger = person(100), person(500), person(500)
    drop = post(sender)
    claim(competitor, drop)
    with unchanged():
        refused(api.post(competitor, f"/api/jobs/{drop}/pay"), 403, "senders_only")
        hidden(api.post(stranger, f"/api/jobs/{drop}/pay"))
        hidden(api.post(stranger, f"/api/jobs/{uuid4()}/pay"))


@pytest.mark.parametrize("cents", [0, 500])
def test_a_waiting_drop_is_hidden_from_others(api, cents):
    drop = post(person(0))
    hidden(api.post(person(cents), f"/api/jobs/{drop}/pay"))
