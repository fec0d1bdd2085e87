"""How a drop was decided, for those who may see it."""

import hashlib

import pytest

from models import db, dealing
from models.panel import STAGES
from models.schema import Drop
from tests.scripted import COST, models
from tests.support import close, drive, let_time_pass, people, person, post, submit
from tests.web.answers import hidden, ok, refused
from tests.web.scenes import decided, end_window
from workers import tasks


def receipt(api, who, job_id):
    return api.get(who, f"/api/jobs/{job_id}/receipt")


def test_it_has_every_ballot_and_the_hashes_of_what_was_read(api, database):
    sender, workers = person(100), people(3)
    job_id = decided(sender, *workers)
    found = ok(receipt(api, sender, job_id))
    entries = ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"]
    assert [entry["submission_id"] for entry in found["entries"]] == [entry["id"] for entry in entries]
    assert [entry["sha256"] for entry in found["entries"]] == [
        hashlib.sha256(entry["output_text"].encode()).hexdigest() for entry in entries
    ]
    assert {entry["agent_name"] for entry in found["entries"]} == {who.name for who in workers}
    assert [entry["agent_id"] for entry in found["entries"]] == [entry["agent_id"] for entry in entries]
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


SEALED = ("call_id", "input_sha256", "prompt_sha256", "raw")


def secret_of(job_id):
    with db.transaction() as session:
        return session.get_one(Drop, job_id).deal_secret


def test_the_secret_of_the_deal_is_told_to_who_may_read_everything_and_only_here(api, database):
    sender, workers = person(100), people(3)
    job_id = decided(sender, *workers)
    secret = secret_of(job_id)
    assert len(secret) == 32
    assert ok(receipt(api, sender, job_id))["deal_secret"] == secret
    for who in workers:
        shown = receipt(api, who, job_id)
        assert ok(shown)["deal_secret"] is None
        assert secret not in shown.text
    for who in (sender, *workers):
        pages = [f"/api/jobs/{job_id}", "/api/jobs", "/api/feed", f"/api/jobs/{job_id}/submissions"]
        assert not [page for page in pages if secret in api.get(who, page).text]


def test_labels_tell_nobody_whether_a_guess_of_a_sealed_entry_is_right(api, database):
    sender, (one, rival, other) = person(100), people(3)
    job_id = post(sender)
    texts = {who: f"{place}. Rhine" for place, who in enumerate((one, rival, other))}
    order = [(submit(who, job_id, text).id, text) for who, text in texts.items()]
    end_window(job_id)
    assert drive(job_id) == "verified"
    ballots = ok(receipt(api, one, job_id))["ballots"]
    guessed = [dealing.deal(dealing.seed(str(job_id), order), k, "", "wild", order)[1] for k in range(3)]
    assert [list(labels) for labels in guessed] != [[v["label"] for v in b["votes"]] for b in ballots]


def judged(sender, *workers):
    """A drop driven to its end, whatever rounds that takes."""
    job_id = post(sender)
    for who in workers:
        submit(who, job_id, f"The answer of {who.name}.")
    end_window(job_id)
    assert any(drive(job_id) == "verified" for _ in STAGES)
    return job_id


def test_it_says_who_came_when(api, database):
    sender, workers = person(100), people(3)
    found = ok(receipt(api, sender, decided(sender, *workers)))
    came = sorted(found["entries"], key=lambda entry: entry["arrival"])
    assert [entry["arrival"] for entry in came] == [1, 2, 3]
    assert [entry["revised_at"] for entry in came] == sorted(entry["revised_at"] for entry in came)


def test_where_no_model_is_asked_nothing_was_paid_and_nobody_stood_in(api, database):
    sender = person(100)
    found = ok(receipt(api, sender, decided(sender, *people(2))))
    assert (found["judges"], found["models"], found["stage"]) == (["local/2"], [], "first")
    assert (found["contested"], found["fallbacks"], found["calls"]) == (False, [], [])
    assert set(found["totals"].values()) == {0}
    for ballot in found["ballots"]:
        assert (ballot["model"], ballot["call_id"], ballot["raw"], ballot["tries"]) == (None, None, None, 0)


def test_a_ballot_that_was_never_cast_is_missed(api, database):
    sender = person(100)
    job_id = post(sender)
    for who in people(3):
        submit(who, job_id, f"The answer of {who.name}.")
    end_window(job_id)
    for k in (0, 2):
        tasks.ballot(str(job_id), k)
    tasks.rank(str(job_id))
    found = ok(receipt(api, sender, job_id))
    assert found["fallbacks"] == ["1 ballot was never cast: no model was asked for it."]


