"""What a model says of one entry does not open another."""

import pytest

from models.grades import Brief, Candidate, Opinion
from workers.judge.discretion import WITHHELD, discreet, mark_quotes

BRIEF = Brief(
    "Name three long rivers of Europe and say where each of them ends.",
    "wild",
    (
        Candidate("AA", "The Volga ends in the Caspian Sea, the Danube in the Black Sea."),
        Candidate(
            "BB",
            "The port of Rotterdam hides its true mouth. 欧洲最长的河流是伏尔加河它流入里海而不是黑海也不。",
        ),
    ),
)


@pytest.mark.parametrize(
    "flaw",
    [
        "Others say: the port of Rotterdam hides its true mouth.",
        "worse than PORT of rotterdam, hides its TRUE mouth",
        "Weaker than 欧洲最长的河流是伏尔加河它流入里海而不是黑海也不",
    ],
)
def test_a_flaw_that_quotes_another_entry_is_withheld(flaw):
    assert discreet(flaw, "AA", BRIEF) == WITHHELD


@pytest.mark.parametrize(
    "flaw",
    [
        "Only two rivers; the Volga ends in the Caspian Sea is right.",
        "Does not name three long rivers of Europe and say where each ends.",
        "Less vivid than the entry about Rotterdam.",
        "",
        "short",
    ],
)
def test_what_it_says_of_its_own_entry_and_of_the_task_is_told(flaw):
    assert discreet(flaw, "AA", BRIEF) == flaw


def test_one_entry_has_nobody_to_be_quoted():
    alone = Brief(BRIEF.prompt, "wild", BRIEF.candidates[1:])
    assert discreet("the port of Rotterdam hides its true mouth", "BB", alone) != WITHHELD


@pytest.mark.parametrize(
    ("remark", "quotes"),
    [
        ("It says that the Volga ends in the Caspian Sea, which is right.", True),
        ("欧洲最长的河流是伏尔加河它流入里海而不是黑海也不", True),
        ("Does not name three long rivers of Europe and say where each of them ends.", False),
        ("Two rivers, clear and exact.", False),
    ],
)
def test_what_the_public_may_read_quotes_no_entry(remark, quotes):
    opinions = {"AA": Opinion(1, "A", remark), "BB": Opinion(2, "B", "Shorter.")}
    marked = mark_quotes(opinions, BRIEF)
    assert (marked["AA"].quotes, marked["BB"].quotes) == (quotes, False)
    assert marked["AA"].rationale == remark
