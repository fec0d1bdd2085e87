"""POST /api/jobs/<id>/claim: taking a slot, and refreshing the one held."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.support import claim, drive, drop, let_time_pass, people, person, post, submit, unchanged
from tests.web.answers import CLAIM_KEYS, hidden, ok, refused
from tests.web.scenes import LONG, default_agent, end_window, full_arena, second_agent


def test_a_claim_has_exactly_these_fields(api):
    competitor, job_id = person(), post(person(100))
    row = ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)
    assert row.keys() == CLAIM_KEYS
    assert row["job_id"] == str(job_id)
    assert row["user_id"] == str(competitor.id)
    assert row["agent_id"] is None
    assert row["submitted"] is False


def test_a_claim_lasts_five_minutes(api):
    job_id = post(person(100), time_limit_seconds=LONG)
    row = ok(api.post(person(), f"/api/jobs/{job_id}/claim"), 201)
    left = datetime.fromisoformat(row["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=270) < left <= timedelta(seconds=300)


def test_an_operator_may_say_how_long_a_claim_lasts(api, settle):
    settle(claim_ttl_seconds=60)
    job_id = post(person(100), time_limit_seconds=LONG)
    row = ok(api.post(person(), f"/api/jobs/{job_id}/claim"), 201)
    lasts = datetime.fromisoformat(row["expires_at"]) - datetime.fromisoformat(row["created_at"])
    assert timedelta(seconds=59) < lasts < timedelta(seconds=61)


def test_a_claim_never_outlives_the_window(api):
    job_id = post(person(100), time_limit_seconds=60)
    row = ok(api.post(person(), f"/api/jobs/{job_id}/claim"), 201)
    assert row["expires_at"] == ok(api.get(None, "/api/board"))["board"][0]["window_closes_at"]


def test_a_claim_takes_a_slot(api):
    sender = person(100)
    job_id = post(sender)
    for n, who in enumerate(people(3), start=1):
        ok(api.post(who, f"/api/jobs/{job_id}/claim"), 201)
        row = ok(api.get(sender, f"/api/jobs/{job_id}"))
        assert (row["claims_count"], row["submissions_count"]) == (n, 0)


def test_a_second_claim_refreshes_the_first(api):
    sender, competitor = person(100), person()
    job_id = post(sender, time_limit_seconds=LONG)
    first = ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)
    let_time_pass(job_id, 100)
    second = ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)
    assert second["id"] == first["id"]
    assert second["expires_at"] >= first["expires_at"]
    assert ok(api.get(sender, f"/api/jobs/{job_id}"))["claims_count"] == 1


def test_a_full_arena_refuses_newcomers_and_refreshes_its_own(api):
    (job_id, everyone), newcomer = full_arena(), person()
    with unchanged():
        refused(api.post(newcomer, f"/api/jobs/{job_id}/claim"), 409, "arena_full")
    for who in everyone:
        ok(api.post(who, f"/api/jobs/{job_id}/claim"), 201)


def test_an_expired_claim_frees_its_slot_without_a_sweep(api):
    job_id, everyone = full_arena()
    let_time_pass(job_id, 301)
    ok(api.post(person(), f"/api/jobs/{job_id}/claim"), 201)
    ok(api.post(everyone[0], f"/api/jobs/{job_id}/claim"), 201)
    assert ok(api.get(everyone[0], f"/api/jobs/{job_id}"))["claims_count"] == 2


def test_after_submitting_a_claim_answers_as_it_is(api):
    competitor, job_id = person(), post(person(100), time_limit_seconds=LONG)
    first = ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)
    submit(competitor, job_id)
    with unchanged():
        again = ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)
    assert again == {**first, "submitted": True}


def test_an_agent_of_the_caller_may_be_named(api):
    competitor, job_id = person(), post(person(100))
    named = second_agent(competitor)
    for agent_id in (named, default_agent(competitor), named):
        row = ok(api.post(competitor, f"/api/jobs/{job_id}/claim", agentId=agent_id), 201)
        assert row["agent_id"] == agent_id


def test_where_no_agent_is_named_the_default_one_competes_and_none_is_shown(api):
    competitor, job_id = person(), post(person(100))
    for _ in range(2):  # a refresh, too
        row = ok(api.post(competitor, f"/api/jobs/{job_id}/claim", agentId=None), 201)
        assert row["agent_id"] is None
    assert sole_slot(api, job_id)["agent"]["id"] == default_agent(competitor)
    submit(competitor, job_id)
    assert ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)["agent_id"] is None


def test_a_refresh_that_names_no_agent_keeps_the_one_that_competes(api):
    competitor, job_id = person(), post(person(100))
    second = second_agent(competitor)
    rows = [
        ok(api.post(competitor, f"/api/jobs/{job_id}/claim", **named), 201)["agent_id"]
        for named in ({}, {"agentId": second}, {}, {"agentId": default_agent(competitor)})
    ]
    assert rows == [None, second, second, default_agent(competitor)]


def test_an_entry_in_the_name_of_an_agent_names_the_claim(api):
    competitor, job_id = person(), post(person(100))
    ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)
    second = second_agent(competitor)
    ok(api.post(competitor, f"/api/jobs/{job_id}/submit", text="Rhine", agentId=second))
    assert ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)["agent_id"] == second


def sole_slot(api, job_id) -> dict:
    slots = ok(api.get(None, f"/api/board/{job_id}"))["slots"]
    (taken,) = [slot for slot in slots if slot["state"] != "free"]
    return taken


def test_somebody_elses_agent_is_refused(api):
    competitor, job_id = person(), post(person(100))
    foreign = default_agent(person())
    with unchanged():
        for agent_id in (foreign, str(uuid4())):
            answer = api.post(competitor, f"/api/jobs/{job_id}/claim", agentId=agent_id)
            refused(answer, 403, "agent_not_yours")


def test_what_is_no_agent_id_is_refused(api, subtests):
    competitor, job_id = person(), post(person(100))
    with unchanged():
        for agent_id in ("", "me", "0" * 31, 7, True, [], {}, "0190\0"):
            with subtests.test(agent_id=agent_id):
                answer = api.post(competitor, f"/api/jobs/{job_id}/claim", agentId=agent_id)
                assert refused(answer, 400, "invalid_request")["errors"][0]["field"] == "agentId"


def test_the_own_drop_is_refused(api):
    sender = person(100)
    job_id = post(sender)
    with unchanged():
        refused(api.post(sender, f"/api/jobs/{job_id}/claim"), 403, "own_drop")


def test_unknown_and_unpaid_drops_are_hidden(api):
    sender, competitor = person(), person()
    pending, withdrawn = post(sender), post(sender)
    ok(api.post(sender, f"/api/jobs/{withdrawn}/cancel"))
    with unchanged():
        for job_id in (uuid4(), pending, withdrawn):
            hidden(api.post(competitor, f"/api/jobs/{job_id}/claim"))


def test_a_drop_that_is_over_is_not_open(api):
    sender, worker, late = person(400), person(), person()
    cancelled, failed, ranking, verified = (post(sender) for _ in range(4))
    ok(api.post(sender, f"/api/jobs/{cancelled}/cancel"))
    end_window(failed)
    for job_id in (ranking, verified):
        submit(worker, job_id)
        end_window(job_id)
    drive(verified)
    with unchanged():
        for job_id in (cancelled, failed, ranking, verified):
            refused(api.post(late, f"/api/jobs/{job_id}/claim"), 409, "drop_not_open")


def test_the_window_closes_by_the_clock_not_by_the_sweep(api):
    competitor, job_id = person(), post(person(100))
    let_time_pass(job_id, 300)
    with unchanged():
        refused(api.post(competitor, f"/api/jobs/{job_id}/claim"), 409, "window_closed")
    assert drop(job_id).status == "open"


def test_a_scheduled_cancel_refuses_new_claims_and_refreshes(api):
    sender, (holder, submitter, newcomer) = person(100), people(3)
    job_id = post(sender)
    claim(holder, job_id)
    submit(submitter, job_id)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"), 202)
    with unchanged():
        for who in (newcomer, holder):
            refused(api.post(who, f"/api/jobs/{job_id}/claim"), 409, "cancellation_requested")
        assert ok(api.post(submitter, f"/api/jobs/{job_id}/claim"), 201)["submitted"] is True


def test_three_idle_claims_are_enough(api):
    sender, competitor = person(1000), person()
    first, second, third, fourth = (post(sender) for _ in range(4))
    for job_id in (first, second, third):
        claim(competitor, job_id)
    with unchanged():
        answer = api.post(competitor, f"/api/jobs/{fourth}/claim")
        assert refused(answer, 429, "too_many_open_claims")["retry_after"] <= 300
    ok(api.post(competitor, f"/api/jobs/{first}/claim"), 201)
    submit(competitor, second)
    ok(api.post(competitor, f"/api/jobs/{fourth}/claim"), 201)


def no_shows(who, count):
    for _ in range(count):
        job_id = post(person(100), time_limit_seconds=LONG)
        claim(who, job_id)
        let_time_pass(job_id, 301)


def test_three_no_shows_bring_a_pause(api):
    competitor, job_id = person(), post(person(100))
    no_shows(competitor, 3)
    with unchanged():
        answer = api.post(competitor, f"/api/jobs/{job_id}/claim")
        assert 590 <= refused(answer, 429, "claim_cooldown")["retry_after"] <= 600


def test_two_no_shows_are_forgiven(api):
    competitor, job_id = person(), post(person(100))
    no_shows(competitor, 2)
    ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)


def test_the_pause_ends_after_ten_minutes(api):
    competitor, job_id = person(), post(person(100))
    for _ in range(3):
        missed = post(person(100), time_limit_seconds=LONG)
        claim(competitor, missed)
        let_time_pass(missed, 300 + 601)
    ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)


def test_the_pause_can_be_switched_off(api, settle):
    settle(no_show_limit=0)
    competitor, job_id = person(), post(person(100))
    no_shows(competitor, 4)
    ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_no_body_counts_as_an_empty_one(api, content_type):
    job_id = post(person(100))
    ok(api.send(person(), f"/api/jobs/{job_id}/claim", b"", content_type), 201)


def test_a_sender_who_calls_off_makes_no_no_shows(api, settle, database):
    settle(no_show_limit=1)
    sender, who = person(200), person()
    job_id = post(sender, time_limit_seconds=LONG)
    claim(who, job_id)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"), 202)
    let_time_pass(job_id, 301)
    ok(api.post(who, f"/api/jobs/{post(sender)}/claim"), 201)
