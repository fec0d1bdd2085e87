"""One question to a model, in both dialects: a ballot, or an outcome that says why there is none."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from models.grades import Brief, Candidate
from models.panel import RAW_MAX, Answer
from tests.judges.server import MALFORMED, Judge, Script, judging
from workers.embedded import free_port
from workers.judge import dialects, llm

BRIEF = Brief(
    "Name three rivers.",
    "wild",
    (Candidate("AA", "Po"), Candidate("BB", "Rhine, Po, Nile"), Candidate("CC", "?")),
)
SCORES = {"Po": 1.0, "Rhine, Po, Nile": 2.0, "?": 0.0}
PATIENCE_SECONDS = 5


@pytest.fixture(params=["openai", "anthropic"])
def judge(request, settle):
    with judging(Script(scores=dict(SCORES))) as running:
        settle(
            judge="llm",
            llm_model="m",
            llm_dialect=request.param,
            llm_base_url=running.url,
            llm_api_key="sk-1",
        )
        yield running


def ask(**how: object) -> Answer:
    return llm.ask(BRIEF, "m", "0123456789abcdef", **how)


def test_an_answer_is_a_ballot(judge: Judge):
    answer = ask()
    assert answer.outcome == "answered"
    assert {label: opinion.place for label, opinion in answer.opinions.items()} == {"BB": 1, "AA": 2, "CC": 3}
    assert answer.opinions["BB"].grade == "S"
    assert answer.opinions["BB"].rationale == judge.script.flaw
    assert (answer.input_tokens, answer.output_tokens > 0) == (1000, True)
    assert answer.prompt_hash == ask().prompt_hash
    assert '"ranking"' in answer.raw
    assert answer.trouble == ""


def test_the_model_and_the_key_are_those_that_are_set(judge: Judge):
    judge.script.key = "sk-1"
    assert ask().outcome == "answered"
    assert judge.stats.told[-1]["model"] == "m"
    judge.script.key = "another"
    answer = ask()
    assert (answer.outcome, answer.trouble) == ("failed", "it answered 401")


@pytest.mark.parametrize("kind", MALFORMED)
def test_an_answer_that_is_no_ballot_is_kept_and_counts(judge: Judge, kind: str):
    judge.script.malformed, judge.script.kinds = 1.0, (kind,)
    answer = ask()
    assert answer.outcome == "invalid"
    assert answer.opinions == {}
    assert answer.raw
    assert answer.trouble.startswith("no ballot")
    assert answer.input_tokens == 1000
    assert answer.pause_seconds > 0


def test_a_refusal_is_one(judge: Judge):
    judge.script.refused = 1.0
    assert ask().outcome == "refused"


@pytest.mark.parametrize(
    ("later", "least", "most"),
    [
        ("3", 3, 3),
        ("1.5", 1.5, 1.5),
        (format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), 20, 20),
        (format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True), 0, 1),
        ("999999999999", 20, 20),
        ("soon", 0, 1),
        ("-5", 0, 1),
        ("", 0, 1),
    ],
    ids=["seconds", "a part of one", "a date", "a past date", "too much", "words", "below zero", "nothing"],
)
def test_who_is_told_to_come_later_does(judge: Judge, later: str, least: float, most: float):
    judge.script.limited, judge.script.retry_after = 1.0, later
    answer = ask()
    assert answer.outcome == "limited"
    assert least <= answer.pause_seconds <= most


def test_the_pause_grows_from_try_to_try(judge: Judge):
    judge.script.broken = 1.0
    pauses = [ask(tried=tried) for tried in range(3)]
    assert [answer.outcome for answer in pauses] == ["failed"] * 3
    for tried, answer in enumerate(pauses):
        assert (
            0.5 * 2**tried * llm.PAUSE_SECONDS <= answer.pause_seconds <= 1.5 * 2**tried * llm.PAUSE_SECONDS
        )


def test_a_model_that_does_not_answer_is_given_up(judge: Judge, settle):
    settle(llm_timeout_seconds=0.2)
    judge.script.delay_seconds = 30
    begun = time.monotonic()
    answer = ask()
    assert answer.outcome == "timeout"
    assert answer.milliseconds >= 200
    assert time.monotonic() - begun < PATIENCE_SECONDS


def test_an_answer_that_only_drips_in_is_given_up(judge: Judge, settle):
    settle(llm_timeout_seconds=0.3)
    judge.script.drip_seconds = 0.05
    begun = time.monotonic()
    assert ask().outcome == "timeout"
    assert time.monotonic() - begun < PATIENCE_SECONDS


def test_nobody_is_there(judge: Judge, settle):
    settle(llm_base_url=f"http://127.0.0.1:{free_port()}/v1")
    assert ask().outcome == "failed"


def test_an_answer_without_end_is_not_read_to_its_end(judge: Judge, monkeypatch):
    monkeypatch.setattr(dialects, "ANSWER_BYTES_MAX", 100)
    assert ask().outcome == "timeout"


def test_what_a_database_or_a_terminal_cannot_take_does_not_get_in(judge: Judge):
    judge.script.flaw = "a\0b\x1b[31md\n" + "x" * 1000
    answer = ask()
    told = answer.opinions["AA"].rationale
    assert told.startswith("ab")
    assert len(told) == 160
    for text in (told, answer.raw, answer.trouble):
        assert text.isprintable() or "\n" in text
        text.encode()
        assert "\0" not in text
        assert "\x1b" not in text
        assert len(text) <= RAW_MAX


def test_a_key_is_never_told(judge: Judge, caplog):
    for trouble in ({"broken": 1.0}, {"malformed": 1.0}, {"limited": 1.0}):
        for name, share in trouble.items():
            setattr(judge.script, name, share)
        answer = ask()
        assert "sk-1" not in f"{answer}{caplog.text}"


def test_half_a_surrogate_pair_is_no_text(judge: Judge):
    judge.script.flaw = "a\ud800"
    answer = ask()
    assert answer.outcome == "invalid"
    answer.raw.encode()
