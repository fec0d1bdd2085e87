"""POST /api/jobs/<id>/cancel: every row of the table, and what happens to the money."""

from uuid import uuid4

import pytest

from tests.support import (
    balance,
    claim,
    close,
    drive,
    let_time_pass,
    people,
    person,
    post,
    status,
    submit,
    unchanged,
    violations,
)
from tests.web.answers import JOB_KEYS, hidden, ok, refused
from tests.web.scenes import end_window


def cancel(api, who, job_id):
    return api.post(who, f"/api/jobs/{job_id}/cancel")


@pytest.fixture
def sender(database):
    return person(500)


def test_a_waiting_drop_is_cancelled(api):
    poor = person(10)
    job_id = post(poor)
    row = ok(cancel(api, poor, job_id))
    assert row.keys() == JOB_KEYS | {"envVars"}
    assert (row["status"], row["failure_reason"], balance(poor)) == ("cancelled", None, 10)
    assert violations() == []


def test_an_open_drop_nobody_works_on_is_cancelled_and_refunded(api, sender):
    job_id = post(sender)
    row = ok(cancel(api, sender, job_id))
    assert (row["status"], balance(sender)) == ("cancelled", 500)
    assert row["cancel_requested_at"] is not None
    assert ok(api.get(None, "/api/board"))["total"] == 0
    assert violations() == []


def test_expired_claims_do_not_hold_it_up(api, sender):
    job_id = post(sender, time_limit_seconds=3600)
    claim(person(), job_id)
    let_time_pass(job_id, 301)
    assert ok(cancel(api, sender, job_id))["status"] == "cancelled"
    assert balance(sender) == 500


def test_live_claims_schedule_it(api, sender):
    job_id = post(sender)
    claim(person(), job_id)
    row = ok(cancel(api, sender, job_id), 202)
    assert (row["status"], row["claims_count"], balance(sender)) == ("open", 1, 400)
    assert row["cancel_requested_at"] is not None
    assert ok(api.get(None, "/api/board"))["total"] == 0
    assert violations() == []


def test_a_scheduled_cancel_refunds_when_the_last_claim_ends(api, sender):
    job_id = post(sender, time_limit_seconds=3600)
    for who in people(2):
        claim(who, job_id)
    ok(cancel(api, sender, job_id), 202)
    assert close(job_id) == "open"
    let_time_pass(job_id, 301)
    assert close(job_id) == "cancelled"
    assert (balance(sender), violations()) == (500, [])


def test_an_entry_under_a_scheduled_cancel_is_ranked_and_paid(api, sender):
    worker, idler = people(2)
    job_id = post(sender, time_limit_seconds=3600)
    claim(worker, job_id)
    claim(idler, job_id)
    ok(cancel(api, sender, job_id), 202)
    submit(worker, job_id)
    assert status(job_id) == "open"
    let_time_pass(job_id, 301)
    assert close(job_id) == "ranking"
    assert drive(job_id) == "verified"
    assert (balance(sender), balance(worker), violations()) == (400, 100, [])


def test_with_an_entry_and_a_live_claim_it_is_scheduled(api, sender):
    worker, idler = people(2)
    job_id = post(sender)
    submit(worker, job_id)
    claim(idler, job_id)
    row = ok(cancel(api, sender, job_id), 202)
    assert (row["status"], row["submissions_count"], balance(sender)) == ("open", 1, 400)


def test_with_an_entry_and_no_live_claim_it_closes_at_once_and_pays(api, sender):
    worker = person()
    job_id = post(sender)
    submit(worker, job_id)
    row = ok(cancel(api, sender, job_id), 202)
    assert (row["status"], balance(sender)) == ("ranking", 400)
    assert drive(job_id) == "verified"
    assert (balance(worker), violations()) == (100, [])


def test_the_end_of_the_window_ends_a_scheduled_cancel(api, sender):
    worker, idler = people(2)
    job_id = post(sender)
    claim(idler, job_id)
    submit(worker, job_id)
    ok(cancel(api, sender, job_id), 202)
    let_time_pass(job_id, 300)
    assert close(job_id) == "ranking"


def test_a_second_cancel_answers_the_same_row(api, sender):
    job_id = post(sender)
    claim(person(), job_id)
    first = ok(cancel(api, sender, job_id), 202)
    assert ok(cancel(api, sender, job_id)) == first


def test_a_cancelled_drop_cannot_be_cancelled_again(api, sender):
    poor = person()
    opened, unpaid = post(sender), post(poor)
    for who, job_id in ((sender, opened), (poor, unpaid)):
        ok(cancel(api, who, job_id))
        with unchanged():
            problem = refused(cancel(api, who, job_id), 400, "not_cancellable")
            assert problem["job_status"] == "cancelled"


def test_after_the_window_it_is_too_late(api, sender):
    worker = person()
    failed, ranking, verified = (post(sender) for _ in range(3))
    for job_id in (ranking, verified):
        submit(worker, job_id)
    for job_id in (failed, ranking, verified):
        end_window(job_id)
    drive(verified)
    with unchanged():
        for job_id, at in ((failed, "failed"), (ranking, "ranking"), (verified, "verified")):
            problem = refused(cancel(api, sender, job_id), 400, "not_cancellable")
            assert problem["job_status"] == at


def test_the_clock_decides_even_before_the_sweep_comes_by(api, sender):
    job_id = post(sender)
    let_time_pass(job_id, 400)
    with unchanged():
        refused(cancel(api, sender, job_id), 400, "not_cancellable")


def test_nobody_else_cancels(api, sender):
    competitor, submitter, stranger = people(3)
    job_id = post(sender)
    claim(competitor, job_id)
    submit(submitter, job_id)
    with unchanged():
        refused(cancel(api, competitor, job_id), 403, "senders_only")
        refused(cancel(api, submitter, job_id), 403, "senders_only")
        hidden(cancel(api, stranger, job_id))
        hidden(cancel(api, stranger, uuid4()))
