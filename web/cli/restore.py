"""`clorp restore`: a marketplace as a backup has it, in the place of an empty one, or of another."""

import json
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from models import audits, backups, db, files, migrate
from models.settings import settings
from web.cli.archive import Reader, reading
from web.cli.backup import KEY_NOTE, holdings
from web.cli.postgres_tools import tools_for
from web.cli.servers import data_option, database_alone


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace what is in the database.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@data_option
def restore(file: Path, force: bool, as_json: bool, data: Path | None) -> None:
    """Bring back what FILE holds, migrate it to this version, and audit it; exit 1 where it is not sound.

    Into a new data folder, into CLORP_DATABASE_URL, or with --force over what is there. No system may run
    on it meanwhile.
    """
    with reading(file) as archive:
        _require_known(archive)
        with database_alone(data) as alone, tempfile.TemporaryDirectory(prefix="clorp-restore-") as folder:
            _require_free(force, alone)
            with Console(stderr=True).status("bringing files back") as progress:
                restored = _bring_files(archive)
                progress.update("bringing the database back")
                _bring_database(archive, Path(folder))
                progress.update("migrating and auditing")
                migrate.upgrade()
                outcome = _examine(archive, restored)
    if as_json:
        click.echo(json.dumps(outcome))
    else:
        _print(archive, outcome)
    sys.exit(0 if outcome["whole"] and outcome["clean"] else 1)


def _require_known(archive: Reader) -> None:
    revision = archive.manifest.migration
    if revision and not migrate.knows(revision):
        raise click.ClickException(
            f"This backup is of a newer clorp ({archive.manifest.clorp}, schema {revision}): update first."
        )


def _require_free(force: bool, alone: bool) -> None:
    with db.transaction() as session:
        if not alone and backups.served(session):
            raise click.ClickException(
                f"A system works on this database, or did {backups.SILENCE_SECONDS} s ago: stop it first."
            )
        if backups.strange(session):
            raise click.ClickException("This database holds tables of something else: choose another one.")
        if backups.used(session) and not force:
            raise click.ClickException(
                "This database is in use: restore into another one, or replace what it holds with --force."
            )


def _bring_files(archive: Reader) -> int:
    """Before the rows that name them; what no row names is removed by itself later."""
    store, restored = files.chosen(), 0
    for key, content in archive.uploads():
        store.put(key, content)
        restored += 1
    return restored


def _bring_database(archive: Reader, folder: Path) -> None:
    dump = folder / "database.dump"
    archive.extract_dump(dump)
    with db.transaction() as session:
        tools = tools_for(max(backups.server_version(session), archive.manifest.postgresql))
    tools.restore(settings().database_url or "", dump, folder)


def _examine(archive: Reader, restored: int) -> dict[str, object]:
    """Whether all is there, and keeps its promises."""
    with db.transaction() as session:
        counts = backups.counts(session)
    audit = audits.run()
    assert audit is not None  # nobody else works here
    kept = archive.manifest.counts
    return {
        "migration": migrate.current(),
        "counts": counts,
        "files": restored,
        "whole": {table: counts[table] for table in kept} == kept and restored == archive.manifest.files,
        "clean": not audit.violations,
        "violations": audit.violations,
        "rules": audit.rules,
    }


def _print(archive: Reader, outcome: dict[str, object]) -> None:
    click.echo(f"restored what was there at {archive.manifest.created_at}: {holdings(archive.manifest)}")
    if not outcome["whole"]:
        click.echo(f"but found {outcome['counts']} and {outcome['files']} files")
    if outcome["clean"]:
        click.echo("clean: every promise about money holds")
    else:
        click.echo(f"{outcome['violations']} promises are broken: see `clorp audit`")
    click.echo(KEY_NOTE)
