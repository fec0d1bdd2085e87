"""The `llm` judge: one question to a model, and what came of it. Nothing is parsed out of prose.

A call never raises: whatever a model or the way to it does is an outcome, which is kept.
"""

import json
import random
import time
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from models.grades import Brief, Grade, Opinion
from models.panel import RAW_MAX, Answer, Outcome
from models.settings import settings
from workers.judge import dialects, prompt
from workers.judge.dialects import Malformed, Refused
from workers.judge.discretion import discreet, mark_quotes

NAME = "llm/1"
OK, LIMITED = 200, 429
PAUSE_SECONDS = 0.5  # before a second try, twice that before a third; with jitter
TROUBLE_CHARACTERS = 200
RETRY_AFTER_MAX_SECONDS = 20.0  # who says “later” than that is asked at the sweep's pace


class _Remark(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    label: str
    flaw: str
    grade: Grade


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    entries: list[_Remark]
    ranking: list[str]


def ask(brief: Brief, model: str, nonce: str, tried: int = 0) -> Answer:
    """Ask a model for a ballot, once.

    Args:
        brief: what it is about.
        model: whom to ask, as its server calls it.
        nonce: letters and digits that nobody could know before.
        tried: how often it was asked for this ballot; the pause before the next try grows with it.
    """
    written = prompt.write(brief, nonce)
    begun = time.monotonic()
    answer = _ask(brief, model, written, PAUSE_SECONDS * 2**tried * random.uniform(0.5, 1.5))  # noqa: S311
    milliseconds = round((time.monotonic() - begun) * 1000)
    return replace(answer, prompt_hash=written.hash, milliseconds=milliseconds)


def _ask(brief: Brief, model: str, written: prompt.Prompt, pause_seconds: float) -> Answer:
    try:
        heard = dialects.post(settings(), model, written)
    except TimeoutError as error:
        return Answer("timeout", pause_seconds=pause_seconds, trouble=str(error))
    except ConnectionError as error:
        return Answer("failed", pause_seconds=pause_seconds, trouble=str(error))
    raw = _storable(heard.body.decode(errors="replace"))[:RAW_MAX]
    if heard.status != OK:
        outcome: Outcome = "limited" if heard.status == LIMITED else "failed"
        pause = max(pause_seconds, _seconds(heard.later))
        return Answer(outcome, raw=raw, pause_seconds=pause, trouble=f"it answered {heard.status}")
    answer = _read(brief, heard.body, raw)
    return answer if answer.outcome == "answered" else replace(answer, pause_seconds=pause_seconds)


def _read(brief: Brief, body: bytes, raw: str) -> Answer:
    """What a 200 is worth."""
    dialect = settings().llm_dialect
    said: Any = None
    try:
        said = json.loads(body)  # kept for its tokens, whatever else is wrong with it
        text = _storable(dialects.read(dialect, json.loads(body, object_pairs_hook=_once)))
        opinions = opinions_of(text, brief)
    except Refused as error:
        heard = Answer("refused", raw=raw, trouble=_line(f"it refused: {error}", TROUBLE_CHARACTERS))
    except (Malformed, ValueError, RecursionError) as error:
        heard = Answer("invalid", raw=raw, trouble=_line(f"no ballot: {error}", TROUBLE_CHARACTERS))
    else:
        heard = Answer("answered", mark_quotes(opinions, brief), raw=text[:RAW_MAX])
    read, written = dialects.tokens(dialect, said)
    return replace(heard, input_tokens=read, output_tokens=written)


def opinions_of(text: str, brief: Brief) -> dict[str, Opinion]:
    """The ballot that a verdict in JSON is.

    Raises:
        Malformed: it is no verdict, or not on exactly these entries.
    """
    try:
        # Half a surrogate pair, which JSON can spell out, is no reason to lose a ballot.
        told = json.loads(text, object_pairs_hook=_once)
        said = json.dumps(told, ensure_ascii=False).encode(errors="replace")
        verdict = _Verdict.model_validate_json(said)
    except json.JSONDecodeError:
        raise Malformed("it is not JSON") from None
    except ValidationError as error:
        raise Malformed(f"{error.errors(include_input=False, include_url=False)[0]['msg']}") from None
    labels = sorted(candidate.label for candidate in brief.candidates)
    if sorted(verdict.ranking) != labels:
        raise Malformed("the ranking is not a permutation of the labels")
    if sorted(remark.label for remark in verdict.entries) != labels:
        raise Malformed("the remarks are not on exactly these labels")
    return {
        remark.label: Opinion(
            1 + verdict.ranking.index(remark.label),
            remark.grade,
            discreet(_flaw(remark.flaw), remark.label, brief),
        )
        for remark in verdict.entries
    }


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of a key that stands twice in it nobody could say which one was meant."""
    told = dict(pairs)
    if len(told) < len(pairs):
        raise Malformed("a key stands twice in an object of it")
    return told


def _flaw(told: str) -> str:
    return _line(told, prompt.FLAW_CHARACTERS) or "No flaw was named."


def _line(told: str, most: int) -> str:
    """One line without signs that nobody sees; joiners inside a word or an emoji stay."""
    shown = "".join(c for c in " ".join(told.split()) if c.isprintable() or c in "\u200c\u200d")
    return " ".join(shown.split())[:most].strip()


def _storable(text: str) -> str:
    """Without what PostgreSQL cannot keep, or a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    told = text.encode(errors="replace").decode()
    return "".join(c for c in told if c in "\n\t" or unicodedata.category(c) != "Cc")


def _seconds(later: str) -> float:
    """The seconds that a Retry-After asks for, which is a number or a date; 0 for anything else."""
    told = later.strip()
    try:
        seconds = float(told) if told.replace(".", "", 1).isdecimal() else _until(told)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), RETRY_AFTER_MAX_SECONDS)


def _until(date: str) -> float:
    return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
