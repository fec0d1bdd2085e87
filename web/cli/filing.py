"""The files of a backup, held against the rows in its dump that name them, before anything is touched."""

from pathlib import Path
from uuid import UUID

import click

from models import files
from models.backups import Kept
from models.errors import FileLost
from web.cli.archive import Reader
from web.cli.postgres_tools import Tools

Rows = dict[UUID, Kept]
_NULL = r"\N"  # of COPY; an older version has no column removed_at


def named(tools: Tools, dump: Path, folder: Path) -> Rows:
    """All files that the rows of a dump name and whose bytes were not given up."""
    attached = {row["upload_id"] for row in tools.rows(dump, "attachments", folder)}
    return {
        UUID(row["id"]): Kept(
            int(row["size"]), bytes.fromhex(row["sha256"].removeprefix(r"\\x")), row["id"] in attached
        )
        for row in tools.rows(dump, "uploads", folder)
        if row.get("removed_at", _NULL) == _NULL
    }


def require_sound(archive: Reader, rows: Rows) -> None:
    """Read every file once.

    Raises:
        ClickException: the bytes of one are not those that were brought.
    """
    damaged = [
        archive.name(key) for key, content in archive.uploads() if key in rows and not rows[key].fits(content)
    ]
    if damaged:
        raise click.ClickException(
            f"{len(damaged)} files in this backup were damaged: {damaged[0]} is not what was uploaded. "
            "Nothing was changed. Take another backup; or take them out, to restore the rest: "
            f"tar --delete -f FILE {' '.join(damaged)}"
        )


def bring(archive: Reader, rows: Rows) -> tuple[set[UUID], set[UUID]]:
    """Put what is not there yet: before the rows that name it, for what no row names is removed later.

    What is there already is left alone, as long as it may still be wanted.

    Returns:
        The keys of all that the backup holds, and of those under which other bytes are.
    """
    store = files.chosen()
    held: set[UUID] = set()
    others: set[UUID] = set()
    for key, content in archive.uploads():
        if key not in rows:
            continue
        held.add(key)
        there = _there(store, key)
        if there is None:
            store.put(key, content)
        elif there != content:
            others.add(key)
    return held, others


def replace(archive: Reader, others: set[UUID]) -> None:
    """Once the rows are back, put their bytes in the place of others."""
    store = files.chosen()
    for key, content in archive.uploads() if others else ():
        if key in others:
            store.put(key, content)


def missing(rows: Rows, held: set[UUID]) -> int:
    """How many files that hang on drops and entries are neither in the backup nor in the store."""
    store = files.chosen()
    asked = [key for key, row in rows.items() if row.attached and key not in held]
    return sum(not rows[key].fits(_there(store, key) or b"") for key in asked)


def _there(store: files.Store, key: UUID) -> bytes | None:
    try:
        return store.read(key)
    except FileLost:
        return None
