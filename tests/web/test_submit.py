"""POST /api/jobs/<id>/submit: handing in an entry, and replacing it while the window is open."""

from uuid import uuid4

import pytest

from tests import payloads
from tests.support import (
    claim,
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
from tests.web.answers import JOB_KEYS, SUBMISSION_KEYS, hidden, ok, refused
from tests.web.scenes import LONG, default_agent, end_window, full_arena, second_agent


def hand_in(api, who, job_id, text="Rhine, Nile, Amazon.", **fields):
    return api.post(who, f"/api/jobs/{job_id}/submit", text=text, **fields)


def test_an_entry_comes_back_whole(api):
    competitor, job_id = person(), post(person(100))
    claim(competitor, job_id)
    answer = ok(hand_in(api, competitor, job_id))
    assert answer.keys() == {"submission"}
    row = answer["submission"]
    assert row.keys() == SUBMISSION_KEYS
    told = {
        "job_id": str(job_id),
        "user_id": str(competitor.id),
        "agent_id": default_agent(competitor),
        "agent_name": competitor.name,
        "output_text": "Rhine, Nile, Amazon.",
        "output_attachments": [],
        "revision": 1,
        "rank": None,
        "grade": None,
        "rationale": None,
        "sealed": False,
    }
    assert {key: row[key] for key in told} == told
    assert row["created_at"] == row["revised_at"]


def test_an_entry_uses_the_slot_of_its_claim(api):
    sender, competitor = person(100), person()
    job_id = post(sender)
    claim(competitor, job_id)
    ok(hand_in(api, competitor, job_id))
    row = ok(api.get(sender, f"/api/jobs/{job_id}"))
    assert (row["claims_count"], row["submissions_count"]) == (1, 1)


def test_without_a_claim_an_entry_takes_a_slot(api):
    sender, competitor = person(100), person()
    job_id = post(sender)
    ok(hand_in(api, competitor, job_id))
    row = ok(api.get(sender, f"/api/jobs/{job_id}"))
    assert (row["claims_count"], row["submissions_count"]) == (1, 1)


def test_without_a_claim_a_full_arena_takes_no_entry(api):
    (job_id, _), late = full_arena(), person()
    with unchanged():
        refused(hand_in(api, late, job_id), 409, "arena_full")


def test_an_expired_claim_still_submits_while_a_slot_is_free(api):
    competitor, job_id = person(), post(person(100), time_limit_seconds=LONG)
    claim(competitor, job_id)
    let_time_pass(job_id, 301)
    assert ok(hand_in(api, competitor, job_id))["submission"]["revision"] == 1


def test_an_expired_claim_whose_slot_went_to_another_does_not(api):
    (job_id, everyone), others = full_arena(), people(5)
    let_time_pass(job_id, 301)
    for who in others:
        claim(who, job_id)
    with unchanged():
        refused(hand_in(api, everyone[0], job_id), 409, "arena_full")


def test_the_agent_is_the_claims_unless_the_entry_names_one(api):
    competitor = person()
    second = second_agent(competitor)
    claimed, unclaimed, overruled = (post(person(100)) for _ in range(3))
    ok(api.post(competitor, f"/api/jobs/{claimed}/claim", agentId=second), 201)
    assert ok(hand_in(api, competitor, claimed))["submission"]["agent_id"] == second
    assert ok(hand_in(api, competitor, unclaimed, agentId=second))["submission"]["agent_id"] == second
    claim(competitor, overruled)
    assert ok(hand_in(api, competitor, overruled, agentId=second))["submission"]["agent_id"] == second


def test_somebody_elses_agent_is_refused(api):
    competitor, job_id = person(), post(person(100))
    foreign = default_agent(person())
    with unchanged():
        refused(hand_in(api, competitor, job_id, agentId=foreign), 403, "agent_not_yours")
        refused(hand_in(api, competitor, job_id, agentId="me"), 400, "invalid_request")


def test_a_revision_competes_as_the_same_agent(api):
    competitor, job_id = person(), post(person(100))
    second = second_agent(competitor)
    entry = ok(hand_in(api, competitor, job_id, "first", agentId=second))["submission"]
    let_time_pass(job_id, 10)
    with unchanged():
        for text in ("first", "second"):
            answer = hand_in(api, competitor, job_id, text, agentId=default_agent(competitor))
            assert refused(answer, 409, "other_agent")["agent_id"] == str(second) == entry["agent_id"]
    assert ok(hand_in(api, competitor, job_id, "second", agentId=second))["submission"]["revision"] == 2


def test_the_last_revision_counts(api):
    competitor, job_id = person(), post(person(100))
    first = ok(hand_in(api, competitor, job_id, "first"))["submission"]
    for revision, text in ((2, "second"), (3, "third")):
        let_time_pass(job_id, 10)
        row = ok(hand_in(api, competitor, job_id, text))["submission"]
        assert (row["id"], row["output_text"], row["revision"]) == (first["id"], text, revision)
    assert row["revised_at"] > row["created_at"]


def test_the_same_content_again_changes_nothing(api):
    competitor, job_id = person(), post(person(100))
    first = ok(hand_in(api, competitor, job_id, "same"))
    with unchanged():
        assert ok(hand_in(api, competitor, job_id, "same")) == first


def test_revisions_have_to_wait(api):
    competitor, job_id = person(), post(person(100))
    ok(hand_in(api, competitor, job_id, "first"))
    with unchanged():
        answer = hand_in(api, competitor, job_id, "second")
        assert refused(answer, 429, "revision_cooldown")["retry_after"] <= 10


def test_the_wait_is_a_setting(api, settle):
    settle(revision_cooldown_seconds=0)
    competitor, job_id = person(), post(person(100))
    ok(hand_in(api, competitor, job_id, "first"))
    assert ok(hand_in(api, competitor, job_id, "second"))["submission"]["revision"] == 2


def test_a_first_entry_never_waits(api):
    competitor = person()
    for _ in range(3):
        ok(hand_in(api, competitor, post(person(100))))


def test_the_last_entry_of_a_full_set_closes_the_window(api):
    job_id, (*others, last) = full_arena()
    for who in others:
        assert "ranking" not in ok(hand_in(api, who, job_id))
    answer = ok(hand_in(api, last, job_id))
    assert answer.keys() == {"submission", "ranking"}
    assert answer["ranking"].keys() == {"status", "job"}
    assert answer["ranking"]["status"] == "ranking"
    row = answer["ranking"]["job"]
    assert row.keys() == JOB_KEYS
    assert (row["id"], row["status"], row["submissions_count"]) == (str(job_id), "ranking", 5)
    assert (status(job_id), violations()) == ("ranking", [])


def test_the_size_of_a_full_set_is_a_setting(api, settle):
    settle(max_claims=1)
    assert "ranking" in ok(hand_in(api, person(), post(person(100))))


def test_after_the_window_it_is_too_late(api):
    first, late, job_id = person(), person(), post(person(100))
    ok(hand_in(api, first, job_id))
    claim(late, job_id)
    let_time_pass(job_id, 300)
    with unchanged():
        for who in (first, late):
            refused(hand_in(api, who, job_id, "late"), 409, "window_closed")


def test_what_is_over_takes_no_entry(api):
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
            refused(hand_in(api, late, job_id), 409, "window_closed")
        refused(hand_in(api, worker, ranking, "better"), 409, "window_closed")


def test_the_own_drop_is_refused(api):
    sender = person(100)
    job_id = post(sender)
    with unchanged():
        refused(hand_in(api, sender, job_id), 403, "own_drop")


def test_unknown_and_unpaid_drops_are_hidden(api):
    sender, competitor = person(), person()
    pending, withdrawn = post(sender), post(sender)
    ok(api.post(sender, f"/api/jobs/{withdrawn}/cancel"))
    with unchanged():
        for job_id in (uuid4(), pending, withdrawn):
            hidden(hand_in(api, competitor, job_id))


def test_an_entry_of_nothing_is_refused(api, subtests):
    competitor, job_id = person(), post(person(100))
    with unchanged():
        for body in (
            {},
            {"text": ""},
            {"text": " \n\t\u2003"},
            {"files": []},
            {"text": " ", "attachments": []},
        ):
            with subtests.test(body=body):
                answer = api.post(competitor, f"/api/jobs/{job_id}/submit", **body)
                assert refused(answer, 400, "invalid_request")["errors"][0]["field"] == "text"


@pytest.mark.parametrize("script", payloads.SCRIPTS)
def test_a_hundred_thousand_characters_fit(api, script):
    competitor, job_id, whole = person(), post(person(100)), payloads.text(100_000, script)
    with unchanged():
        refused(hand_in(api, competitor, job_id, payloads.text(100_001, script)), 400, "invalid_request")
    assert ok(hand_in(api, competitor, job_id, whole))["submission"]["output_text"] == whole


def test_a_file_has_to_be_an_upload_of_the_caller(api, subtests):
    competitor, job_id = person(), post(person(100))
    with unchanged():
        for field in ("files", "attachments"):
            for words in ({}, {"text": "with words"}):
                with subtests.test(field, words=words):
                    body = {**words, field: ["nobody-knows"]}
                    answer = api.post(competitor, f"/api/jobs/{job_id}/submit", **body)
                    refused(answer, 400, "unknown_file")


def test_more_than_five_files_are_refused(api):
    competitor, job_id = person(), post(person(100))
    with unchanged():
        for field in ("files", "attachments"):
            refused(hand_in(api, competitor, job_id, **{field: ["key"] * 6}), 400, "invalid_request")


def test_under_a_scheduled_cancel_only_claimants_submit(api):
    sender, holder, other, stranger = person(100), person(), person(), person()
    job_id = post(sender)
    claim(holder, job_id)
    claim(other, job_id)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"), 202)
    with unchanged():
        refused(hand_in(api, stranger, job_id), 409, "cancellation_requested")
    assert "ranking" not in ok(hand_in(api, holder, job_id))
    let_time_pass(job_id, 10)
    assert ok(hand_in(api, holder, job_id, "better"))["submission"]["revision"] == 2
    assert ok(hand_in(api, other, job_id))["ranking"]["status"] == "ranking"
    assert violations() == []
