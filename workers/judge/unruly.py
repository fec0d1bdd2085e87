"""The local judge with faults on demand: for `clorp torture`, which has to see what a bad judge does.

Its orders are a file in the data folder, `unruly.json`: which fault, and until when. Each call is noted in
`unruly.calls`, so that a call for a ballot that was stored already can be found. All by the monotonic clock,
which every process of a machine shares and nobody sets.
"""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal, get_args

from models.grades import Brief, Opinion
from workers.judge.local import LocalJudge

Mood = Literal["hangs", "lies", "wavers", "dies"]
MOODS: tuple[Mood, ...] = get_args(Mood)
HANG_SECONDS = 3600.0  # for good: whoever waits has to give up


class UnrulyJudge:
    """Does as it is ordered; without an order, and after its time, it is the local judge."""

    name = "unruly/1"

    def __init__(self, data: Path) -> None:
        self._data = data

    def ballot(self, brief: Brief) -> dict[str, Opinion]:
        """One opinion for each label, unless an order says otherwise."""
        note_call(self._data, brief.digest())
        mood = _ordered(self._data)
        if mood == "hangs":
            time.sleep(HANG_SECONDS)
        if mood == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = LocalJudge().ballot(brief)
        if mood == "lies":
            return _lie(answer)
        return _waver(answer) if mood == "wavers" else answer


def order(data: Path, mood: Mood, seconds: float) -> None:
    """Have every judge of this folder behave like that for a while."""
    unfinished = data / "unruly.new"
    unfinished.write_text(json.dumps({"mood": mood, "until": time.monotonic() + seconds}))
    unfinished.replace(data / "unruly.json")


def note_call(data: Path, digest: str) -> None:
    """Note that a judge is asked now. One short line: appending it is atomic."""
    with (data / "unruly.calls").open("a") as file:
        file.write(f"{digest} {time.monotonic():.6f}\n")


def calls(data: Path) -> list[tuple[str, float]]:
    """Every call so far: the digest of what was asked, and when, in seconds since 1970."""
    path = data / "unruly.calls"
    lines = path.read_text().splitlines() if path.exists() else []
    begun = time.time() - time.monotonic()
    return [(digest, begun + float(at)) for digest, at in map(str.split, lines)]


def _ordered(data: Path) -> Mood | None:
    try:
        told = json.loads((data / "unruly.json").read_text())
    except FileNotFoundError:
        return None
    mood: Mood = told["mood"]
    return mood if time.monotonic() < told["until"] else None


def _lie(answer: dict[str, Opinion]) -> dict[str, Opinion]:
    """Labels that nobody showed, one of the others missing, a place that does not exist."""
    labels = list(answer)
    return {
        **{f"{label}?": answer[label] for label in labels[1:]},
        labels[0]: replace(answer[labels[0]], place=99),
    }


def _waver(answer: dict[str, Opinion]) -> dict[str, Opinion]:
    """Another ranking each time it is asked."""
    places = Random().sample(range(1, len(answer) + 1), len(answer))  # noqa: S311
    return {
        label: replace(opinion, place=place)
        for (label, opinion), place in zip(answer.items(), places, strict=True)
    }