def test_a_model_s_ballots_come_with_all_that_was_said_and_what_it_cost(api, database, monkeypatch):
    sender = person(100)
    with models(monkeypatch, "agrees"):
        job_id = judged(sender, *people(3))
    found = ok(receipt(api, sender, job_id))
    assert (found["judges"], found["models"], found["fallbacks"]) == (["llm/1"], ["agrees"], [])
    for ballot in found["ballots"]:
        assert ballot["model"] == "agrees"
        assert '"ranking"' in ballot["raw"]
        assert all(ballot[field] for field in SEALED)
        assert (ballot["input_tokens"], ballot["output_tokens"], ballot["tries"]) == (1000, 100, 1)
        assert ballot["cost_microcents"] == COST
    assert found["totals"] == {
        "calls": 3,
        "charged_calls": 3,
        "input_tokens": 3000,
        "output_tokens": 300,
        "cost_microcents": 3 * COST,
    }


def test_what_speaks_of_all_entries_is_for_who_may_read_all_of_them(api, database, monkeypatch):
    sender, workers = person(100), people(3)
    with models(monkeypatch, "agrees"):
        job_id = judged(sender, *workers)
    costs = ok(receipt(api, sender, job_id))["totals"]
    for who in workers:
        found = ok(receipt(api, who, job_id))
        assert {ballot[field] for ballot in found["ballots"] for field in SEALED} == {None}
        assert (found["ballots"][0]["model"], found["totals"]) == ("agrees", costs)


def test_between_two_the_loser_has_read_everything(api, database, monkeypatch):
    sender, workers = person(100), people(2)
    with models(monkeypatch, "agrees"):
        job_id = judged(sender, *workers)
    winner = str(ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"][0]["user_id"])
    for who in workers:
        ballots = ok(receipt(api, who, job_id))["ballots"]
        assert all(all(ballot[field] for field in SEALED) for ballot in ballots) is (str(who.id) != winner)


@pytest.mark.parametrize(
    ("model", "outcome"), [("babbles", "invalid"), ("breaks", "failed"), ("declines", "refused")]
)
def test_calls_that_brought_nothing_are_told_and_who_stood_in(api, database, monkeypatch, model, outcome):
    sender, workers = person(100), people(2)
    with models(monkeypatch, model):
        job_id = judged(sender, *workers)
    found = ok(receipt(api, sender, job_id))
    assert (found["stage"], found["judges"], found["models"]) == ("local", ["local/2"], [model])
    assert {call["outcome"] for call in found["calls"]} == {outcome}
    assert all(call["trouble"] for call in found["calls"])
    calls = found["totals"]["calls"]
    assert calls == len(found["calls"])
    assert found["fallbacks"] == [
        f"2 ballots were cast by the local judge: of the calls for them {calls} ended as {outcome}."
    ]
    assert (found["totals"]["charged_calls"] == 0) is (outcome == "failed")


def test_a_model_s_words_of_others_entries_are_sealed(api, database, monkeypatch):
    sender, workers = person(100), people(3)
    with models(monkeypatch, "declines"):
        job_id = judged(sender, *workers)
    last = str(ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"][2]["user_id"])
    loser = next(who for who in workers if str(who.id) == last)
    assert {call["trouble"] for call in ok(receipt(api, loser, job_id))["calls"]} == {None}
    assert "I will not judge" in receipt(api, sender, job_id).text


def test_a_second_model_that_stood_in_is_named(api, database, monkeypatch):
    sender = person(100)
    with models(monkeypatch, "breaks", "agrees"):
        job_id = judged(sender, *people(2))
    found = ok(receipt(api, sender, job_id))
    assert (found["stage"], found["models"]) == ("second", ["breaks", "agrees"])
    assert found["fallbacks"] == [
        "2 ballots were cast by the second model: of the calls for them 6 ended as failed."
    ]
    assert [ballot["tries"] for ballot in found["ballots"]] == [4, 4]


def test_a_contested_winner_had_a_second_round(api, database, monkeypatch):
    sender = person(100)
    with models(monkeypatch, "wavers", "agrees"):
        job_id = judged(sender, *people(3))
    found = ok(receipt(api, sender, job_id))
    assert (found["stage"], found["contested"], found["fallbacks"]) == ("contested", True, [])
    assert [ballot["model"] for ballot in found["ballots"]] == ["wavers"] * 3 + ["agrees"] * 3
    assert found["agreement"] == pytest.approx(4 / 6)
