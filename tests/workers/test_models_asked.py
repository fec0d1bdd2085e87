"""The task that casts a ballot by asking a model."""

import time
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from models import db, panel, settlement
from tests.judges.server import Judge, Script, judging
from tests.models.stages import sql
from tests.support import close as close_window
from tests.support import drive, let_time_pass, people, person, post, submit
from workers import tasks


@pytest.fixture
def judge(settle):
    with judging(Script()) as running:
        settle(judge="llm", llm_model="m", llm_base_url=running.url, max_claims=6)
        yield running


@pytest.fixture
def job_id(judge: Judge, database) -> UUID:
    found = post(person(100))
    for place, who in enumerate(people(3)):
        submit(who, found, f"entry {place}")
    let_time_pass(found)
    close_window(found)
    return found


def test_a_drop_is_decided_by_n_calls(judge: Judge, job_id: UUID):
    assert drive(job_id) == "verified"
    assert judge.stats.calls == 3
    assert sql("SELECT DISTINCT judge FROM ballots") == [("llm/1",)]


def test_a_redelivered_ballot_asks_nobody(judge: Judge, job_id: UUID):
    for _ in range(3):
        tasks.ballot(str(job_id), 0)
    assert judge.stats.calls == 1


def test_what_goes_wrong_is_tried_again_in_the_same_task(judge: Judge, job_id: UUID):
    judge.script.limited_first = 2
    tasks.ballot(str(job_id), 0)
    assert judge.stats.calls == 3
    assert [row.outcome for row in sql("SELECT outcome FROM calls ORDER BY begun_at")] == [
        "limited",
        "limited",
        "answered",
    ]


def test_after_three_tries_it_is_left(judge: Judge, job_id: UUID):
    judge.script.refused = 1.0
    tasks.ballot(str(job_id), 0)
    assert judge.stats.calls == panel.TRIES
    assert sql("SELECT count(*) FROM ballots") == [(0,)]


def test_secrets_of_a_drop_are_never_told_to_a_model(judge: Judge, database):
    job_id = post(person(100), env_vars={"TOKEN": "canary-1"})
    submit(person(), job_id, "entry 0")
    let_time_pass(job_id)
    close_window(job_id)
    tasks.ballot(str(job_id), 0)
    told = str(judge.stats.told)
    names = [row.name for row in sql("SELECT name FROM users")]
    assert "entry 0" in told
    assert not any(name in told for name in [*names, "TOKEN", "canary-1"])


def test_an_answer_outlives_a_database_that_is_away_for_a_moment(judge: Judge, job_id: UUID, monkeypatch):
    monkeypatch.setattr(tasks, "KEEP_PAUSE_SECONDS", 0.01)
    tried, answered = [], settlement.answered

    def write(session: Session, **told: object) -> object:
        tried.append(told)
        if len(tried) <= 2 * db.TRIES_MAX:
            raise OperationalError("COMMIT", None, Exception("away"))
        return answered(session, **told)

    monkeypatch.setattr(settlement, "answered", write)
    tasks.ballot(str(job_id), 0)
    assert judge.stats.calls == 1
    assert [row.outcome for row in sql("SELECT outcome FROM calls")] == ["answered"]
    assert sql("SELECT count(*) FROM ballots") == [(1,)]


def test_after_the_last_try_nobody_pauses(judge: Judge, job_id: UUID, monkeypatch):
    slept = []  # by the task: other threads of this process may be resting
    monkeypatch.setattr(tasks, "time", SimpleNamespace(**{**vars(time), "sleep": slept.append}))
    judge.script.limited = 1.0
    tasks.ballot(str(job_id), 0)
    assert len(slept) == panel.TRIES - 1


def test_nobody_tries_for_ever_to_store_an_answer(monkeypatch, database):
    monkeypatch.setattr(tasks, "KEEP_SECONDS", 0.05)
    monkeypatch.setattr(tasks, "KEEP_PAUSE_SECONDS", 0.01)

    def write(_session: object) -> None:
        raise OperationalError("COMMIT", None, Exception("away"))

    with pytest.raises(DBAPIError):
        tasks._keep(write)
