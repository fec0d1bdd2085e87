"""GET /api/jobs/<id>/submissions: sealed until the drop is decided, and for ever where nobody paid."""

from uuid import uuid4

import pytest

from tests.support import (
    balance,
    claim,
    drive,
    people,
    person,
    post,
    submit,
    violations,
)
from tests.web.answers import SUBMISSION_KEYS, hidden, ok, refused
from tests.web.scenes import decided, end_window


def entries(api, who, job_id):
    return ok(api.get(who, f"/api/jobs/{job_id}/submissions"))["submissions"]


def assert_sealed(rows):
    for row in rows:
        assert row.keys() == SUBMISSION_KEYS
        assert row["sealed"] is True
        assert (row["output_text"], row["output_attachments"], row["rationale"]) == (None, [], None)


def test_a_drop_without_entries_has_an_empty_list(api):
    sender = person(100)
    assert ok(api.get(sender, f"/api/jobs/{post(sender)}/submissions")) == {"submissions": []}


@pytest.mark.parametrize("ranking", [False, True])
def test_entries_are_sealed_until_decided(api, ranking):
    sender, workers = person(100), people(2)
    job_id = post(sender)
    for who in workers:
        submit(who, job_id, "A secret answer.")
    if ranking:
        end_window(job_id)
    answer = api.get(sender, f"/api/jobs/{job_id}/submissions")
    rows = ok(answer)["submissions"]
    assert [row["user_id"] for row in rows] == [str(who.id) for who in workers]
    assert_sealed(rows)
    assert "secret" not in answer.get_data(as_text=True)


def test_decided_entries_are_open_and_in_order_of_rank(api):
    sender, workers = person(100), people(3)
    rows = entries(api, sender, decided(sender, *workers))
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert {row["output_text"] for row in rows} == {f"The answer of {who.name}." for who in workers}
    grades = [row["grade"] for row in rows]
    assert grades == sorted(grades, key="SABCDF".index)
    assert all(row["rationale"] and row["sealed"] is False for row in rows)


def test_a_competitor_may_not_list_them(api):
    sender, claimant, submitter = person(100), *people(2)
    job_id = post(sender)
    claim(claimant, job_id)
    submit(submitter, job_id)
    refused(api.get(claimant, f"/api/jobs/{job_id}/submissions"), 403, "senders_only")
    refused(api.get(submitter, f"/api/jobs/{job_id}/submissions"), 403, "senders_only")
    worker = person()
    refused(api.get(worker, f"/api/jobs/{decided(person(100), worker)}/submissions"), 403, "senders_only")


def test_a_stranger_sees_nothing(api):
    sender, stranger = person(200), person()
    for job_id in (post(sender), decided(sender, person()), uuid4()):
        hidden(api.get(stranger, f"/api/jobs/{job_id}/submissions"))


def test_below_the_minimum_grade_the_sender_gets_grades_and_money_but_no_bodies(api):
    sender, workers = person(100), people(2)
    job_id = post(sender, min_grade="S")
    for who in workers:
        submit(who, job_id, "x")
    end_window(job_id)
    assert drive(job_id) == "failed"
    rows = entries(api, sender, job_id)
    assert_sealed(rows)
    assert [row["rank"] for row in rows] == [1, 2]
    assert all(row["grade"] in "ABCDF" for row in rows)
    assert (balance(sender), violations()) == (100, [])


def test_a_minimum_that_is_met_pays(api):
    sender, worker = person(100), person()
    job_id = post(sender, min_grade="F")
    submit(worker, job_id)
    end_window(job_id)
    assert drive(job_id) == "verified"
    assert (balance(worker), entries(api, sender, job_id)[0]["sealed"]) == (100, False)
