"""What a model says of one entry does not open another."""

from dataclasses import replace

import pytest

from models.grades import Attached, Brief, Candidate, Opinion
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


# Entries that are short -----------------------------------------------------------------------------

STARTUP = "Name my startup in two words."
SHORT = [
    ("Zephyrine Labs", "Quill & Co"), ("hunter2", "1234"), ("^[a-z]+$", "^[a-z]*$"), ("🦀🌊🥐", "👩‍👩‍👧🇪🇺"),
    ("For sale: baby shoes, never worn.", "The last man on Earth knocked."), ("春风吹过", "海底捞月"),
    ("แม่น้ำไรน์ไหลลงทะเลเหนือ", "สุนัขจิ้งจอก"), ("Ναι, αύριο.", "Όχι σήμερα!"), ("x = 7", "y = 8"),
    ("To be or not to be", "How are you"), ("7", "8"), ("...", "!?"), ("هذا بيت جميل", "शुभ प्रभात"),
]  # fmt: skip
MARKS = '“” „“ ”” «» »« ‹› ‘’ ‚‘ \'\' "" ＂＂ `` ´´ 「」 『』 《》 〈〉 〝〞 “"'.split()


def short(own: str, other: str) -> Brief:
    return Brief(STARTUP, "wild", (Candidate("AA", own), Candidate("BB", other)))


def is_public(remark: str, brief: Brief) -> bool:
    return not mark_quotes({"AA": Opinion(1, "A", remark)}, brief)["AA"].quotes


@pytest.mark.parametrize(("own", "other"), SHORT)
@pytest.mark.parametrize(
    "remark", ["“{}” is catchy.", "{} is weak", "Less than `{}`", "它不如{}", "Not as good as {}."]
)
def test_a_short_entry_is_disclosed_by_no_remark(own, other, remark):
    brief = short(own, other)
    assert discreet(remark.format(other), "AA", brief) == WITHHELD
    assert discreet(remark.format(own), "AA", brief) == remark.format(own)
    assert not is_public(remark.format(own), brief)
    assert not is_public(remark.format(other), brief)


@pytest.mark.parametrize(
    "remark",
    [
        "“For sale: baby shoes” is strong, “never worn” is not.",
        "Strong: “For sale … never worn”.",
        "The shoes of a baby, never worn and for sale: a cliché.",
        f"{'It is a cliché. ' * 8}Better: “For sale: baby sh",
    ],
)
def test_neither_is_a_short_entry_in_pieces(remark):
    brief = short("A heron walks into a bank.", "For sale: baby shoes, never worn.")
    assert discreet(remark, "AA", brief) == WITHHELD
    assert not is_public(remark, brief)


@pytest.mark.parametrize("marks", MARKS)
def test_what_a_remark_puts_in_quotation_marks_is_quoted_however_short(marks):
    for remark in (
        f"Unlike {marks[0]}Caspian Sea{marks[1]} it is vague.",
        f"Its dogs' {marks[0]}caspian  SEA!{marks[1]}",
    ):
        assert discreet(remark, "BB", BRIEF) == WITHHELD
        assert discreet(remark, "AA", BRIEF) == remark
        assert not is_public(remark, BRIEF)


@pytest.mark.parametrize(
    "remark",
    [
        "It answers well but is short.",
        "Only one river, and “Europe” is not even named.",
        "Says “the” and 'and' too often, “”, and isn't “vague”.",
        "The author's remark isn't wrong, it's the others' that are.",
        "Solid, if terse; names no source.",
        '5" is no length of a river.',
        "Generic. No structure. Too long…",
    ],
)
def test_ordinary_remarks_on_ordinary_entries_are_told(remark):
    assert discreet(remark, "AA", BRIEF) == remark
    assert is_public(remark, BRIEF)


def test_a_file_is_disclosed_no_more_than_a_text():
    files = (Attached("name.txt", "text/plain", 14, "Zephyrine Labs"),)
    brief = Brief(STARTUP, "wild", (Candidate("AA", "Quill & Co"), Candidate("BB", "See the file.", files)))
    assert discreet("Less catchy than Zephyrine Labs.", "AA", brief) == WITHHELD
    assert discreet("Its “name.txt” says it all.", "AA", brief) == WITHHELD
    assert not is_public("Zephyrine is catchy.", brief)


def test_an_entry_of_nothing_visible_has_nothing_to_disclose():
    brief = Brief(STARTUP, "wild", (Candidate("AA", "Quill & Co"), Candidate("BB", " \n\u200b")))
    for remark in ("", " ", "It is short."):
        assert discreet(remark, "AA", brief) == remark


def test_what_the_task_names_is_nobody_s_secret():
    brief = replace(short("Danube", "The Rhine."), prompt="Which is longer, the Rhine or the Danube?")
    for remark in ("“Danube” is right.", "The Rhine is shorter than the Danube."):
        assert discreet(remark, "AA", brief) == remark
        assert is_public(remark, brief)
