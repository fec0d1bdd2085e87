"""The judge of the torture runs: what it is ordered to do, and what becomes of its answers."""

import pytest

from models.grades import Brief, Candidate, unusable
from tests import support
from workers import judge as judges
from workers import tasks
from workers.judge import LocalJudge, unruly

BRIEF = Brief("Name three rivers.", "wild", (Candidate("AA", "Rhine"), Candidate("BB", "Nile, Po, Don")))
LABELS = ["AA", "BB"]


def test_without_an_order_it_is_the_local_judge_and_notes_the_call(tmp_path):
    assert unruly.UnrulyJudge(tmp_path).ballot(BRIEF) == LocalJudge().ballot(BRIEF)
    assert [digest for digest, _ in unruly.calls(tmp_path)] == [BRIEF.digest()]


def test_an_order_has_its_time(tmp_path):
    unruly.order(tmp_path, "lies", -1)
    assert unusable(unruly.UnrulyJudge(tmp_path).ballot(BRIEF), LABELS) is None


def test_a_lie_is_never_stored(settle, tmp_path):
    settle(judge="unruly", data=tmp_path)
    job_id = ranking()
    unruly.order(tmp_path, "lies", 60)
    assert support.drive(job_id) == "ranking"
    unruly.order(tmp_path, "lies", -1)
    assert support.drive(job_id) == "verified"


def test_who_wavers_is_asked_once(settle, tmp_path):
    settle(judge="unruly", data=tmp_path)
    job_id = ranking()
    unruly.order(tmp_path, "wavers", 60)
    for _ in range(3):
        tasks.ballot(str(job_id), 0)
    assert len(unruly.calls(tmp_path)) == 1
    assert support.drive(job_id) == "verified"
    assert support.violations() == []


def test_a_drop_that_was_judged_in_vain_for_long_is_decided_offline(settle, tmp_path):
    settle(judge="unruly", data=tmp_path)
    assert judges.chosen(judges.PATIENCE - 1).name == "unruly/1"
    assert judges.chosen(judges.PATIENCE).name == "local/2"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda answer: {"AA": answer["AA"]}, "it speaks of 1 of 2"),
        (lambda answer: {"AA": answer["AA"], "CC": answer["BB"]}, "or of others"),
        (lambda answer: answer | {"AA": unruly.replace(answer["AA"], place=0)}, "it gives the place 0"),
        (lambda answer: answer | {"AA": unruly.replace(answer["AA"], grade="E")}, "it gives the grade 'E'"),
    ],
)
def test_what_makes_an_answer_unusable(change, words):
    assert words in unusable(change(LocalJudge().ballot(BRIEF)), LABELS)


def ranking():
    """A drop that waits for its judges, with two entries."""
    sender, (first, second) = support.person(100), support.people(2)
    job_id = support.post(sender)
    support.submit(first, job_id)
    support.submit(second, job_id, "Nile, Po and Don.")
    support.let_time_pass(job_id)
    support.close(job_id)
    return job_id
