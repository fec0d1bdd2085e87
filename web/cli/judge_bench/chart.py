"""A picture of the top-1 of each file: bars, their intervals, and where chance is. Wants matplotlib."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

from web.cli.judge_bench.figures import Figures
from web.cli.judge_bench.report import Report

INK, MUTED, BAR, CHANCE = "#1f2430", "#6b7280", "#4f6bed", "#d1495b"
DOTS_PER_INCH = 160
ROW_INCHES, FRAME_INCHES, WIDTH_INCHES = 0.75, 1.9, 8.0
JUDGE_CHARACTERS = 70  # that the width has room for


def possible() -> bool:
    """Whether a chart can be drawn here."""
    return find_spec("matplotlib") is not None


def draw(report: Report, path: Path) -> None:
    """Write the PNG.

    Raises:
        OSError: it cannot be written there.
    """
    from matplotlib.figure import Figure

    parts = report.files
    size = (WIDTH_INCHES, FRAME_INCHES + ROW_INCHES * len(parts))
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    _bars(axes, parts)
    _frame(axes, parts)
    judge = shorten(", then ".join(report.run.models) or report.run.judge, JUDGE_CHARACTERS, placeholder="…")
    figure.suptitle(
        f"How often the best entry is ranked first\nby {judge}",
        x=0.015,
        ha="left",
        color=INK,
        fontsize=12.5,
        fontweight="bold",
        linespacing=1.4,
        parse_math=False,
    )
    figure.savefig(path, format="png")


def _bars(axes: Any, parts: Sequence[Figures]) -> None:
    for row, part in enumerate(parts):
        share, chance = 100 * part.top1.value, 100 * part.chance
        reach = [[share - 100 * part.top1.low], [100 * part.top1.high - share]]
        axes.barh(row, share, height=0.56, color=BAR, alpha=0.9, zorder=2)
        axes.errorbar(
            share, row, xerr=reach, color=INK, capsize=4, lw=1.4, zorder=4, label="95 % interval" * (row == 0)
        )
        axes.plot(
            [chance] * 2,
            [row - 0.38, row + 0.38],
            color=CHANCE,
            lw=2.4,
            zorder=3,
            label="chance" * (row == 0),
        )
        axes.annotate(
            f"{share:.0f} %",
            (100 * part.top1.high, row),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=11,
            fontweight="bold",
        )


def _frame(axes: Any, parts: Sequence[Figures]) -> None:
    names = [
        f"{part.name.removesuffix('.jsonl')}\n{part.lists} list{'s' * (part.lists != 1)}" for part in parts
    ]
    axes.set_yticks(range(len(parts)), names, color=INK, parse_math=False)
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_xlim(0, 108)  # room for a figure beside the interval
    axes.set_xticks(range(0, 101, 20), [f"{share} %" for share in range(0, 101, 20)], color=MUTED)
    axes.tick_params(length=0)
    axes.grid(axis="x", color="#e5e7eb", zorder=0)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("share of lists whose best entry by people's ratings is ranked first", color=MUTED)
    axes.legend(loc="lower right", frameon=False, ncols=2, bbox_to_anchor=(1.0, 1.0), labelcolor=INK)
