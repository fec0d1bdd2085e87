"""Pure judgement: what a judge is asked, what it answers, and how ballots become one verdict.

Nothing here touches a database, a clock or a network: same input, same output.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, get_args
from uuid import UUID

from models.packs import Pack
from models.texts import blank

Grade = Literal["S", "A", "B", "C", "D", "F"]

GRADES: tuple[Grade, ...] = get_args(Grade)  # best first


@dataclass(frozen=True)
class Attached:
    """A file of an entry. `text`: its content; None where it is no text, is lost, or was not read."""

    name: str
    content_type: str
    size: int
    text: str | None = None


@dataclass(frozen=True)
class Candidate:
    """One anonymous entry in front of a judge: a label that says nothing, its text, and its files."""

    label: str
    text: str
    files: tuple[Attached, ...] = ()

    @property
    def whole(self) -> str:
        """The text, and below it each file under a line that says what it is."""
        parts = [] if blank(self.text) else [self.text]
        for file in self.files:
            line = f"[{file.name}, {file.content_type}, {file.size} bytes]"
            parts.append(f"{line}\n{file.text or ''}".strip())
        return "\n\n".join(parts)


@dataclass(frozen=True)
class Brief:
    """All a judge may know for one ballot, the candidates in the order to be read."""

    prompt: str
    pack: Pack
    candidates: tuple[Candidate, ...]

    def with_files(self, files: Mapping[str, tuple[Attached, ...]]) -> "Brief":
        """Return the brief with these files on its candidates, by label."""
        candidates = tuple(replace(c, files=files.get(c.label, ())) for c in self.candidates)
        return replace(self, candidates=candidates)

    def digest(self, **further: object) -> str:
        """Return the SHA-256 of prompt, pack, labels and texts, and of whatever else goes in with them.

        The content of files is not in it: it may be read later.
        """
        fields = {
            "prompt": self.prompt,
            "pack": self.pack,
            "candidates": [{"label": c.label, "text": c.text} for c in self.candidates],
        }
        return hashlib.sha256(json.dumps({**fields, **further}, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Opinion:
    """What one ballot says of one entry. `place` 1 is best; equal places are a tie.

    `quotes`: the rationale quotes an entry, so the public does not read it.
    """

    place: int
    grade: Grade
    rationale: str
    quotes: bool = False


@dataclass(frozen=True)
class Ranked:
    """One entry in the verdict. `score` is the share of its duels won over all ballots, 0 to 1.

    `quotes`: as that of the opinion whose rationale it has.
    """

    entry: UUID
    rank: int
    grade: Grade
    score: float
    rationale: str
    quotes: bool = False


@dataclass(frozen=True)
class Verdict:
    """Every entry once, best first. `agreement`: the share of ballots whose first place won."""

    ranking: tuple[Ranked, ...]
    agreement: float


def unusable(answer: Mapping[str, Opinion], labels: Sequence[str]) -> str | None:
    """What is wrong with an answer of a judge who was shown these labels; None for a good one."""
    if sorted(answer) != sorted(labels):
        return f"it speaks of {len(answer)} of {len(labels)} entries, or of others"
    for opinion in answer.values():
        if not 1 <= opinion.place <= len(labels):
            return f"it gives the place {opinion.place} among {len(labels)}"
        if opinion.grade not in GRADES:
            return f"it gives the grade {opinion.grade!r}"
    return None


def quorum(entries: int) -> int:
    """How many of the `entries` ballots are enough to decide: more than half."""
    return ceil((entries + 1) / 2)


def meets(grade: Grade, minimum: Grade) -> bool:
    """Whether `grade` is at least as good as `minimum`."""
    return GRADES.index(grade) <= GRADES.index(minimum)


def aggregate(ballots: Sequence[Mapping[UUID, Opinion]], arrival: Sequence[UUID]) -> Verdict:
    """One verdict from listwise ballots.

    Order: Borda points, then mean grade, then duels among those still equal, then who came first.
    Grades are absolute, the mean letter of the ballots, levelled so that a better rank never has
    a worse one; never a curve.

    Args:
        ballots: at least one; each speaks of every entry in `arrival`.
        arrival: the entries, earliest last revision first.
    """
    points = {entry: sum(_duels(ballot, entry, arrival) for ballot in ballots) for entry in arrival}
    marks = {entry: _mean_mark(ballots, entry) for entry in arrival}

    def rivals(entry: UUID) -> list[UUID]:
        return [other for other in arrival if (points[other], marks[other]) == (points[entry], marks[entry])]

    order = sorted(  # stable: what is equal to the end stays in order of arrival
        arrival,
        key=lambda e: (-points[e], marks[e], -sum(_duels(ballot, e, rivals(e)) for ballot in ballots)),
    )
    grades = _levelled([marks[entry] for entry in order])
    most = 2 * len(ballots) * max(1, len(arrival) - 1)
    closest = [_closest(ballots, entry, rank) for rank, entry in enumerate(order, start=1)]
    return Verdict(
        ranking=tuple(
            Ranked(entry, rank, grade, points[entry] / most, opinion.rationale, opinion.quotes)
            for rank, (entry, grade, opinion) in enumerate(zip(order, grades, closest, strict=True), start=1)
        ),
        agreement=sum(ballot[order[0]].place == 1 for ballot in ballots) / len(ballots),
    )


def _duels(ballot: Mapping[UUID, Opinion], entry: UUID, field: Sequence[UUID]) -> int:
    """Two points for each of `field` that `entry` beats in this ballot, one for each tie."""
    mine = ballot[entry].place
    return sum(2 * (mine < ballot[o].place) + (mine == ballot[o].place) for o in field if o != entry)


def _mean_mark(ballots: Sequence[Mapping[UUID, Opinion]], entry: UUID) -> float:
    return sum(GRADES.index(ballot[entry].grade) for ballot in ballots) / len(ballots)


def _levelled(marks: Sequence[float]) -> list[Grade]:
    """Letters for `marks` in rank order: the closest sequence that never improves downwards.

    Pool adjacent violators: neighbours in the wrong order share their mean.
    """
    pools: list[tuple[float, int]] = []
    for mark in marks:
        total, size = mark, 1
        while pools and pools[-1][0] / pools[-1][1] > total / size:
            above, count = pools.pop()
            total, size = total + above, size + count
        pools.append((total, size))
    return [GRADES[int(total / size + 0.5)] for total, size in pools for _ in range(size)]


def _closest(ballots: Sequence[Mapping[UUID, Opinion]], entry: UUID, rank: int) -> Opinion:
    """Return the opinion of the ballot that placed the entry closest to its rank."""
    return min(ballots, key=lambda ballot: abs(ballot[entry].place - rank))[entry]
