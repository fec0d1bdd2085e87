"""Which servers a command works on: those of the settings, or the embedded ones that run in a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from models import connecting, db
from models.connecting import Pooler
from models.settings import settings
from workers import embedded

F = TypeVar("F", bound=Callable[..., Any])


def data_option(command: F) -> F:
    """`--data DIR`, the folder of the embedded servers."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the embedded servers; default CLORP_DATA, else ~/.clorp/data (root: /var/lib/clorp).",
    )(command)


def folder(data: Path | None) -> Path:
    """The data folder that was asked for, absolute."""
    return (data or settings().data).expanduser().absolute()


def use(**values: str) -> None:
    """Make these settings count for this process and its children."""
    os.environ.update(values)
    settings.cache_clear()


def connect(data: Path | None) -> None:
    """Point this process at the servers.

    Raises:
        ClickException: no database is set, and none runs in the folder.
    """
    if settings().database_url:
        return
    where = folder(data)
    found = embedded.find(where)
    if found is None:
        raise click.ClickException(
            f"No servers run in {where}. Start them with `clorp up`, name their folder with --data, "
            "or set CLORP_DATABASE_URL."
        )
    use(CLORP_DATABASE_URL=found.database_url, CLORP_REDIS_URL=settings().redis_url or found.redis_url)


def go_straight() -> None:
    """Point this process at PostgreSQL itself, for programs that need a session of their own.

    Raises:
        ClickException: CLORP_DATABASE_URL is a pooler in transaction mode, and no other way is set.
    """
    url = settings().database_url
    if straight := settings().database_direct_url:
        use(CLORP_DATABASE_URL=straight)
    elif url and connecting.pooler(url) is Pooler.TRANSACTION:
        raise click.ClickException(
            "CLORP_DATABASE_URL is a pooler in transaction mode, which would mix the sessions of pg_dump and "
            "psql with others. Set CLORP_DATABASE_DIRECT_URL to PostgreSQL itself."
        )


@contextmanager
def database(data: Path | None) -> Iterator[None]:
    """Point this process at PostgreSQL and the uploads; where none runs, it alone is started for the block.

    Raises:
        ClickException: no database is set, and there is none in the folder.
    """
    where = folder(data)
    if not settings().database_url and embedded.find(where) is None:
        if not embedded.has_database(where):
            raise click.ClickException(
                f"There is no database in {where}. Name its folder with --data, or set CLORP_DATABASE_URL."
            )
        with database_alone(data):
            yield
        return
    connect(data)
    go_straight()
    use(CLORP_DATA=str(where))
    yield


@contextmanager
def database_alone(data: Path | None) -> Iterator[bool]:
    """Likewise, where nobody else may use the folder, which may be new. Gives whether that is sure.

    Raises:
        ClickException: another system runs there, or the folder cannot be used.
    """
    where = folder(data)
    use(CLORP_DATA=str(where))
    if settings().database_url:
        go_straight()
        yield False  # of a server of somebody's own nothing is known
        return
    try:
        with embedded.servers(where, only=(embedded.POSTGRES,)) as found:
            use(CLORP_DATABASE_URL=found.database_url)
            try:
                yield True
            finally:
                db.engine().dispose()  # before its server ends
    except embedded.EmbeddedError as error:
        raise click.ClickException(str(error)) from None
