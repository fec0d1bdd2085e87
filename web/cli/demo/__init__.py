"""`clorp demo`: a market on this machine, from the first drop to the last cent, in half a minute."""

import json
import shutil
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from web.cli.background import BackgroundError, System, running, tail
from web.cli.client.waiting import anim_option
from web.cli.commands import Command
from web.cli.demo import stage
from web.cli.demo.cast import acts
from web.cli.demo.story import Story

# Windows of seconds, so that nobody waits, and a screen that asks for the drops eight times a second.
# Everything else is as in production.
_SETTINGS = {"CLORP_TIME_LIMIT_MIN_SECONDS": "5", "CLORP_RATE_LIMITS": "off"}


@click.command(cls=Command, examples=("clorp demo", "clorp demo --keep"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object at the end instead of a show.")
@click.option("--keep", is_flag=True, help="Go on running after the show, until Ctrl-C.")
@anim_option
def demo(as_json: bool, keep: bool, no_anim: bool) -> None:
    """Watch drops being posted, fought over, judged and paid, on a system of its own."""
    console = Console(stderr=as_json, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="clorp-demo-"))
    try:
        with ExitStack() as stack:
            with _starting(console, no_anim):
                system = stack.enter_context(running(folder, _SETTINGS))
            well = _show(console, system, as_json, no_anim)
            if keep and well:
                console.print(f"still running: {system.api_url}; Ctrl-C ends it")
                _wait_for_ctrl_c()
    except (BackgroundError, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if well else 1)


def _starting(console: Console, no_anim: bool) -> AbstractContextManager[object]:
    parts = "starting PostgreSQL, Valkey, the API, two workers and beat"
    if console.is_terminal and not no_anim:
        return console.status(parts)
    console.print(f"· {parts}")
    return nullcontext()


def _show(console: Console, system: System, as_json: bool, no_anim: bool) -> bool:
    live = console.is_terminal and not as_json and not no_anim

    def tell(event: str) -> None:
        if not live:
            console.print(f"· {event}")

    story = Story(system, tell)
    before = story.books()
    if live:
        with Live(console=console, refresh_per_second=12, auto_refresh=False) as screen:
            story.post(acts())
            story.play(lambda: screen.update(stage.arena(story.scenes), refresh=True))
    else:
        story.post(acts())
        story.play(lambda: None)
    if not (live or as_json):
        console.print(stage.arena(story.scenes))
    return _close(console, story, before, system, as_json)


def _close(console: Console, story: Story, before: dict[str, int], system: System, as_json: bool) -> bool:
    after, audit = story.books(), story.audit()
    well = not story.failures and not audit.violations
    if as_json:
        drops = [{**scene.job, "ranking": scene.ranking} for scene in story.scenes]
        result = {"well": well, "failures": story.failures, "drops": drops}
        click.echo(json.dumps({**result, "before": before, "after": after, "audit": asdict(audit)}))
        return well
    console.print(stage.books(before, after), stage.verdict(audit))
    if well:
        console.print("\nNext: [bold]make up[/] starts a market of your own; the README trades a drop in it.")
    else:
        console.print("\n".join(story.failures), tail(system.log), style="red")
    return well


def _wait_for_ctrl_c() -> None:
    try:
        while True:
            click.pause(info="")
    except KeyboardInterrupt:
        return
