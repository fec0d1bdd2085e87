"""Files to the server and back: uploads with a bar, and `clorp pull`."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.client.command import CONFLICT, Answer, Command, connect, console, refuse
from web.cli.client.ids import drop_id
from web.cli.client.texts import clean
from web.cli.client.values import ID
from web.cli.client.waiting import anim_option
from web.cli.commands import speaker
from web.client import ENDED, Client, Json

if TYPE_CHECKING:
    from rich.progress import Progress

OUTPUT = "output.txt"
NAME_BYTES_MAX = 200  # of a file that is saved; file systems take 255


@click.command(
    cls=Command, examples=("clorp pull 01a22147-8f6b", "clorp pull 01a22147-8f6b -o result --force")
)
@click.argument("job_id", metavar="ID", type=ID)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to; default ./ID.",
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@anim_option
def pull(job_id: str, folder: Path | None, force: bool, no_anim: bool) -> Answer:
    """Save the winning entry: its text as output.txt, and its files."""
    client = connect()
    job_id = drop_id(client, job_id)
    row = client.job(job_id)
    if not row["winning_submission_id"]:
        raise _nothing(row)
    folder = folder or Path(job_id)
    files = row["output_attachments"] or []
    names = list(_names([*([OUTPUT] if row["output_text"] else []), *(file["name"] for file in files)]))
    targets = [folder / name for name in names]
    if not force and (there := next((target for target in targets if target.exists()), None)):
        raise refuse(
            f"{there} is there already.", "Choose another folder with -o, or replace it with --force."
        )
    folder.mkdir(parents=True, exist_ok=True)
    rest = iter(targets)
    if row["output_text"]:
        next(rest).write_text(row["output_text"], encoding="utf-8", newline="")
    _download(client, files, rest, no_anim)
    return Answer(row, lambda: "\n".join(clean(target) for target in targets))


def upload(client: Client, paths: Iterable[Path], no_anim: bool = False) -> list[Json]:
    """Upload files, with a bar for each in a terminal."""
    uploaded = []
    with _bars(no_anim) as bars:
        for path in paths:
            task = bars.add_task(clean(path.name), total=path.stat().st_size)

            def tell(done: int, total: int, task: int = task) -> None:
                bars.update(task, completed=done, total=total)  # type: ignore[arg-type]

            uploaded.append(client.upload(path, tell))
    return uploaded


def _download(client: Client, files: list[Json], targets: Iterator[Path], no_anim: bool) -> None:
    with _bars(no_anim) as bars:
        for file, target in zip(files, targets, strict=True):
            task = bars.add_task(clean(target.name), total=file["size"])
            client.download(file["key"], target)
            bars.update(task, completed=file["size"])


@contextmanager
def _bars(no_anim: bool) -> "Iterator[Progress]":
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    errors = console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=errors, disable=no_anim or not errors.is_terminal) as bars:
        yield bars


def _names(wanted: Iterable[str]) -> Iterator[str]:
    """Names that stay in the folder, hide nothing and differ: strangers chose them."""
    taken: set[str] = set()
    for one in wanted:
        last = re.sub(r"[\t\n]", "", clean(one)).replace("\\", "/").rpartition("/")[2]
        plain = last.encode()[-NAME_BYTES_MAX:].decode(errors="ignore").lstrip(".") or "file"
        choices = chain([plain], (f"{number}-{plain}" for number in count(2)))
        name = next(choice for choice in choices if choice.casefold() not in taken)
        taken.add(name.casefold())
        yield name


def _nothing(row: Json) -> click.ClickException:
    if row["status"] in ENDED:
        return refuse(
            f"The drop is {row['status']}: nobody won it.",
            f"See why: clorp view {row['id']}{speaker()}",
            code="no_winner",
        )
    hint = f"Wait for it: clorp wait {row['id']}{speaker()}"
    return refuse(f"The drop is {row['status']}: there is no winner yet.", hint, CONFLICT, "not_decided")
