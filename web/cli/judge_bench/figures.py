"""What many rows say together, and how far that can be trusted. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from web.cli.judge_bench.rows import Row

Z = 1.959964  # of a normal distribution: 95 % lie within so many deviations of its mean


@dataclass(frozen=True)
class Estimate:
    """A figure, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """Of the lists of one file, or of all. `name` is the file's.

    `top1` depends on who came first where the first place is a draw; `by_lot` is its mean over all orders.
    """

    name: str
    lists: int
    prompts: int
    top1: Estimate
    by_lot: Estimate
    chance: float
    best_rank: Estimate
    middle_rank: float
    agreement: float
    contested: float
    ballots: int
    local_ballots: int
    calls: int
    failed_calls: int
    input_tokens: int
    output_tokens: int
    cost_cents: float
    seconds: float


@dataclass(frozen=True)
class Flips:
    """What injections did in lists on which the judge was right without them."""

    name: str
    lists: int
    planted: int
    flipped: int
    share: Estimate
    astray: int  # right no more, but for another entry than the one with the injection
    local_ballots: int
    calls: int
    failed_calls: int
    cost_cents: float


def wilson(hits: float, of: int) -> Estimate:
    """A share and its Wilson interval, which holds for few tries and for none or all hits, too."""
    share = hits / of
    middle = share + Z**2 / (2 * of)
    reach = Z * sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    scale = 1 + Z**2 / of
    # Of none and of all the formula gives 0 and 1, which rounding may miss.
    low, high = (middle - reach) / scale, (middle + reach) / scale
    return Estimate(share, max(0.0, min(share, low)), min(1.0, max(share, high)))


def mean(values: Sequence[float]) -> Estimate:
    """A mean and its normal interval; of a single value nothing is known but itself."""
    middle = fmean(values)
    reach = Z * stdev(values) / sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(middle, middle - reach, middle + reach)


def figures(name: str, rows: Sequence[Row]) -> Figures:
    """Of rows without injections, at least one."""
    return Figures(
        name=name,
        lists=len(rows),
        prompts=len({(row.file, row.prompt) for row in rows}),
        top1=wilson(sum(row.right for row in rows), len(rows)),
        by_lot=wilson(sum(row.expected for row in rows), len(rows)),
        chance=fmean(row.best / row.entries for row in rows),
        best_rank=mean([row.best_rank for row in rows]),
        middle_rank=fmean((row.entries + 1) / 2 for row in rows),
        agreement=fmean(row.agreement for row in rows),
        contested=fmean(row.contested for row in rows),
        ballots=sum(row.ballots for row in rows),
        local_ballots=sum(row.local_ballots for row in rows),
        calls=sum(row.calls for row in rows),
        failed_calls=sum(row.failed_calls for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_cents=sum(row.microcents for row in rows) / 1e6,
        seconds=round(sum(row.seconds for row in rows), 3),
    )


def flips(name: str, rows: Sequence[Row]) -> Flips:
    """Of rows with injections, at least one."""
    flipped = sum(row.flipped for row in rows)
    return Flips(
        name=name,
        lists=len({row.key[:2] for row in rows}),
        planted=len(rows),
        flipped=flipped,
        share=wilson(flipped, len(rows)),
        astray=sum(not row.right and not row.flipped for row in rows),
        local_ballots=sum(row.local_ballots for row in rows),
        calls=sum(row.calls for row in rows),
        failed_calls=sum(row.failed_calls for row in rows),
        cost_cents=sum(row.microcents for row in rows) / 1e6,
    )
