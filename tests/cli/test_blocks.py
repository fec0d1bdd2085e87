"""How answers look: in terminals of 80 and 120 columns, and in a pipe."""

import io
import re

import pytest
from rich.console import Console

from web.cli.client import tables
from web.cli.client.blocks import SHORT_ID, Column, Facts, Ident, Moment, Prose, Rows, Styled

WIDTHS = [80, 120]
TITLE = "Find three sources for the number of unicorns in Iceland, and say for each how it was counted …"
WORDS = "Adds 22 words of its own; weakest point: its lines have no rhythm, and the second one shouts."


def drawn(block, width: int) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, emoji=False)
    out.print(block.rich())
    return out.file.getvalue().splitlines()


def drop(number: int, **values) -> dict:
    job_id, at = f"01a22147-8f{number:02x}-72b9-8d2d-3c210af7d0a9", "2026-11-28T09:50:00.000Z"
    return {
        "id": job_id, "title": TITLE, "prompt": TITLE, "pack": "scout", "price_cents": 100_000,
        "payout_cents": 100_000, "seconds_left": 3_599, "slots_left": 4, "max_claims": 5, "min_grade": "S",
        "window_closes_at": at, "status": "verified", "created_at": at, "submissions_count": 5, "grade": "S",
        "claims_count": 5, "winner": "a competitor with a long name", "ended_at": at, "state": "held",
        "job_id": job_id, "rank": 1, "grade_rationale": WORDS, "claim_expires_at": at,
        "cancel_requested_at": None, "failure_reason": None, "attachments": [],
        "winning_submission_id": None, **values,
    }  # fmt: skip


LISTS = {
    "board": lambda rows: tables.board({"board": rows}),
    "feed": lambda rows: tables.feed({"feed": rows}),
    "jobs": tables.jobs,
    "standings": tables.standings,
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", LISTS)
def test_a_row_is_one_line_of_the_terminal(name, width):
    lines = drawn(LISTS[name]([drop(1), drop(2)]), width)
    assert len(lines) == 3  # the heading, and a line for each
    assert all(len(line) <= width for line in lines)
    for line in lines[1:]:
        assert line.rstrip().endswith("…")  # the title gives way, and says so
        assert re.search(r"\S  \S", line)  # a gap between the columns
        assert "01a22147-8f0" in line


def test_short_ids_tell_their_rows_apart():
    lines = drawn(tables.jobs([drop(1), drop(2)]), 80)
    assert [line.split()[0] for line in lines[1:]] == ["01a22147-8f01", "01a22147-8f02"]
    alike = [{"id": "01a22147-8f01-72b9-8d2d-3c210af7d0a9"}, {"id": "01a22147-8f01-72b9-8d2d-3c210af7d0aa"}]
    rows = Rows(alike, (Column("id", lambda row: Ident(row["id"])),), "")
    shown = [line.strip() for line in drawn(rows, 80)[1:]]
    assert shown == [row["id"] for row in alike]
    assert len("01a22147-8f01") == SHORT_ID


@pytest.mark.parametrize("width", WIDTHS)
def test_no_reason_is_cut_short(width):
    lines = drawn(tables.job({**drop(1), "winning_submission_id": None}, None), width)
    assert WORDS in " ".join(" ".join(lines).split())
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("name", LISTS)
def test_a_pipe_gets_whole_ids_exact_times_and_tabs(name):
    block = LISTS[name]([drop(1), drop(2)])
    lines = block.plain().split("\n")
    assert len(lines) == 2
    for line in lines:
        values = line.split("\t")
        assert len(values) == len(block.columns)
        assert values[0].startswith("01a22147-8f0")
        assert len(values[0]) == 36
        assert values[-1] == TITLE
        assert "2026-11-28T09:50:00.000Z" in values
        assert not re.search("  |\x1b", line)


def test_what_strangers_wrote_keeps_its_line():
    rows = Rows([{"title": "a\tb\nc\x1b[31m"}], (Column("title", lambda row: row["title"]),), "")
    assert rows.plain() == "a b c[31m"
    assert [line.strip() for line in drawn(rows, 80)[1:]] == ["a b c[31m"]


def test_markup_is_text():
    facts = Facts({"name": "[bold]x[/] [embedded]", "note": Styled("[red]y")})
    assert "[bold]x[/] [embedded]" in " ".join(drawn(facts, 80))
    assert "[red]y" in " ".join(drawn(facts, 80))
    assert "[i]z" in " ".join(drawn(Prose("text", "[i]z"), 80))


def test_what_is_nothing_is_left_out():
    facts = Facts({"a": None, "b": "", "c": 0, "d": Moment(None), "e": "x"})
    assert facts.plain() == "c\t0\ne\tx"
    assert "nothing here" in drawn(Rows([], (), "nothing here"), 80)[0]
    assert Rows([], (), "nothing here").plain() == ""
