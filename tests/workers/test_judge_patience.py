"""A judge that never comes back costs its own thread, and no ballot."""

import threading

import pytest

from models.grades import Brief, Candidate
from tests import support
from tests.workers.processes import PATIENCE_SECONDS
from workers import tasks
from workers.judge import LocalJudge, patience

BRIEF = Brief("Name three rivers.", "wild", (Candidate("AA", "Rhine"), Candidate("BB", "Nile, Po, Don")))


class Hangs:
    name = "hangs/1"

    def __init__(self) -> None:
        self.free = threading.Event()

    def ballot(self, brief: Brief):
        self.free.wait()
        return LocalJudge().ballot(brief)


def test_an_answer_in_time_is_the_judges_own():
    assert patience.ask(LocalJudge(), BRIEF, PATIENCE_SECONDS) == LocalJudge().ballot(BRIEF)


def test_a_judge_that_takes_too_long_is_given_up():
    judge = Hangs()
    with pytest.raises(patience.Unanswered, match="hangs/1 gave no answer within"):
        patience.ask(judge, BRIEF, 0.05)
    judge.free.set()


def test_a_judges_own_trouble_is_passed_on():
    class Breaks:
        name = "breaks/1"

        def ballot(self, brief: Brief):
            raise TimeoutError("the model is away")

    with pytest.raises(TimeoutError, match="the model is away"):
        patience.ask(Breaks(), BRIEF, PATIENCE_SECONDS)


def test_a_worker_with_too_many_judges_that_never_came_back_ends(monkeypatch):
    ended = []
    monkeypatch.setattr(patience, "LEFT_BEHIND_MAX", 3)
    monkeypatch.setattr(patience, "_left_behind", set())
    monkeypatch.setattr(patience.os, "kill", lambda pid, number: ended.append(number))
    judge = Hangs()
    for _ in range(3):
        assert not ended
        with pytest.raises(patience.Unanswered):
            patience.ask(judge, BRIEF, 0.01)
    assert ended == [patience.signal.SIGTERM]
    judge.free.set()


def test_a_ballot_of_a_hung_judge_is_cast_anew(settle, monkeypatch):
    settle(judge_seconds=0.05)
    sender, (agent,) = support.person(100), support.people(1)
    job_id = support.post(sender)
    support.submit(agent, job_id)
    support.let_time_pass(job_id)
    support.close(job_id)
    judge = Hangs()
    with monkeypatch.context() as patched:
        patched.setattr(tasks.judges, "chosen", lambda attempts: judge)
        tasks.ballot(str(job_id), 0)
        tasks.rank(str(job_id))
        assert support.status(job_id) == "ranking"
    settle(judge_seconds=PATIENCE_SECONDS)
    assert support.drive(job_id) == "verified"
    judge.free.set()
    assert support.violations() == []
