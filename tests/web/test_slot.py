"""Giving a slot back, and reading one's own entry."""

from uuid import uuid4

import pytest

from tests.models.stages import sql
from tests.support import (
    Person,
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
    assert ok(release(everyone[0], job_id)) == {"released": True, "no_show": False}
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


def release_late(api, release, who: Person, seconds: float) -> bool:
    """Claim a slot of a new drop for 300 s and release it after so many; whether that is a no-show."""
    job_id = post(person(100), time_limit_seconds=LONG)
    ok(api.post(who, f"/api/jobs/{job_id}/claim"), 201)
    let_time_pass(job_id, seconds)
    return ok(release(who, job_id))["no_show"]


@pytest.mark.parametrize(("seconds", "late"), [(0, False), (140, False), (151, True), (290, True)])
def test_within_half_of_the_claims_time_a_slot_may_be_released(api, release, database, seconds, late):
    assert release_late(api, release, person(), seconds) is late


def test_slots_that_are_held_to_the_last_second_are_no_shows(api, release, settle, database):
    """Five accounts that claim all slots and release them just before the end keep everybody else out."""
    settle(no_show_limit=3)
    who = person()
    for _ in range(3):
        assert release_late(api, release, who, 298)
    job_id = post(person(100), time_limit_seconds=LONG)
    with unchanged():
        problem = refused(api.post(who, f"/api/jobs/{job_id}/claim"), 429, "claim_cooldown")
    assert 590 <= problem["retry_after"] <= 600
    age_releases(who, 601)
    ok(api.post(who, f"/api/jobs/{job_id}/claim"), 201)


def test_late_releases_and_claims_that_ran_out_count_together(api, release, settle, database):
    settle(no_show_limit=2)
    who, job_id = person(), post(person(100), time_limit_seconds=LONG)
    claim(who, job_id)
    let_time_pass(job_id, 301)
    ok(api.post(who, f"/api/jobs/{post(person(100))}/claim"), 201)
    assert release_late(api, release, who, 200)
    refused(api.post(who, f"/api/jobs/{post(person(100))}/claim"), 429, "claim_cooldown")


def test_refreshing_does_not_begin_the_time_anew(api, release, database):
    job_id, who = post(person(100), time_limit_seconds=LONG), person()
    path = f"/api/jobs/{job_id}/claim"
    for seconds in (100, 100, 100):
        ok(api.post(who, path), 201)
        let_time_pass(job_id, seconds)
    ok(api.post(who, path), 201)
    assert ok(release(who, job_id))["no_show"] is True


def test_releasing_and_claiming_in_turn_does_not_begin_it_anew_either(api, release, database):
    job_id, who = post(person(100), time_limit_seconds=LONG), person()
    path = f"/api/jobs/{job_id}/claim"
    ok(api.post(who, path), 201)
    let_time_pass(job_id, 140)
    assert ok(release(who, job_id))["no_show"] is False
    ok(api.post(who, path), 201)
    let_time_pass(job_id, 20)
    assert ok(release(who, job_id))["no_show"] is True


def test_a_short_window_halves_the_time_too(api, release, settle, database):
    settle(no_show_limit=1)
    who, job_id = person(), post(person(100), time_limit_seconds=30)
    claim(who, job_id)
    let_time_pass(job_id, 16)
    assert ok(release(who, job_id))["no_show"] is True
    refused(api.post(who, f"/api/jobs/{post(person(100))}/claim"), 429, "claim_cooldown")


def test_under_a_scheduled_cancel_no_entry_is_expected(api, release, settle, database):
    settle(no_show_limit=1)
    sender, who, other = person(100), person(), person()
    job_id = post(sender)
    claim(who, job_id)
    claim(other, job_id)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"), 202)
    let_time_pass(job_id, 200)
    assert ok(release(who, job_id))["no_show"] is False
    ok(api.post(who, f"/api/jobs/{post(person(100))}/claim"), 201)


def test_without_a_limit_there_is_no_pause(api, release, settle, database):
    settle(no_show_limit=0)
    who = person()
    for _ in range(4):
        release_late(api, release, who, 200)
    ok(api.post(who, f"/api/jobs/{post(person(100))}/claim"), 201)


def age_releases(who: Person, seconds: int) -> None:
    sql("ALTER TABLE claims DISABLE TRIGGER claims_guard")
    sql(
        "UPDATE claims SET released_at = released_at - :age * interval '1 second' WHERE user_id = :id",
        age=seconds,
        id=who.id,
    )
    sql("ALTER TABLE claims ENABLE TRIGGER claims_guard")


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
    assert (found["output_text"], found["rank"], found["sealed"]) == ("Rhine", None, False)
    end_window(job_id)
    assert ok(api.get(who, path))["submission"]["output_text"] == "Rhine"


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
