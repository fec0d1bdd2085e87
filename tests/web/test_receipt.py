"""How a drop was decided, for those who may see it."""

import hashlib

from tests.support import close, drive, let_time_pass, people, person, post, submit
from tests.web.answers import hidden, ok, refused
from tests.web.scenes import decided


def receipt(api, who, job_id):
    return api.get(who, f"/api/jobs/{job_id}/receipt")


def test_it_has_every_ballot_and_the_hashes_of_what_was_read(api, database):
    sender, workers = person(100), people(3)
    job_id = decided(sender, *workers)
    found = ok(receipt(api, sender, job_id))
    entries = ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"]
    assert [entry["submission_id"] for entry in found["entries"]] == [entry["id"] for entry in entries]
    assert [entry["sha256"] for entry in found["entries"]] == [
        hashlib.sha256(entry["text"].encode()).hexdigest() for entry in entries
    ]
    assert found["prompt_sha256"] == hashlib.sha256(b"Name three rivers.").hexdigest()
    assert [ballot["k"] for ballot in found["ballots"]] == [0, 1, 2]
    for ballot in found["ballots"]:
        assert {vote["submission_id"] for vote in ballot["votes"]} == {entry["id"] for entry in entries}
        assert len({vote["label"] for vote in ballot["votes"]}) == 3
    first_read = {ballot["votes"][0]["submission_id"] for ballot in found["ballots"]}
    assert len(first_read) == 3, "every entry stands once in every place"
    assert 0 < found["agreement"] <= 1


def test_a_competitor_reads_their_own_rationale_and_the_winners(api, database):
    sender, workers = person(100), people(3)
    job_id = decided(sender, *workers)
    entries = ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"]
    last = next(who for who in workers if str(who.id) == entries[2]["user_id"])
    for who, told in ((sender, {0, 1, 2}), (last, {0, 2})):
        found = ok(receipt(api, who, job_id))
        assert {n for n, entry in enumerate(found["entries"]) if entry["rationale"]} == told
        assert {n for n, entry in enumerate(found["entries"]) if entry["sha256"]} == told
        shown = {entries[n]["id"] for n in told}
        for ballot in found["ballots"]:
            assert {vote["submission_id"] for vote in ballot["votes"] if vote["rationale"]} == shown


def test_who_did_not_pay_reads_grades_and_no_reasons(api, database):
    sender, worker = person(100), person()
    job_id = post(sender, min_grade="S")
    submit(worker, job_id, "no")
    let_time_pass(job_id, 400)
    close(job_id)
    assert drive(job_id) == "failed"
    (entry,) = ok(receipt(api, sender, job_id))["entries"]
    assert (entry["grade"], entry["rationale"], entry["sha256"]) == ("F", None, None)
    assert ok(receipt(api, sender, job_id))["ballots"][0]["input_sha256"] is None
    assert ok(receipt(api, worker, job_id))["entries"][0]["rationale"]


def test_without_a_verdict_there_is_none(api, database):
    sender = person(200)
    refused(receipt(api, sender, post(sender)), 409, "not_decided")
    job_id = post(sender)
    let_time_pass(job_id, 400)
    close(job_id)
    refused(receipt(api, sender, job_id), 409, "not_decided")


def test_strangers_see_nothing(api, database):
    job_id = decided(person(100), person())
    hidden(receipt(api, person(), job_id))
