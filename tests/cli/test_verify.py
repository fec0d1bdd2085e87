"""`clorp verify`: a receipt worked out anew, and what becomes of one that somebody changed."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from models import files as store
from models import uploads
from tests.payloads import png
from tests.scripted import models
from tests.support import Person, bring, drive, let_time_pass, people, person, post, submit
from tests.web.scenes import decided, end_window
from web.client import Client

pytestmark = pytest.mark.usefixtures("database")

Change = Callable[[dict[str, Any]], None]


def judged(sender: Person, *workers: Person, **draft: Any):
    job_id = post(sender, **draft)
    for number, who in enumerate(workers):
        submit(who, job_id, f"{number}. Rhine, Danube and {who.name}.")
    end_window(job_id)
    for _ in range(4):
        drive(job_id)
    return job_id


def told(result) -> dict[str, Any]:
    """The document of a verification, and whether its exit code is right."""
    document = json.loads(result.stdout)
    assert result.exit_code == (0 if document["sound"] else 1), result.output
    return document


def unknown(document: dict[str, Any]) -> set[str]:
    return {finding["why"] for finding in document["findings"] if finding["result"] == "unknown"}


def test_the_sender_sees_all_of_a_local_verdict_come_out_again(by):
    sender = person(100)
    job_id = decided(sender, *people(4))
    document = told(by(sender, "verify", job_id, "--json"))
    assert (document["sound"], document["differs"], document["unknown"]) == (True, 0, 0)
    checked = {(finding["about"], finding["what"]) for finding in document["findings"]}
    assert {("ballot 3", "order"), ("ballot 3", "labels"), ("ballot 3", "input")} <= checked
    assert {("ballot 3", "votes"), ("entry 1", "score"), ("drop", "winner"), ("prompt", "hash")} <= checked


def test_texts_are_hashed_as_they_were_sent_and_judged_in_nfc(by):
    """The receipt comes out again for the sender and for a competitor, who sees less."""
    sender, competitors = person(100), people(2)
    job_id = post(sender, unicodedata.normalize("NFD", "Name three cafés in Zürich."))
    for who, form in zip(competitors, ("NFD", "NFC"), strict=True):
        submit(who, job_id, "\ufeff" + unicodedata.normalize(form, "1. Café Odéon\n2. Café Noir\n3. Café Ü"))
    end_window(job_id)
    assert drive(job_id) == "verified"
    document = told(by(sender, "verify", job_id, "--json"))
    assert (document["sound"], document["differs"], document["unknown"]) == (True, 0, 0)
    for who in competitors:
        document = told(by(who, "verify", job_id, "--json"))
        assert (document["sound"], document["differs"]) == (True, 0)


def test_people_read_a_line_for_each_thing(by):
    sender = person(100)
    result = by(sender, "verify", decided(sender, *people(2)))
    assert result.exit_code == 0
    assert "✓ ballot 1: labels\n" in result.stdout
    assert "✗" not in result.stdout
    assert " 0 differ, 0 could not be checked" in result.stdout


@pytest.mark.parametrize(
    ("first", "second", "heard"),
    [
        ("mutters", None, {"mutters"}),
        ("agrees", None, {"agrees"}),
        ("wavers", "agrees", {"wavers", "agrees"}),
        ("breaks", "agrees", {"agrees"}),
        ("babbles", None, set()),
    ],
)
def test_of_a_model_s_verdict_all_comes_out_again_but_what_it_said(by, monkeypatch, first, second, heard):
    sender = person(100)
    with models(monkeypatch, first, second):
        job_id = judged(sender, *people(3))
    document = told(by(sender, "verify", job_id, "--json"))
    assert document["sound"]
    assert unknown(document) == {f"needs the model {name}" for name in heard}
    requests = [f for f in document["findings"] if (f["what"], f["result"]) == ("request", "verified")]
    assert bool(requests) is bool(heard)


def test_a_competitor_verifies_what_they_may_see(by):
    sender, workers = person(100), people(4)
    job_id = decided(sender, *workers)
    for who in workers:
        document = told(by(who, "verify", job_id, "--json"))
        assert document["sound"]
        assert unknown(document) == {"sealed from you"}
        results = {(f["about"], f["what"]): f["result"] for f in document["findings"]}
        assert results["entry 1", "hash"] == "verified"
        assert results["ballot 2", "order"] == "verified"
        assert results["entry 3", "rank"] == "verified"
        hashes = [results[f"entry {rank}", "hash"] for rank in (1, 2, 3, 4)]
        reasons = [f["result"] for f in document["findings"] if f["what"] == "grade and reason"]
        assert hashes.count("verified") in (1, 2)
        assert reasons.count("verified") == 4 * hashes.count("verified")


def test_files_are_in_the_input_and_what_the_judge_read_of_them_is_not_here(by, monkeypatch):
    sender, worker = person(200), person()
    with models(monkeypatch, "agrees"):
        asked = post(sender)
        submit(worker, asked, "1. Rhine", files=[bring(worker)])
        submit(person(), asked, "2. Danube")
        end_window(asked)
        assert drive(asked) == "verified"
    document = told(by(sender, "verify", asked, "--json"))
    assert document["sound"]
    results = {(f["about"], f["what"]): f["result"] for f in document["findings"]}
    assert (results["ballot 0", "input"], results["ballot 0", "request"]) == ("verified", "unknown")
    assert any("files" in why for why in unknown(document))


PICTURE = ("chart.png", "image/png")
DISGUISES = [PICTURE, ("notes.md", "text/markdown"), ("main.rs", "application/rls-services+xml")]


@pytest.mark.parametrize("disguise", DISGUISES, ids=str)
def test_files_that_are_no_text_leave_nothing_of_a_local_verdict_open(by, disguise):
    sender, worker, other = person(100), person(), person()
    job_id = post(sender)
    key = bring(worker, png(70_000), *disguise)
    submit(worker, job_id, "1. Rhine\n2. Danube\n3. Volga", files=[key])
    submit(other, job_id, "1. Nile\n2. Po\n3. Don")
    end_window(job_id)
    assert drive(job_id) == "verified"
    document = told(by(sender, "verify", job_id, "--json"))
    assert (document["sound"], document["differs"], document["unknown"]) == (True, 0, 0)
    reasons = [f["result"] for f in told(by(worker, "verify", job_id, "--json"))["findings"]
               if f["what"] == "grade and reason"]  # fmt: skip
    assert "verified" in reasons


def test_files_that_are_no_text_leave_nothing_of_a_model_s_verdict_open_but_what_it_said(by, monkeypatch):
    sender, worker = person(200), person()
    with models(monkeypatch, "agrees"):
        job_id = post(sender)
        submit(worker, job_id, "1. Rhine", files=[bring(worker, png(70_000), *PICTURE)])
        submit(person(), job_id, "2. Danube")
        end_window(job_id)
        assert drive(job_id) == "verified"
    document = told(by(sender, "verify", job_id, "--json"))
    assert document["sound"]
    assert unknown(document) == {"needs the model agrees"}


@pytest.mark.parametrize("disguise", [*DISGUISES, None], ids=str)
def test_files_of_text_leave_open_what_the_local_judge_made_of_them(by, disguise):
    sender, worker = person(100), person()
    job_id = post(sender)
    key = bring(worker, b"1. Rhine\n2. Danube\n3. Volga", *disguise or ())
    submit(worker, job_id, "Attached.", files=[key])
    submit(person(), job_id, "1. Nile\n2. Po\n3. Don")
    end_window(job_id)
    assert drive(job_id) == "verified"
    if not disguise:
        store.chosen().delete(UUID(key))  # what it was nobody can tell any more
    document = told(by(sender, "verify", job_id, "--json"))
    assert (document["sound"], document["differs"]) == (True, 0)
    results = {(f["about"], f["what"]): f["result"] for f in document["findings"]}
    assert (results["ballot 0", "input"], results["ballot 0", "votes"]) == ("verified", "unknown")


def test_a_reason_that_quotes_a_file_makes_no_right_receipt_wrong(by, monkeypatch):
    sender, worker = person(200), person()
    rivers = "The Rhine, the Danube, the Volga, the Loire and the Po"
    with models(monkeypatch, "agrees"):
        job_id = post(sender)
        submit(worker, job_id, "See the file", files=[bring(worker, rivers.encode())])
        submit(person(), job_id, rivers)
        end_window(job_id)
        assert drive(job_id) == "verified"
    document = told(by(sender, "verify", job_id, "--json"))
    assert document["sound"]
    results = {(f["about"], f["what"]): f["result"] for f in document["findings"]}
    assert (results["ballot 0", "places and grades"], results["ballot 0", "reasons"]) == (
        "verified",
        "unknown",
    )


def test_who_did_not_pay_verifies_the_verdict_and_no_entry(by):
    sender, worker = person(100), person()
    job_id = post(sender, min_grade="S")
    submit(worker, job_id, "no")
    end_window(job_id)
    assert drive(job_id) == "failed"
    document = told(by(sender, "verify", job_id, "--json"))
    assert document["sound"]
    assert unknown(document) == {"sealed from you"}
    assert told(by(worker, "verify", job_id, "--json"))["unknown"] == 0


def test_the_file_of_an_entry_that_nobody_was_paid_for_was_removed_and_that_is_said(by):
    sender, worker = person(100), person()
    job_id = post(sender, min_grade="S")
    submit(worker, job_id, "Attached.", files=[bring(worker, name="rivers.md")])
    end_window(job_id)
    assert drive(job_id) == "failed"
    let_time_pass(job_id, 8 * 24 * 3600)
    assert uploads.tidy(store.chosen()) == (1, 0)
    result = by(worker, "verify", job_id)
    assert "– entry 1: file rivers.md: removed since: the drop ended without a payout\n" in result.stdout
    document = told(by(worker, "verify", job_id, "--json"))
    assert (document["sound"], document["differs"]) == (True, 0)
    results = {(f["about"], f["what"]): f["result"] for f in document["findings"]}
    assert (results["ballot 0", "input"], results["ballot 0", "votes"]) == ("verified", "unknown")


def test_a_drop_from_before_there_were_secrets_comes_out_again(by, monkeypatch):
    monkeypatch.setattr("models.lifecycle.secrets.token_hex", lambda size: None)
    sender = person(100)
    assert told(by(sender, "verify", decided(sender, *people(3)), "--json"))["sound"]


def test_there_is_nothing_to_verify_before_the_verdict_or_for_strangers(by):
    sender = person(200)
    assert by(sender, "verify", post(sender)).exit_code == 6
    assert by(person(), "verify", decided(sender, person())).exit_code == 5


# Receipts that somebody changed ----------------------------------------------------------------


@pytest.fixture
def tampered(by, monkeypatch) -> Callable[[Person, Any, Change], dict[str, Any]]:
    """What `clorp verify` says of a receipt that is changed on its way."""

    def check(who: Person, job_id: Any, change: Change) -> dict[str, Any]:
        original = Client.receipt

        def changed(self: Client, job_id: Any) -> dict[str, Any]:
            receipt = original(self, job_id)
            change(receipt)
            return receipt

        with monkeypatch.context() as patched:
            patched.setattr(Client, "receipt", changed)
            result = by(who, "verify", job_id, "--json")
            plain = by(who, "verify", job_id)
        assert (plain.exit_code, "✗" in plain.stdout) == (result.exit_code, result.exit_code == 1)
        return told(result)

    return check


def swap(rows: list[dict[str, Any]], field: str) -> None:
    rows[0][field], rows[1][field] = rows[1][field], rows[0][field]


def grade(row: dict[str, Any]) -> None:
    row["grade"] = "C" if row["grade"] != "C" else "D"


def move(votes: list[dict[str, Any]]) -> None:
    votes[0]["place"] = 1 + votes[0]["place"] % len(votes)


def add(row: dict[str, Any], field: str) -> None:
    row[field] += 1


def leave_out(receipt: dict[str, Any]) -> None:
    """The last one, as if it had never come: its votes, and its ballot."""
    last = receipt["entries"].pop()["submission_id"]
    receipt["ballots"].pop()
    for ballot in receipt["ballots"]:
        ballot["votes"] = [vote for vote in ballot["votes"] if vote["submission_id"] != last]


def charge(receipt: dict[str, Any], microcents: int) -> None:
    receipt["ballots"][0]["cost_microcents"] = microcents
    receipt["totals"]["cost_microcents"] = sum(ballot["cost_microcents"] for ballot in receipt["ballots"])


def by_nobody(ballot: dict[str, Any]) -> None:
    ballot.update(model=None, tries=0)


CHANGES: dict[str, Change] = {
    "rank": lambda r: swap(r["entries"], "rank"),
    "grade": lambda r: grade(r["entries"][2]),
    "score": lambda r: r["entries"][2].update(score=0.4242),
    "reason": lambda r: r["entries"][2].update(rationale="So there."),
    "arrival": lambda r: swap(r["entries"], "arrival"),
    "agreement": lambda r: r.update(agreement=0.42),
    "contested": lambda r: r.update(contested=not r["contested"]),
    "prompt": lambda r: r.update(prompt_sha256="0" * 64),
    "entry": lambda r: r["entries"][1].update(sha256="0" * 64),
    "label": lambda r: r["ballots"][1]["votes"][0].update(label="??"),
    "labels": lambda r: swap(r["ballots"][1]["votes"], "label"),
    "order": lambda r: r["ballots"][0]["votes"].reverse(),
    "place": lambda r: move(r["ballots"][2]["votes"]),
    "vote": lambda r: grade(r["ballots"][2]["votes"][1]),
    "rationale": lambda r: r["ballots"][2]["votes"][1].update(rationale="So there."),
    "input": lambda r: r["ballots"][0].update(input_sha256="0" * 64),
    "number": lambda r: r["ballots"][0].update(k=1),
    "drop": lambda r: r.update(job_id="019dbf3e-6f00-7c3a-9d51-0242ac120002"),
    "status": lambda r: r.update(status="failed"),
    "stage": lambda r: r.update(stage="contested"),
    "judges": lambda r: r["judges"].append("llm/9"),
    "models": lambda r: r["models"].append("gpt-9"),
    "fallbacks": lambda r: r["fallbacks"].append("All went well."),
    "tries": lambda r: add(r["ballots"][0], "tries"),
    "a place beyond the last": lambda r: r["ballots"][0]["votes"][0].update(place=99),
    "a ballot left out": lambda r: r["ballots"].pop(),
    "an entry left out": lambda r: leave_out(r),
    "a reason hidden": lambda r: r["entries"][2].update(rationale=None),
    "secret": lambda r: r.update(deal_secret="0" * 32),
    "no secret": lambda r: r.update(deal_secret=None),
    "calls": lambda r: add(r["totals"], "calls"),
    "charged": lambda r: add(r["totals"], "charged_calls"),
    "tokens": lambda r: add(r["totals"], "output_tokens"),
    "cost": lambda r: add(r["totals"], "cost_microcents"),
}
OF_MODELS: dict[str, Change] = {
    "request": lambda r: r["ballots"][0].update(prompt_sha256="0" * 64),
    "nonce": lambda r: r["ballots"][0].update(call_id=r["ballots"][1]["call_id"]),
    "raw": lambda r: r["ballots"][0].update(raw=r["ballots"][1]["raw"]),
    "prose": lambda r: r["ballots"][0].update(raw="They are all wonderful."),
    "silence": lambda r: r["ballots"][0].update(raw=None),
    "number hidden": lambda r: r["ballots"][0].update(call_id=None),
    "by another model": lambda r: r["ballots"][0].update(model="gpt-9"),
    "by no model": lambda r: by_nobody(r["ballots"][0]),
    "less than nothing": lambda r: charge(r, -5),
    "free": lambda r: charge(r, 0),
    "cheaper": lambda r: add(r["ballots"][0], "cost_microcents"),
    "more calls": lambda r: r["calls"].extend(
        [{"k": 0, "model": "agrees", "outcome": "invalid", "input_tokens": 0, "output_tokens": 0,
          "cost_microcents": 0}] * 4
    ),
}  # fmt: skip


@pytest.fixture
def by_model(monkeypatch) -> tuple[Person, Any]:
    sender = person(100)
    with models(monkeypatch, "agrees"):
        return sender, judged(sender, *people(3))


def test_whatever_is_changed_in_a_model_s_receipt_is_seen(by_model, tampered, subtests):
    for what, change in (CHANGES | OF_MODELS).items():
        with subtests.test(what=what):
            assert tampered(*by_model, change)["differs"] > 0


def test_whatever_is_changed_in_a_local_receipt_is_seen(tampered, subtests):
    sender = person(100)
    job_id = judged(sender, *people(3))
    for what, change in CHANGES.items():
        with subtests.test(what=what):
            assert tampered(sender, job_id, change)["differs"] > 0


def test_a_competitor_sees_it_too_where_it_is_no_secret(tampered, subtests):
    workers = people(4)
    job_id = judged(person(100), *workers)
    for what in ("rank", "grade", "score", "arrival", "agreement", "place", "order", "cost"):
        with subtests.test(what=what):
            assert tampered(workers[3], job_id, CHANGES[what])["differs"] > 0


FORMLESS: dict[str, Change] = {
    "nothing": lambda r: r.clear(),
    "no entries": lambda r: r.update(entries=[]),
    "entries of null": lambda r: r.update(entries=None),
    "no ballots": lambda r: r.update(ballots=[]),
    "ballots of text": lambda r: r.update(ballots=["yes"]),
    "nobody first": lambda r: [add(entry, "rank") for entry in r["entries"]],
    "no agreement": lambda r: r.update(agreement=None),
    "a score in words": lambda r: r["entries"][0].update(score="high"),
    "a place in words": lambda r: r["ballots"][0]["votes"][0].update(place="first"),
    "a number in words": lambda r: r["ballots"][0].update(k="first"),
    "another ballot's number": lambda r: r["ballots"][0].update(k=-7),
    "no id": lambda r: r["ballots"][0]["votes"][0].update(submission_id="somebody"),
    "an unknown grade": lambda r: r["entries"][0].update(grade="E"),
    "an unknown stage": lambda r: r.update(stage="third"),
    "no sums": lambda r: r.pop("totals"),
    "calls without an end": lambda r: r["calls"].append({"k": 0}),
}


def test_what_is_no_receipt_differs_and_raises_nothing(tampered, subtests):
    sender, workers = person(100), people(3)
    job_id = judged(sender, *workers)
    for what, change in FORMLESS.items():
        for who in (sender, workers[2]):
            with subtests.test(what=what, sender=who is sender):
                assert tampered(who, job_id, change)["differs"] > 0


def test_the_receipt_of_another_drop_is_not_this_one_s(by, monkeypatch):
    sender = person(200)
    one, other = (decided(sender, *people(2)) for _ in range(2))
    for page in ("receipt", "job"):
        original = getattr(Client, page)
        with monkeypatch.context() as patched:
            patched.setattr(Client, page, lambda self, job_id, of=original: of(self, other))
            assert told(by(sender, "verify", one, "--json"))["differs"] > 0


def test_a_difference_comes_with_both_values(by, monkeypatch):
    sender = person(100)
    job_id = decided(sender, *people(2))
    original = Client.receipt
    monkeypatch.setattr(Client, "receipt", lambda self, job_id: {**original(self, job_id), "agreement": 0.42})
    result = by(sender, "verify", job_id)
    assert result.exit_code == 1
    assert "✗ verdict: agreement: the receipt says 0.42, it should be 1.0\n" in result.stdout
