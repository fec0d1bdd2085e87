"""`clorp admin rotate-keys`: everything sealed with an older encryption key goes under the first one."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from models import rotation
from models.rotation import Tally
from models.settings import settings
from web.cli.commands import Command
from web.cli.servers import connect, data_option, folder


@click.command(
    "rotate-keys",
    cls=Command,
    examples=("clorp admin rotate-keys", "CLORP_ENCRYPTION_KEYS=NEW,OLD clorp admin rotate-keys --json"),
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@data_option
def rotate_keys(as_json: bool, data: Path | None) -> None:
    """Seal every stored secret with the first of CLORP_ENCRYPTION_KEYS; exit 0 when all are under it.

    Put the new key in front of the old one, restart every process, run this, then take the old key away. A
    process that was not restarted goes on sealing with the old key, and does not know the new one. It may be
    interrupted and run again: what is done stays done.
    """
    if not settings().encryption_keys:
        raise click.ClickException(
            "Set CLORP_ENCRYPTION_KEYS to the new key, a comma and the old one; that of `clorp up` is in "
            f"{folder(data) / 'encryption.key'}."
        )
    connect(data)
    tallies = rotation.rotate(_show if sys.stderr.isatty() else lambda name, tally: None)
    complete = not any(tally.unreadable for tally in tallies.values())
    if as_json:
        rows = {name: asdict(tally) for name, tally in tallies.items()}
        click.echo(json.dumps({"complete": complete, "rows": rows}))
    else:
        _print(tallies, complete)
    sys.exit(0 if complete else 1)


def _show(name: str, tally: Tally) -> None:
    click.echo(f"\r{name}: {tally.seen} looked at, {tally.rotated} sealed anew", err=True, nl=False)


def _print(tallies: dict[str, Tally], complete: bool) -> None:
    if sys.stderr.isatty():
        click.echo(err=True)
    for name, tally in tallies.items():
        lost = f", {tally.unreadable} that no key here opens" if tally.unreadable else ""
        click.echo(f"{name:<8} {tally.rotated} of {tally.seen} sealed anew{lost}")
    click.echo(
        "Every secret is under the first key. Once every process has been started with it in front, and this "
        "was run again, the older ones can go."
        if complete
        else "Add the key that is missing to CLORP_ENCRYPTION_KEYS and run this again."
    )
