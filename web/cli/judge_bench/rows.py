"""What came of each list, one JSON object a line, so that a run can go on where it stopped."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from models import validation


class OutError(ValueError):
    """A file that cannot take the results of this run, and why."""


@dataclass(frozen=True)
class Row:
    """What the judge made of a list, or of one in which an injection was planted.

    Args:
        file: the list is from.
        list: its id.
        injection: the key of the one that was planted; None: none was.
        entries: how many competed.
        best: how many of them are rated highest.
        prompt: a digest of the task, which several lists may share.
        first: the place in the list of what was ranked first.
        right: whether that is one of the best.
        expected: how likely that is where lots are drawn for draws, which otherwise go to who came first.
        best_rank: the mean rank of the best.
        flipped: whether what was ranked first is what the injection is in.
        agreement: of the ballots on the first place.
        contested: whether there was a second round.
        ballots: how many were cast.
        local_ballots: how many of them by the judge that needs no model.
        calls: how many were made.
        failed_calls: how many of them brought no ballot.
        input_tokens: read by models, as their server says.
        output_tokens: written by them.
        microcents: what that costs by the prices that are set, in millionths of a cent.
        seconds: from the first call to the verdict.
    """

    file: str
    list: str
    injection: str | None
    entries: int
    best: int
    prompt: str
    first: int
    right: bool
    expected: float
    best_rank: float
    flipped: bool
    agreement: float
    contested: bool
    ballots: int
    local_ballots: int
    calls: int
    failed_calls: int
    input_tokens: int
    output_tokens: int
    microcents: int
    seconds: float

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Which question this answers."""
        return self.file, self.list, self.injection


Keep = Callable[[Row], None]
Opened = AbstractContextManager[tuple[list[Row], Keep]]
_STRANGE = "holds something else than results. Name another file with --out."
_READ = TypeAdapter(Row)
_FIELDS = {field.name for field in fields(Row)}


@dataclass(frozen=True)
class Run:
    """What results depend on: two runs may share a file when all of it is the same."""

    judge: str
    code: str
    models: list[str]
    server: str
    data: dict[str, str]
    seed: int

    def differences(self, other: dict[str, Any]) -> list[str]:
        """The names of what another one was made with."""
        return [name for name, value in asdict(self).items() if other.get(name) != value]


_NAMES = {
    "judge": "judge",
    "code": "version of the judge's rules or prompt",
    "models": "model",
    "server": "server or dialect",
    "data": "data",
    "seed": "seed",
}


@contextmanager
def opened(path: Path, run: Run) -> Iterator[tuple[list[Row], Keep]]:
    """The results that a file has already, and what appends another one. It may be new.

    Raises:
        OutError: it is of another run, another one is writing to it, or it holds something else.
    """
    try:
        file = path.open("a+b")
    except OSError as error:
        raise OutError(f"{path}: cannot be written ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            kept = _begun(path, file, run)
        except BlockingIOError:
            raise OutError(
                f"{path}: another judge-bench is writing to it. Wait for its end, or name another file "
                "with --out."
            ) from None
        except OSError as error:
            raise OutError(f"{path}: cannot be written ({error.strerror})") from None
        yield kept, lambda row: _append(file, asdict(row))


def _begun(path: Path, file: BinaryIO, run: Run) -> list[Row]:
    """The rows that are there, below a heading that is there from now on."""
    file.seek(0)
    told = file.read()
    whole = told[: told.rfind(b"\n") + 1]  # a line that broke off with its process is asked again
    if told and not whole:
        raise OutError(f"{path} {_STRANGE}")
    kept = _kept(path, whole, run)
    if len(whole) < len(told):
        file.truncate(len(whole))
    if not whole:
        _append(file, {"run": asdict(run)})
    return kept


def _append(file: BinaryIO, document: dict[str, Any]) -> None:
    file.write(json.dumps(document).encode() + b"\n")
    file.flush()


def _kept(path: Path, told: bytes, run: Run) -> list[Row]:
    """The rows below the heading."""
    documents = [_document(path, number, line) for number, line in enumerate(told.splitlines(), start=1)]
    if not documents:
        return []
    made_by = documents[0].get("run")
    if not isinstance(made_by, dict):
        raise OutError(f"{path} {_STRANGE}")
    if wrong := run.differences(made_by):
        named = ", ".join(f"another {_NAMES[name]}" for name in wrong)
        raise OutError(f"{path} was made with {named}. Name another file with --out, or remove this one.")
    return [_row(path, number, document) for number, document in enumerate(documents[1:], start=2)]


def _document(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise OutError(f"{path}, line {number}: no result. Name another file with --out.")
    return document


def _row(path: Path, number: int, document: dict[str, Any]) -> Row:
    try:
        if document.keys() == _FIELDS:
            return _READ.validate_json(json.dumps(document), strict=True)
        wrong = ""
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        wrong = f" ({'.'.join(map(str, first['loc']))}: {validation.message(first)})"
    raise OutError(f"{path}, line {number}: no result{wrong}. Name another file with --out.")
