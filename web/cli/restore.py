"""`clorp restore`: a marketplace as a backup has it, in the place of an empty one, or of another."""

import json
import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console

from models import audits, backups, db, migrate
from models.settings import settings
from web.cli import filing
from web.cli.archive import Reader, reading
from web.cli.backup import KEY_NOTE, LOST_NOTE, holdings
from web.cli.commands import Command
from web.cli.postgres_tools import Tools, tools_for
from web.cli.servers import data_option, database_alone

LEAVING_SECONDS = 1.0  # PostgreSQL notices within milliseconds that a program has ended


@click.command(
    cls=Command,
    examples=("clorp restore market.tar --data /srv/clorp", "clorp restore market.tar --force"),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace what is in the database.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@data_option
def restore(file: Path, force: bool, as_json: bool, data: Path | None) -> None:
    """Bring back what FILE holds, migrate it to this version, and audit it; exit 1 where it is not sound.

    It runs with the rights of the database's user, often a superuser: restore only what you made.

    Into a new data folder, into CLORP_DATABASE_URL, or with --force over what is there. No system may run
    on it meanwhile.
    """
    with reading(file) as archive:
        _require_known(archive)
        with database_alone(data) as alone:
            _require_free(force, alone)
            outcome = _restored(archive)
    if as_json:
        click.echo(json.dumps(outcome))
    else:
        _print(archive, outcome)
    sys.exit(0 if outcome["whole"] and outcome["clean"] else 1)


def _connections() -> int:
    """Of others than this process; a program that has just ended has a moment to leave."""
    db.engine().dispose()
    until = time.monotonic() + LEAVING_SECONDS
    while True:
        with db.transaction() as session:
            found = backups.connected(session)
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


def _restored(archive: Reader) -> dict[str, object]:
    try:
        with tempfile.TemporaryDirectory(prefix="clorp-restore-") as folder:
            return _restore(archive, Path(folder))
    except OSError as error:
        raise click.ClickException(
            f"Cannot restore: {error.strerror or error}. Mend that and run it again."
        ) from None


def _restore(archive: Reader, folder: Path) -> dict[str, object]:
    """Everything is checked before anything is touched."""
    dump = folder / "database.dump"
    with Console(stderr=True).status("checking the backup") as progress:
        archive.extract_dump(dump)
        tools = _tools(archive)
        rows = filing.named(tools, dump, folder)
        filing.require_sound(archive, rows)
        progress.update("bringing files back")
        held, others = filing.bring(archive, rows)
        progress.update("bringing the database back")
        tools.restore(settings().database_url or "", dump, folder)
        filing.replace(archive, others)
        progress.update("migrating and auditing")
        migrate.upgrade()
        migrate.set_defaults()
        return _examine(archive, len(held), filing.missing(rows, held))


def _tools(archive: Reader) -> Tools:
    with db.transaction() as session:
        return tools_for(max(backups.server_version(session), archive.manifest.postgresql))


def _require_known(archive: Reader) -> None:
    revision = archive.manifest.migration
    if revision and not migrate.knows(revision):
        raise click.ClickException(
            f"This backup is of a newer clorp ({archive.manifest.clorp}, schema {revision}): update first."
        )


def _require_free(force: bool, alone: bool) -> None:
    connections = 0 if alone else _connections()
    with db.transaction() as session:
        if not alone and backups.served(session):
            raise click.ClickException(
                f"A system works on this database, or did {backups.SILENCE_SECONDS} s ago: stop it first."
            )
        if connections:
            raise click.ClickException(
                f"{connections} other connections of clorp are open to this database: stop the API, "
                "the workers and whatever else uses it first, and have a pooler let go of them (RECONNECT)."
            )
        if backups.strange(session):
            raise click.ClickException("This database holds tables of something else: choose another one.")
        if backups.used(session) and not force:
            raise click.ClickException(
                "This database is in use: restore into another one, or replace what it holds with --force."
            )


def _examine(archive: Reader, restored: int, missing: int) -> dict[str, object]:
    """Whether all is there, and keeps its promises."""
    with db.transaction() as session:
        counts = backups.counts(session)
    audit = audits.run()
    assert audit is not None  # nobody else works here
    kept = archive.manifest
    counted = {table: counts.get(table) for table in kept.counts} == kept.counts
    return {
        "migration": migrate.current(),
        "counts": counts,
        "files": restored,
        "missing_attached": missing,
        "whole": counted and restored == kept.files and not missing,
        "clean": not audit.violations,
        "violations": audit.violations,
        "rules": audit.rules,
    }


def _print(archive: Reader, outcome: dict[str, object]) -> None:
    click.echo(f"restored what was there at {archive.manifest.created_at}: {holdings(archive.manifest)}")
    if not outcome["whole"]:
        click.echo(f"but found {outcome['counts']} and {outcome['files']} files")
    if outcome["missing_attached"]:
        click.echo(
            f"{outcome['missing_attached']} files that hang on drops and entries are not there: {LOST_NOTE}"
        )
    if outcome["clean"]:
        click.echo("clean: every promise about money holds")
    else:
        click.echo(f"{outcome['violations']} promises are broken: see `clorp audit`")
    click.echo(KEY_NOTE)
