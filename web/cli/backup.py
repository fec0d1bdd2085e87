"""`clorp backup`: the whole marketplace in one file, at any time, running or not."""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console

from models import backups, db, files, migrate
from models.backups import Kept
from models.errors import FileLost
from models.settings import settings
from models.times import timestamp
from web.cli.archive import FORMAT, Manifest, Writer
from web.cli.commands import Command
from web.cli.postgres_tools import tools_for
from web.cli.servers import data_option, database

COUNT_SECONDS = 600.0  # of one question over all rows
KEY_NOTE = (
    "The encryption key is not in it: keep CLORP_ENCRYPTION_KEYS, or the file encryption.key of the data "
    "folder, elsewhere. Without it envVars cannot be read."
)
LOST_NOTE = "bring them back to CLORP_UPLOADS or CLORP_DATA from elsewhere, or who asks for them gets 503"


@click.command(
    cls=Command, examples=("clorp backup market.tar", "clorp backup market.tar --force --data /srv/clorp")
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@data_option
def backup(file: Path, force: bool, as_json: bool, data: Path | None) -> None:
    """Write the database and all uploads into FILE, as they are at one moment.

    Nothing has to be stopped for it. Where no server runs, PostgreSQL is started for the while.
    """
    file = file.absolute()
    if file.exists() and not force:
        raise click.ClickException(f"{file} is there already: choose another name, or --force.")
    if not file.parent.is_dir():
        raise click.ClickException(f"There is no folder {file.parent}.")
    try:
        with database(data):
            manifest, size = _write(file)
    except OSError as error:
        raise click.ClickException(f"Cannot write {file}: {error.strerror or error}.") from None
    if as_json:
        told = {"file": str(file), "bytes": size, **manifest.model_dump(), "encryption_key": False}
        click.echo(json.dumps(told))
    else:
        _print(file, manifest, size)


def _write(file: Path) -> tuple[Manifest, int]:
    with Writer(file) as writer, Console(stderr=True).status("counting") as progress:
        # Open for as long as pg_dump reads, which is bound to this moment by the snapshot's name.
        with db.snapshot(COUNT_SECONDS) as session:
            major, counts = backups.server_version(session), backups.counts(session)
            rows, name = backups.uploads(session), backups.snapshot_name(session)
            progress.update("dumping the database")
            tools_for(major).dump(settings().database_url or "", name, writer.dump)
        size = writer.dump.stat().st_size
        progress.update(f"{megabytes(size)} of database, and {len(rows)} files")
        digest = writer.add_dump()
        missing = _add_uploads(writer, rows)
        manifest = Manifest(
            format=FORMAT,
            clorp=version("clorp"),
            migration=migrate.current(),
            postgresql=major,
            created_at=timestamp(datetime.now(UTC)),
            counts=counts,
            files=len(rows) - len(missing),
            missing_files=len(missing),
            missing_attached=sum(row.attached for row in missing),
            dump_sha256=digest,
        )
        return manifest, writer.finish(manifest)


def _add_uploads(writer: Writer, rows: dict[UUID, Kept]) -> list[Kept]:
    """Gives those whose bytes are not there: what hung on nothing may have been removed since."""
    store, missing = files.chosen(), []
    for key, row in rows.items():
        try:
            content = store.read(key)
        except FileLost:
            content = b""
        if row.fits(content):
            writer.add_upload(key, content)
        else:
            missing.append(row)
    return missing


def _print(file: Path, manifest: Manifest, size: int) -> None:
    click.echo(f"{file}: {megabytes(size)}, schema {manifest.migration}")
    click.echo(holdings(manifest))
    if manifest.missing_files:
        click.echo(
            f"{manifest.missing_files} files were not in the store as they came, and are not in the backup"
        )
    if manifest.missing_attached:
        click.echo(f"{manifest.missing_attached} of them hang on drops and entries: {LOST_NOTE}")
    click.echo(KEY_NOTE)


def holdings(manifest: Manifest) -> str:
    """What a backup holds, for people."""
    names = {"jobs": "drops", "submissions": "entries"}
    rows = [f"{number} {names.get(table, table)}" for table, number in manifest.counts.items()]
    return ", ".join([*(row for row in rows if not row.endswith("uploads")), f"{manifest.files} files"])


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1_000_000:.1f} MB"
