"""The parts that answers are shown in: facts, rows, prose. Each reads well in a terminal and in a pipe.

A terminal gets aligned columns, short ids and relative times. A pipe gets one line a row with tabs between
the values, whole ids and exact times, so that `cut`, `grep` and `awk` work. What strangers wrote is shown as
text, never as markup.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from web.cli.client.texts import clean, relative, span
from web.client import Json

SHORT_ID = 13  # characters of an id in a table: the millisecond in which it was made, as 01a22147-8f6b
GAP = 2  # spaces between two columns
WIDE = 100  # columns of a terminal from which a table has all of its own
FLEXIBLE_MIN = 8  # characters that a column of free text keeps on a narrow terminal

# Columns of free text: they give way, with an ellipsis, where a row would be wider than the terminal.
_FLEXIBLE = frozenset({"title", "personality", "server", "agent", "winner", "user", "name"})


class Block(Protocol):
    """A part of an answer."""

    def rich(self) -> RenderableType:
        """Return it for a terminal."""

    def plain(self) -> str:
        """Return it for a pipe: lines without padding."""


@dataclass(frozen=True)
class Moment:
    """A time, `in 4 min 32 s` in a terminal and RFC 3339 in a pipe; None: there is none yet.

    `left`: seconds until then by the server's clock, where that is known better than by this machine's.
    """

    at: str | None
    left: float | None = None


@dataclass(frozen=True)
class Ident:
    """An id, short in a table of a terminal."""

    id: str | None


@dataclass(frozen=True)
class Styled:
    """A word with a style of its own in a terminal."""

    text: str
    style: str = ""


Value = Any  # a text, a number, one of the above, or None for nothing
_NOTHING: tuple[Any, ...] = (None, "", [], {}, Moment(None), Ident(None))


@dataclass(frozen=True)
class Facts:
    """Names and values, one a line; a value that is nothing is left out."""

    values: Json

    def rich(self) -> RenderableType:
        """Return names and values side by side; long values wrap beside their name."""
        grid = Table.grid(padding=(0, GAP))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in self._present():
            grid.add_row(Text(clean(name)), _text(value))
        return grid

    def plain(self) -> str:
        """Return a line for each, with a tab between name and value."""
        return "\n".join(f"{_flat(name)}\t{_flat(_exact(value))}" for name, value in self._present())

    def _present(self) -> list[tuple[str, Value]]:
        return [(name, value) for name, value in self.values.items() if value not in _NOTHING]


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and its value in a row.

    `wide`: left out in a terminal that is narrower than `WIDE`.
    """

    name: str
    value: Callable[[Json], Value]
    wide: bool = False


@dataclass(frozen=True)
class Rows:
    """A table, a line for each row; columns without any value are left out in a terminal."""

    rows: Sequence[Json]
    columns: Sequence[Column]
    nothing: str  # what a terminal shows where there are no rows

    def rich(self) -> RenderableType:
        """Return a table that is as wide as the terminal at most."""
        return self if self.rows else Text(self.nothing)

    def plain(self) -> str:
        """Return a line for each row, with tabs between the values and without a heading."""
        return "\n".join("\t".join(_flat(_exact(value)) for value in row) for row in self._cells())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it for a terminal of a known width."""
        cells = self._cells()
        shown = [
            number
            for number, column in enumerate(self.columns)
            if any(row[number] not in _NOTHING for row in cells)
            and (options.max_width >= WIDE or not column.wide)
        ]
        length = _short_length(value.id for row in cells for value in row if isinstance(value, Ident))
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
        for number in shown:
            name = self.columns[number].name
            flexible = name in _FLEXIBLE
            table.add_column(name, no_wrap=not flexible, min_width=FLEXIBLE_MIN if flexible else None)
        for row in cells:
            table.add_row(*(self._cell(number, row[number], length) for number in shown))
        yield table

    def _cells(self) -> list[list[Value]]:
        return [[column.value(row) for column in self.columns] for row in self.rows]

    def _cell(self, number: int, value: Value, id_length: int) -> Text:
        if isinstance(value, Ident):
            return Text((value.id or "–")[:id_length], "dim")
        text = Text("–") if value in _NOTHING else _text(value)
        text.plain = " ".join(text.plain.split())  # a row is one line
        if self.columns[number].name in _FLEXIBLE:
            text.no_wrap, text.overflow = True, "ellipsis"
        return text


@dataclass(frozen=True)
class Prose:
    """A text under a heading."""

    heading: str
    text: str
    style: str = ""

    def rich(self) -> RenderableType:
        """Return both, wrapped at the terminal's width."""
        return Group(Text(self.heading, "bold"), Text(clean(self.text.rstrip()), self.style))

    def plain(self) -> str:
        """Return both, the text as it is."""
        return f"{self.heading}\n{clean(self.text)}"


@dataclass(frozen=True)
class Lines:
    """Lines of text, each with a style."""

    lines: Sequence[Styled]

    def rich(self) -> RenderableType:
        """Return them below each other, wrapped at the terminal's width."""
        return Text("\n").join(_text(line) for line in self.lines)

    def plain(self) -> str:
        """Return them as they are."""
        return "\n".join(clean(line.text) for line in self.lines)


@dataclass(frozen=True)
class Blocks:
    """Several parts, with an empty line between them."""

    parts: Sequence[Block]

    def rich(self) -> RenderableType:
        """Return all of them."""
        with_gaps = [piece for part in self.parts for piece in (Text(), part.rich())]
        return Group(*with_gaps[1:])

    def plain(self) -> str:
        """Return all of them."""
        return "\n\n".join(part.plain() for part in self.parts)


def _text(value: Value) -> Text:
    """Return a value for people."""
    if isinstance(value, Styled):
        return Text(clean(value.text), value.style)
    if isinstance(value, Moment):
        return Text(relative(value.at) if value.left is None else f"in {span(value.left)}")
    return Text(clean(value.id if isinstance(value, Ident) else value))


def _exact(value: Value) -> str:
    """Return a value for programs."""
    if value in _NOTHING:
        return ""
    if isinstance(value, Styled):
        return value.text
    return str(getattr(value, "at", None) or getattr(value, "id", None) or value)


def _flat(text: object) -> str:
    """Return a text on one line, without tabs: they stand between values."""
    return " ".join(clean(text).split())


def _short_length(ids: Iterable[str | None]) -> int:
    """Return how many characters tell these ids apart, at least `SHORT_ID`."""
    distinct = sorted({one for one in ids if one})
    common = [
        next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
        for one, other in pairwise(distinct)
    ]
    return max([SHORT_ID, *(length + 1 for length in common)])
