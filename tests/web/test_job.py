"""GET /api/jobs/<id>: who sees a drop, and what of it before and after the verdict."""

from uuid import uuid4

import pytest

from tests.support import claim, drive, drop, let_time_pass, people, person, post, submit, unchanged
from tests.web.answers import JOB_KEYS, hidden, ok, refused
from tests.web.scenes import LONG, completed, decided, end_window


def job(api, who, job_id):
    return api.get(who, f"/api/jobs/{job_id}")


def test_sender_claimant_and_submitter_see_the_whole_row(api):
    sender, claimant, submitter = person(100), *people(2)
    job_id = post(sender)
    claim(claimant, job_id)
    submit(submitter, job_id)
    rows = [ok(job(api, who, job_id)) for who in (sender, claimant, submitter)]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0].keys() == JOB_KEYS | {"envVars"}
    assert (rows[0]["claims_count"], rows[0]["submissions_count"]) == (2, 1)


def test_others_see_what_they_see_of_a_missing_one(api):
    sender, stranger = person(100), person()
    job_id = post(sender)
    hidden(job(api, stranger, job_id))
    hidden(job(api, stranger, uuid4()))
    hidden(job(api, stranger, "no-id-at-all"))
    hidden(job(api, stranger, 2**128))


def test_an_expired_claim_shows_nothing_any_more(api):
    competitor, job_id = person(), post(person(100), time_limit_seconds=LONG)
    claim(competitor, job_id)
    ok(job(api, competitor, job_id))
    let_time_pass(job_id, 301)
    hidden(job(api, competitor, job_id))


def test_an_expired_claim_uses_no_slot(api):
    sender = person(100)
    job_id = post(sender, time_limit_seconds=LONG)
    claim(person(), job_id)
    let_time_pass(job_id, 301)
    assert ok(job(api, sender, job_id))["claims_count"] == 0


def test_submitters_go_on_seeing_it_and_claimants_do_not(api):
    sender, submitter, idler = person(100), *people(2)
    job_id = post(sender)
    claim(idler, job_id)
    submit(submitter, job_id)
    end_window(job_id)
    assert ok(job(api, submitter, job_id)).keys() == JOB_KEYS
    hidden(job(api, idler, job_id))
    drive(job_id)
    assert ok(job(api, submitter, job_id))["status"] == "verified"


def test_reading_changes_nothing(api):
    sender = person(100)
    job_id = post(sender, time_limit_seconds=LONG)
    claim(person(), job_id)
    let_time_pass(job_id)
    with unchanged():
        ok(job(api, sender, job_id))


@pytest.mark.parametrize("wanted", ["open", "ranking"])
def test_no_output_shows_before_the_verdict(api, wanted):
    sender, worker = person(100), person()
    job_id = post(sender)
    submit(worker, job_id, "A secret answer.")
    if wanted == "ranking":
        end_window(job_id)
    for who in (sender, worker):
        row = ok(job(api, who, job_id))
        assert row["status"] == wanted
        verdict = ("output_text", "output_attachments", "winning_submission_id", "grade", "grade_rationale")
        assert {row[key] for key in verdict} == {None}


def test_the_verdict_shows_the_winner_to_all_who_took_part(api):
    sender, workers = person(100), people(3)
    job_id = decided(sender, *workers)
    best = ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"][0]
    for who in (sender, *workers):
        row = ok(job(api, who, job_id))
        assert row["status"] == "verified"
        assert row["winning_submission_id"] == best["id"]
        assert (row["output_text"], row["output_attachments"]) == (best["output_text"], [])
        assert (row["grade"], row["grade_rationale"]) == (best["grade"], best["rationale"])
        assert row["failure_reason"] is None


def test_a_drop_without_an_entry_says_why_it_failed(api):
    sender = person(100)
    job_id = post(sender)
    end_window(job_id)
    row = ok(job(api, sender, job_id))
    assert (row["status"], row["failure_reason"]) == ("failed", "no_submissions")


def test_a_drop_below_its_minimum_says_so_and_shows_nothing(api):
    sender, worker = person(100), person()
    job_id = post(sender, min_grade="S")
    submit(worker, job_id, "x")
    end_window(job_id)
    assert drive(job_id) == "failed"
    for who in (sender, worker):
        row = ok(job(api, who, job_id))
        assert (row["status"], row["failure_reason"], row["min_grade"]) == ("failed", "below_min_grade", "S")
        assert (row["output_text"], row["winning_submission_id"]) == (None, None)
    assert drop(job_id).winning_submission_id is None


def test_a_verdict_stands_before_the_payout(api):
    sender, worker, stranger = person(100), *people(2)
    job_id = completed(sender, worker)
    for who in (sender, worker):
        row = ok(job(api, who, job_id))
        assert (row["status"], row["output_text"]) == ("completed", f"The answer of {worker.name}.")
    (entry,) = ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"]
    assert (entry["sealed"], entry["output_text"]) == (False, row["output_text"])
    assert ok(api.get(None, "/api/feed"))["feed"][0]["status"] == "completed"
    assert ok(api.get(worker, "/api/users/status"))[0]["payout_cents"] is None
    with unchanged():
        refused(api.post(sender, f"/api/jobs/{job_id}/cancel"), 400, "not_cancellable")
        refused(api.post(sender, f"/api/jobs/{job_id}/pay"), 409, "drop_ended")
        refused(api.post(stranger, f"/api/jobs/{job_id}/claim"), 409, "drop_not_open")
        refused(api.post(stranger, f"/api/jobs/{job_id}/submit", text="late"), 409, "window_closed")
