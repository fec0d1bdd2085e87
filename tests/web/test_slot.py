"""Giving a slot back, and reading one's own entry."""

from uuid import uuid4

import pytest

from tests.models.stages import sql
from tests.support import (
    at_once,
    claim,
    let_time_pass,
    people,
    person,
    post,
    status,
    submit,
    unchanged,
    violations,
)
from tests.web.answers import hidden, ok, refused
from tests.web.scenes import LONG, decided, end_window, full_arena


@pytest.fixture
def release(api):
    def call(who, job_id):
        return api.http.delete(f"/api/jobs/{job_id}/claim", headers=who.auth)

    return call


def test_a_slot_that_is_given_back_is_free_at_once(api, release, database):
    job_id, everyone = full_arena()
    late = person()
    refused(api.post(late, f"/api/jobs/{job_id}/claim"), 409, "arena_full")
    assert ok(release(everyone[0], job_id)) == {"released": True}
    ok(api.post(late, f"/api/jobs/{job_id}/claim"), 201)
    refused(api.post(everyone[0], f"/api/jobs/{job_id}/claim"), 409, "arena_full")


def test_there_has_to_be_a_slot(release, database):
    job_id, who = post(person(100), time_limit_seconds=LONG), person()
    with unchanged():
        hidden(release(who, job_id))
        hidden(release(who, uuid4()))
    claim(who, job_id)
    ok(release(who, job_id))
    with unchanged():
        hidden(release(who, job_id))


def test_a_claim_that_ran_out_cannot_be_given_back(release, database):
    job_id, who = post(person(100), time_limit_seconds=LONG), person()
    claim(who, job_id)
    let_time_pass(job_id, 301)
    hidden(release(who, job_id))


def test_an_entry_keeps_its_slot(release, database):
    job_id, who = post(person(100)), person()
    submit(who, job_id)
    with unchanged():
        refused(release(who, job_id), 409, "already_submitted")


def test_letting_go_in_time_is_no_no_show(api, release, settle, database):
    settle(no_show_limit=1)
    who = person()
    for _ in range(3):
        job_id = post(person(100), time_limit_seconds=LONG)
        ok(api.post(who, f"/api/jobs/{job_id}/claim"), 201)
        ok(release(who, job_id))
    ok(api.post(who, f"/api/jobs/{post(person(100))}/claim"), 201)


def test_the_last_one_to_let_go_ends_a_scheduled_cancel(api, release, database):
    sender, who = person(100), person()
    job_id = post(sender)
    claim(who, job_id)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"), 202)
    ok(release(who, job_id))
    assert status(job_id) == "cancelled"
    assert ok(api.get(sender, "/api/wallet/balance"))["balance_cents"] == 100
    assert violations() == []


def test_fifty_releases_against_fifty_claims_never_make_a_sixth_slot(api, release, database):
    job_id, everyone = full_arena()
    others = people(45)
    calls = [lambda who=who: release(who, job_id) for who in everyone]
    calls += [lambda who=who: api.post(who, f"/api/jobs/{job_id}/claim") for who in others]
    answers = at_once(calls)
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    held = sql("SELECT count(*) FROM claims WHERE job_id = :id AND state = 'held'", id=job_id)[0][0]
    assert held == sum(answer.status_code == 201 for answer in answers) <= 5


# One's own entry -------------------------------------------------------------------------------


def test_an_author_reads_their_own_entry_at_any_time(api, database):
    sender, who = person(100), person()
    job_id = post(sender)
    submit(who, job_id, "Rhine")
    path = f"/api/jobs/{job_id}/submissions/mine"
    found = ok(api.get(who, path))["submission"]
    assert (found["text"], found["rank"], found["sealed"]) == ("Rhine", None, False)
    end_window(job_id)
    assert ok(api.get(who, path))["submission"]["text"] == "Rhine"


def test_once_it_is_graded_it_says_how(api, database):
    sender, *workers = person(100), *people(2)
    job_id = decided(sender, *workers)
    for who in workers:
        found = ok(api.get(who, f"/api/jobs/{job_id}/submissions/mine"))["submission"]
        assert found["rank"] in (1, 2)
        assert found["grade"]
        assert found["rationale"]


def test_whoever_has_no_entry_finds_none(api, database):
    sender, idle = person(100), person()
    job_id = post(sender)
    claim(idle, job_id)
    for who in (sender, idle, person()):
        hidden(api.get(who, f"/api/jobs/{job_id}/submissions/mine"))
