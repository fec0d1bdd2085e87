"""`clorp torture`: the whole system under load and faults, and whether anything was lost."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from web.cli.background import BackgroundError, ended_in_order
from web.cli.commands import Command
from web.cli.torture import report
from web.cli.torture.faults import FAULTS, possible
from web.cli.torture.plan import Plan
from web.cli.torture.run import Outcome, Progress, torture


class _Amount(click.FloatRange):
    """A number of seconds or of drops: neither endless nor none at all."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        return number if isfinite(number) else self.fail(f"{value} is no amount.", param, ctx)


def _names(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    if value in ("all", "none"):
        return tuple(FAULTS) if value == "all" else ()
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names:
        raise click.BadParameter(f"names no fault. There are: all, none, {', '.join(FAULTS)}.")
    if unknown := [name for name in names if name not in FAULTS]:
        raise click.BadParameter(f"no fault {', '.join(unknown)}. There are: all, none, {', '.join(FAULTS)}.")
    return names


@click.command(
    "torture",
    cls=Command,
    examples=("clorp torture --list", "clorp torture --seconds 300 --seed 2 --markdown > report.md"),
)
@click.option("--seconds", default=60.0, show_default=True, type=_Amount(1), help="Time under fire.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same drops, same order of faults.")
@click.option(
    "--faults", default="all", show_default=True, callback=_names, help="Comma list of names; all; none."
)
@click.option("--every", default=2.0, show_default=True, type=_Amount(0.1), help="Seconds between two.")
@click.option("--drops-per-second", default=8.0, show_default=True, type=_Amount(0.1), help="Load.")
@click.option("--list", "listing", is_flag=True, help="Only say which faults there are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--markdown", is_flag=True, help="The outcome as Markdown, with machine and version.")
@click.option("--keep", is_flag=True, help="Keep the folder, its log and its database.")
def command(
    seconds: float,
    seed: int,
    faults: tuple[str, ...],
    every: float,
    drops_per_second: float,
    listing: bool,
    as_json: bool,
    markdown: bool,
    keep: bool,
) -> None:
    """Put a whole system of its own under load and faults, and look whether anything is lost.

    Drops are posted, fought over, called off and paid over HTTP while processes are killed, servers
    frozen and messages doubled. Every promise is checked each second and at the end. Exit 0: all were kept.
    """
    console = Console(stderr=as_json or markdown, highlight=False)
    if listing:
        console.print(report.faults())
        return
    able, unable = possible(faults)
    if unable:
        console.print(f"left out, for libfaketime is not installed: {', '.join(unable)}")
    plan = Plan(seconds, seed, able, every, drops_per_second)
    with ended_in_order(), _folder(console, keep) as folder:
        try:
            outcome = _watch(console, plan, folder)
        except BackgroundError as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(report.document(outcome)))
    elif markdown:
        click.echo(report.markdown(outcome))
    else:
        console.print(*report.tables(outcome), sep="\n")
    sys.exit(0 if outcome.well else 1)


@contextmanager
def _folder(console: Console, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="clorp-torture-"))
    try:
        yield folder
    finally:
        if keep:
            console.print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _watch(console: Console, plan: Plan, folder: Path) -> Outcome:
    if not console.is_terminal:
        console.print(
            f"{plan.seconds:.0f} s under fire, seed {plan.seed}, {len(plan.faults)} kinds of faults"
        )
        return torture(plan, folder)
    with Live(Text("starting the system"), console=console, transient=True) as live:
        return torture(plan, folder, lambda progress: live.update(_line(progress)))


def _line(progress: Progress) -> Text:
    breaches = (f"{progress.breaches} breaches", "bold red" if progress.breaches else "green")
    told = f"{progress.phase}  {progress.seconds:5.1f} s  {progress.drops} drops  {progress.faults} faults  "
    return Text.assemble(told, breaches)
