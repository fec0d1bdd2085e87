"""`clorp rejudge`: a second verdict beside the first, and that it moves nothing."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from models import db
from models.schema import Ballot, Base, Rejudgement
from tests.scripted import COST, models
from tests.support import bring, drive, people, person, post, submit, violations
from tests.web.scenes import decided, end_window
from workers import tasks

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _judge(settle):
    settle(judge="local")  # and so again after a command that has set another one


def drop(*bodies: str, **draft: Any) -> UUID:
    """A decided drop with these entries."""
    job_id = post(person(100), **draft)
    for body in bodies:
        submit(person(), job_id, body)
    end_window(job_id)
    for k in range(len(bodies)):
        tasks.ballot(str(job_id), k)
    tasks.rank(str(job_id))
    tasks.pay(str(job_id))
    return job_id


def rows() -> dict[str, list[str]]:
    """Every row of every table but the one of second verdicts."""
    names = [table.name for table in Base.metadata.sorted_tables if table.name != "rejudgements"]
    with db.transaction() as session:
        return {
            name: sorted(session.scalars(text(f"SELECT t::text FROM {name} t")))  # of names of ours
            for name in names
        }


def kept(job_id: UUID) -> list[Rejudgement]:
    with db.transaction() as session:
        return list(session.query(Rejudgement).filter_by(job_id=job_id).order_by(Rejudgement.id))


def told(result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_local_judge_says_the_same_again(clorp):
    job_id = decided(person(100), *people(4))
    document = told(clorp("rejudge", job_id, "--dry-run", "--json"))
    assert (document["judge"], document["models"], document["cost_microcents"]) == ("local/2", [], 0)
    assert document["first"] == document["second"]
    assert (document["same_winner"], document["moved"], document["calls"]) == (True, 0, 0)


def test_the_second_judge_reads_the_entries_as_the_first_one_did(clorp):
    job_id = decided(person(100), *people(3))
    told(clorp("rejudge", job_id, "--dry-run", "--json"))
    (row,) = kept(job_id)
    with db.transaction() as session:
        first = list(session.scalars(select(Ballot).filter_by(job_id=job_id).order_by(Ballot.k)))
    second = [[[vote["label"], vote["submission_id"]] for vote in b["votes"]] for b in row.verdict["ballots"]]
    assert second == [ballot.labels for ballot in first]


def test_another_judge_may_say_something_else_and_both_are_shown(clorp, monkeypatch):
    job_id = drop("zebra", "Name three rivers: Rhine, Danube, Volga.", "aardvark")
    with models(monkeypatch, "agrees"):
        document = told(clorp("rejudge", job_id, "--dry-run", "--judge", "llm", "--json"))
        plain = clorp("rejudge", job_id, "--dry-run", "--judge", "llm")
    assert (document["judge"], document["models"], document["calls"]) == ("llm/1", ["agrees"], 3)
    assert document["cost_microcents"] == 3 * COST
    assert (document["input_tokens"], document["output_tokens"]) == (3000, 300)
    assert document["second"]["agreement"] == 1
    ranked = [place["submission_id"] for place in document["second"]["ranking"]]
    assert sorted(ranked) == sorted(place["submission_id"] for place in document["first"]["ranking"])
    assert document["moved"] > 0
    assert "agreement 1.00" in plain.stdout
    assert "↑" in plain.stdout
    assert "↓" in plain.stdout
    assert "llm/1 (agrees): 3 ballots, 3 calls, 3000 + 300 tokens, $0.0017" in plain.stdout


@pytest.mark.parametrize("first", ["agrees", "wavers", "babbles", "breaks"])
def test_nothing_but_the_second_verdict_is_new(clorp, monkeypatch, first):
    job_id = drop("b", "c", "a")
    before = rows()
    with models(monkeypatch, first):
        told(clorp("rejudge", job_id, "--dry-run", "--json", "--judge", "llm"))
        told(clorp("rejudge", job_id, "--dry-run", "--json", "--judge", "local"))
    assert rows() == before
    assert violations() == []
    assert len(kept(job_id)) == 2


def test_what_is_kept_says_how_it_came_about(clorp, monkeypatch):
    job_id = drop("b", "c", "a")
    with models(monkeypatch, "wavers", "agrees"):
        document = told(clorp("rejudge", job_id, "--dry-run", "--judge", "llm", "--json"))
    (row,) = kept(job_id)
    assert (str(row.id), row.judge, row.models) == (document["id"], "llm/1", ["wavers", "agrees"])
    assert (row.contested, row.agreement, row.microcents) == (True, pytest.approx(4 / 6), 6 * COST)
    assert [ranked["rank"] for ranked in row.verdict["ranking"]] == [1, 2, 3]
    assert len(row.verdict["ballots"]) == 6
    assert {call["outcome"] for call in row.verdict["calls"]} == {"answered"}
    assert all(call["prompt_sha256"] and '"ranking"' in call["raw"] for call in row.verdict["calls"])


def test_models_that_bring_nothing_leave_it_to_the_local_judge(clorp, monkeypatch):
    job_id = drop("b", "a")
    with models(monkeypatch, "breaks"):
        document = told(clorp("rejudge", job_id, "--dry-run", "--judge", "llm", "--json"))
    assert (document["judge"], document["models"], document["cost_microcents"]) == ("local/2", ["breaks"], 0)
    assert document["calls"] == 6


def test_files_are_read_again_too(clorp, monkeypatch):
    job_id, worker = post(person(100)), person()
    submit(worker, job_id, "b", files=[bring(worker, b"what stands in the file")])
    submit(person(), job_id, "a")
    end_window(job_id)
    for k in (0, 1):
        tasks.ballot(str(job_id), k)
    tasks.rank(str(job_id))
    with models(monkeypatch, "agrees"):
        told(clorp("rejudge", job_id, "--dry-run", "--judge", "llm", "--json"))
    assert "what stands in the file" in json.dumps(kept(job_id)[0].verdict)


def test_files_change_neither_the_order_nor_the_verdict_of_the_local_judge(clorp):
    job_id, worker = post(person(100)), person()
    submit(worker, job_id, "Attached.", files=[bring(worker, b"1. Rhine\n2. Danube\n3. Volga")])
    submit(person(), job_id, "Rhine, and two others.")
    end_window(job_id)
    assert drive(job_id) == "verified"
    document = told(clorp("rejudge", job_id, "--dry-run", "--json"))
    assert document["first"] == document["second"]
    (row,) = kept(job_id)
    with db.transaction() as session:
        first = list(session.scalars(select(Ballot).filter_by(job_id=job_id).order_by(Ballot.k)))
    second = [[[vote["label"], vote["submission_id"]] for vote in b["votes"]] for b in row.verdict["ballots"]]
    assert second == [ballot.labels for ballot in first]


def test_without_dry_run_it_says_that_verdicts_stand(clorp):
    job_id = decided(person(100), *people(2))
    result = clorp("rejudge", job_id)
    assert result.exit_code == 2
    assert "A verdict that has paid stands" in result.output
    assert kept(job_id) == []


def test_what_was_not_decided_cannot_be_judged_again(clorp):
    undecided = clorp("rejudge", post(person(100)), "--dry-run")
    missing = clorp("rejudge", "01a20dee-ac30-7ace-b2b6-7933bc282913", "--dry-run")
    assert (undecided.exit_code, missing.exit_code) == (1, 1)


def test_a_model_has_to_be_named(clorp):
    result = clorp("rejudge", decided(person(100), person()), "--dry-run", "--judge", "llm")
    assert result.exit_code == 1
    assert "CLORP_LLM_MODEL" in result.output


def test_a_second_verdict_is_never_changed(clorp):
    told(clorp("rejudge", decided(person(100), person()), "--dry-run", "--json"))
    for change in ("UPDATE rejudgements SET agreement = 0", "DELETE FROM rejudgements"):
        with pytest.raises(DBAPIError, match="rejudgements"), db.transaction() as session:
            session.execute(text(change))
