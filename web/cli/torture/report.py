"""What a run brought: as tables for a terminal, as a document for programs, as Markdown for a page."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from web.cli.torture.calling import at_once
from web.cli.torture.faults import FAULTS
from web.cli.torture.run import Outcome

CALLS = ("create", "pay", "claim", "submit", "cancel")  # what must work whatever happens
BREACHES_SHOWN = 20
NAMED_MAX = 3  # kinds of faults in a heading; more are counted
_PERCENTILES = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))


def faults() -> RenderableType:
    """Every fault and what it does."""
    table = Table("fault", "what it does", box=None, pad_edge=False)
    for fault in FAULTS.values():
        table.add_row(fault.name, fault.about)
    return table


def tables(outcome: Outcome) -> list[RenderableType]:
    """The faults, the figures, and the verdict."""
    struck = Table("fault", "struck", "missed", title="faults", title_justify="left")
    for name in sorted(outcome.struck | outcome.missed):
        struck.add_row(name, str(outcome.struck[name]), str(outcome.missed[name] or ""))
    figures = Table(show_header=False, title="figures", title_justify="left")
    for name, value in _figures(outcome):
        figures.add_row(name, value)
    parts: list[RenderableType] = [struck] if outcome.struck or outcome.missed else []
    return [*parts, figures, _verdict(outcome)]


def document(outcome: Outcome) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "well": outcome.well,
        "seconds": outcome.plan.seconds,
        "seed": outcome.plan.seed,
        "drops": dict(outcome.drops),
        "faults": dict(outcome.struck),
        "missed": dict(outcome.missed),
        "close_to_paid_seconds": {name: outcome.latency(share) for name, share in _PERCENTILES},
        "settled_seconds": outcome.settled_seconds,
        "availability": {kind: at_once([record]) for kind, record in sorted(outcome.availability.items())},
        "requests": outcome.tries,
        "snapshots": outcome.snapshots,
        "breaches": outcome.breaches,
    }


def markdown(outcome: Outcome) -> str:
    """One run as a section of a page."""
    plan = outcome.plan
    kinds = f"a fault each {plan.every:g} s: {_kinds(plan.faults)}" if plan.faults else "no faults"
    rows = "\n".join(f"| {name} | {value} |" for name, value in _figures(outcome))
    end = "No breach." if outcome.well else "\n".join(f"- **{breach}**" for breach in outcome.breaches)
    return (
        f"**{plan.seconds:g} s, seed {plan.seed}, {kinds}** ({machine()}; {commit()})\n\n"
        f"| | |\n|---|---|\n{rows}\n\n{end}\n"
    )


def _kinds(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED_MAX else f"{len(names)} kinds"


def machine() -> str:
    """The machine in a few words."""
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, {python}"


def commit() -> str:
    """The commit that runs, or the version where there is no repository."""
    where = Path(__file__).parent
    command = ["git", "-C", str(where), "rev-parse", "--short=9", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"version {version('clorp')}"


def _figures(outcome: Outcome) -> list[tuple[str, str]]:
    ends = ", ".join(f"{count} {status}" for status, count in outcome.drops.most_common())
    figures = [
        ("drops", f"{outcome.drops.total()}: {ends}"),
        ("faults", f"{outcome.struck.total()}"),
        ("close → paid", _percentiles(outcome)),
        ("everything ended", _after(outcome.settled_seconds)),
        ("requests", f"{outcome.tries}, retries included"),
        ("snapshots checked", f"{outcome.snapshots}"),
    ]
    known = {kind: outcome.availability[kind] for kind in CALLS if kind in outcome.availability}
    figures += [(f"{kind} answered at once", f"{at_once([r]):.2%} of {r.asked}") for kind, r in known.items()]
    return [*figures, ("all of these", f"{at_once(known.values()):.2%}")]


def _percentiles(outcome: Outcome) -> str:
    return ", ".join(f"{name} {outcome.latency(at) or 0:.2f} s" for name, at in _PERCENTILES)


def _after(seconds: float | None) -> str:
    return "no" if seconds is None else f"{seconds:.1f} s after the last fault"


def _verdict(outcome: Outcome) -> Text:
    if outcome.well:
        return Text("no breach: every promise was kept", "bold green")
    shown = outcome.breaches[:BREACHES_SHOWN]
    more = [f"and {len(outcome.breaches) - len(shown)} more"] if len(outcome.breaches) > len(shown) else []
    return Text("\n".join([f"{len(outcome.breaches)} breaches", *shown, *more]), "bold red")
