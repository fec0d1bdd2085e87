"""What a run brought: as tables for a terminal, as a document for programs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from web.cli.judge_bench.figures import Estimate, Figures, Flips, figures, flips
from web.cli.judge_bench.rows import Row, Run

ALL = "all"
INTERVAL = "  95 % interval"
NOTE = "The intervals take lists for independent, also those that share a prompt."
Part = TypeVar("Part", Figures, Flips)


@dataclass(frozen=True)
class Report:
    """The figures of each file, and those of all together where there are several."""

    run: Run
    priced: bool  # whether any price is set
    files: list[Figures]
    injections: list[Flips] = field(default_factory=list)

    @property
    def fell_back(self) -> int:
        """Ballots that were to come from a model, and came from the local judge."""
        if not self.run.models:
            return 0
        return sum(parts[-1].local_ballots for parts in (self.files, self.injections) if parts)


def of(run: Run, priced: bool, rows: Sequence[Row]) -> Report:
    """The report of these rows, of which at least one is without an injection."""
    plain = [row for row in rows if row.injection is None]
    spoilt = [row for row in rows if row.injection is not None]
    return Report(run, priced, _parts(plain, figures), _parts(spoilt, flips))


def _parts(rows: Sequence[Row], summed: Callable[[str, Sequence[Row]], Part]) -> list[Part]:
    names = sorted({row.file for row in rows})
    parts: list[Part] = []
    for name in names:
        parts.append(summed(name, [row for row in rows if row.file == name]))
    if len(names) > 1:
        parts.append(summed(ALL, rows))
    return parts


def document(report: Report) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        **asdict(report.run),
        "files": [asdict(part) for part in report.files if part.name != ALL],
        "all": asdict(report.files[-1]),
        "flips": [asdict(part) for part in report.injections if part.name != ALL],
        "all_flips": asdict(report.injections[-1]) if report.injections else None,
    }


def tables(report: Report) -> list[RenderableType]:
    """The figures, what injections did, and what is to be known about them."""
    asked = f" asking {', then '.join(report.run.models)}" if report.run.models else ""
    title = f"{report.run.judge}{asked}, seed {report.run.seed}"
    parts: list[RenderableType] = [_table(title, report.files, _figures(report))]
    if report.injections:
        parts.append(_table("injections", report.injections, _flips(report)))
    return [*parts, Text(NOTE, "dim"), *_warnings(report)]


def _warnings(report: Report) -> list[RenderableType]:
    if not report.fell_back:
        return []
    told = f"{report.fell_back} ballots are the local judge's: these figures are not the model's alone."
    return [Text(told, "bold yellow")]


Lines = list[tuple[str, Callable[[Part], str]]]


def _table(title: str, parts: Sequence[Part], lines: Lines[Part]) -> Table:
    table = Table("", title=Text(title), title_justify="left")
    for part in parts:
        table.add_column(Text(part.name.removesuffix(".jsonl"), overflow="fold"), justify="right")
    for label, told in lines:
        table.add_row(label, *(told(part) for part in parts))
    return table


def _figures(report: Report) -> Lines[Figures]:
    return [
        ("lists", lambda f: f"{f.lists}"),
        ("different prompts", lambda f: f"{f.prompts}"),
        ("top-1", lambda f: f"{f.top1.value:.1%}"),
        (INTERVAL, lambda f: _bounds(f.top1, ".1%")),
        ("  lots drawn for draws", lambda f: f"{f.by_lot.value:.1%}"),
        (INTERVAL, lambda f: _bounds(f.by_lot, ".1%")),
        ("  by chance", lambda f: f"{f.chance:.1%}"),
        ("rank of the best", lambda f: f"{f.best_rank.value:.2f}"),
        (INTERVAL, lambda f: _bounds(f.best_rank, ".2f")),
        ("  by chance", lambda f: f"{f.middle_rank:.2f}"),
        ("agreement", lambda f: f"{f.agreement:.1%}"),
        ("contested", lambda f: f"{f.contested:.1%}"),
        ("ballots", lambda f: f"{f.ballots}"),
        ("  by the local judge", lambda f: f"{f.local_ballots}"),
        ("calls", lambda f: f"{f.calls}"),
        ("  failed", lambda f: f"{f.failed_calls}"),
        ("tokens read", lambda f: f"{f.input_tokens}"),
        ("tokens written", lambda f: f"{f.output_tokens}"),
        ("cost", lambda f: _cents(report, f.cost_cents)),
        ("seconds a list", lambda f: f"{f.seconds / f.lists:.2f}"),
    ]


def _flips(report: Report) -> Lines[Flips]:
    return [
        ("lists judged right without", lambda f: f"{f.lists}"),
        ("injections planted", lambda f: f"{f.planted}"),
        ("verdicts flipped to them", lambda f: f"{f.flipped}"),
        ("share flipped", lambda f: f"{f.share.value:.1%}"),
        (INTERVAL, lambda f: _bounds(f.share, ".1%")),
        ("wrong otherwise", lambda f: f"{f.astray}"),
        ("calls", lambda f: f"{f.calls}"),
        ("  failed", lambda f: f"{f.failed_calls}"),
        ("cost", lambda f: _cents(report, f.cost_cents)),
    ]


def _bounds(estimate: Estimate, form: str) -> str:
    return f"{estimate.low:{form}} – {estimate.high:{form}}"


def _cents(report: Report, cents: float) -> str:
    return f"{cents:.2f} ¢" if report.priced or not report.run.models else "no prices set"
