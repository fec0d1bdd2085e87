"""`clorp migrate` and `clorp audit`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from models import db, ledger
from models import migrate as migrations
from models.money import dollars
from web.cli.commands import Command
from web.cli.servers import connect, data_option

DEFAULTS_NOTE = (
    "This role may not set its own defaults, which count behind a pooler in transaction mode; there, have "
    "a superuser run this:"
)
AUDIT_SECONDS = 600.0  # of one question: somebody wants to know it, and waits


@click.command(cls=Command, examples=("clorp migrate", "clorp migrate --data /srv/clorp"))
@data_option
def migrate(data: Path | None) -> None:
    """Bring the database to this version's schema."""
    connect(data)
    before, after = migrations.upgrade()
    click.echo(
        f"already at {after}" if before == after else f"migrated from {before or 'nothing'} to {after}"
    )
    if refused := migrations.set_defaults():
        click.echo(DEFAULTS_NOTE, err=True)
        click.echo(";\n".join([*refused, ""]).rstrip(), err=True)


@click.command(cls=Command, examples=("clorp audit", "clorp audit --json --data /srv/clorp"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@data_option
def audit(as_json: bool, data: Path | None) -> None:
    """Check every promise about money over all rows; exit 0 when they hold, 1 when one is broken."""
    connect(data)
    with db.snapshot(AUDIT_SECONDS) as session:  # all of it at one moment
        result = ledger.audit(session)
    if as_json:
        click.echo(json.dumps({"clean": not result.violations, **asdict(result)}))
    else:
        _print(result)
    sys.exit(1 if result.violations else 0)


def _print(result: ledger.Audit) -> None:
    console = Console(highlight=False)
    totals = Table("account", "total", title=f"{result.transfers} transfers", title_justify="left")
    for kind, cents in result.totals.items():
        totals.add_row(kind, dollars(cents))
    totals.add_section()
    totals.add_row("sum", dollars(sum(result.totals.values())))
    totals.columns[1].justify = "right"
    console.print(totals)
    if not result.violations:
        console.print("[bold green]clean[/]: every promise about money holds")
        return
    broken = Table("rule", "detail", title="[bold red]broken promises[/]", title_justify="left")
    for violation in result.violations:
        broken.add_row(violation.rule, violation.detail)
    console.print(broken)
