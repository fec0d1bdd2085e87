"""Which servers a command works on: those of the settings, or the embedded ones that run in a folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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
