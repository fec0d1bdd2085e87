"""Lists that people rated, and injections: JSON Lines, read with file and line in every complaint."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
)

from models import validation
from models.packs import Pack
from models.texts import Storable

ENTRIES_MAX = 50  # of a list, as of a drop: each is a ballot, and labels and prompts are made for these

T = TypeVar("T")
Line = TypeVar("Line", bound="_Line")


class DataError(ValueError):
    """A file that cannot be used: which one, which line of it, and why."""


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, ignored_types=(cached_property,))

    id: Storable = Field(min_length=1)


def _written(text: Any) -> Any:
    """An answer that is a number or a truth as JSON writes it: tools that pack lists take some for such."""
    return json.dumps(text) if isinstance(text, bool | int | float) else text


class Submission(BaseModel):
    """An entry and how people rated it: more is better."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    text: Annotated[Storable, BeforeValidator(_written)]
    score: FiniteFloat


def _telling(submissions: Sequence[Submission]) -> Sequence[Submission]:
    if len({entry.score for entry in submissions}) == 1:
        raise ValueError("all scores are equal, so that no entry is the best")
    return submissions


class Rated(_Line):
    """A prompt and the entries that people rated."""

    pack: Pack
    prompt: Storable = Field(min_length=1)
    submissions: Annotated[
        list[Submission], Field(min_length=2, max_length=ENTRIES_MAX), AfterValidator(_telling)
    ]

    @cached_property
    def best(self) -> list[int]:
        """The places in the list of the entries that nothing is rated above."""
        highest = max(entry.score for entry in self.submissions)
        return [place for place, entry in enumerate(self.submissions) if entry.score == highest]

    @property
    def worst(self) -> int:
        """The place in the list of the entry with the lowest score; of several, the first."""
        return min(range(len(self.submissions)), key=lambda place: self.submissions[place].score)


class Injection(_Line):
    """A text that wants to talk a judge into a win; `{SELF}` in it is where an entry names itself."""

    text: Storable = Field(min_length=1)
    mode: Literal["append", "replace", "whole"]

    @property
    def key(self) -> str:
        """Its id and what it is: in another file the same id may be another text."""
        return f"{self.id}@{sha256(f'{self.mode}:{self.text}'.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class File:
    """A file of lists. `digest`: the SHA-256 of all that is in it."""

    name: str
    digest: str
    lists: Sequence[Rated]


def files(where: Path) -> tuple[list[File], list[str]]:
    """The files of lists in a folder, or the one file; and the names of those that hold something else.

    Raises:
        DataError: a list cannot be used, or there is none.
    """
    found, others = [], []
    for path in sorted(where.glob("*.jsonl")) if where.is_dir() else [where]:
        rows, digest = _read(path)
        if where.is_dir() and rows and "submissions" not in rows[0][1]:
            others.append(path.name)
            continue
        found.append(File(path.name, digest, _validated(path, rows, Rated)))
    if not found:
        raise DataError(f"{where}: no *.jsonl in it holds lists of entries")
    return found, others


def injections(path: Path) -> list[Injection]:
    """The injections of a file.

    Raises:
        DataError: one cannot be used, or there is none.
    """
    return _validated(path, _read(path)[0], Injection)


def sample(items: Sequence[T], most: int | None, *seed: object) -> list[T]:
    """At most so many of them, in their order. A larger sample of the same seed has all of a smaller one."""
    if most is None or most >= len(items):
        return list(items)
    # Reproducible on purpose.
    order = Random(":".join(map(str, seed))).sample(range(len(items)), len(items))  # noqa: S311
    return [items[place] for place in sorted(order[:most])]


def _read(path: Path) -> tuple[list[tuple[int, dict[str, Any]]], str]:
    """Each line that is not blank, with its number, and the SHA-256 of the file."""
    try:
        told = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return list(_objects(path, told)), sha256(told).hexdigest()


def _objects(path: Path, told: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(told.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: no JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: no JSON object")
        yield number, row


def _validated(path: Path, rows: list[tuple[int, dict[str, Any]]], kind: type[Line]) -> list[Line]:
    seen: dict[str, int] = {}
    lines = []
    for number, row in rows:
        try:
            line = kind.model_validate(row)
        except ValidationError as error:
            raise DataError(f"{path}, line {number}: {_first(error)}") from None
        if line.id in seen:
            raise DataError(f"{path}, line {number}: the id {line.id!r} stands in line {seen[line.id]}, too")
        seen[line.id] = number
        lines.append(line)
    if not lines:
        raise DataError(f"{path}: there is nothing in it")
    return lines


def _first(error: ValidationError) -> str:
    wrong = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in wrong["loc"])
    return f"{where}: {validation.message(wrong)}"
