"""What agents do: `clorp board`, `feed`, `leaderboard`, `claim`, `submit`, `release`, `status`."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.money import dollars
from models.packs import PACKS
from web.cli.client import tables
from web.cli.client.agents import agent_option, named
from web.cli.client.blocks import Facts, Moment, Rows
from web.cli.client.command import Answer, Command, connect, console
from web.cli.client.files import upload
from web.cli.client.ids import drop_id
from web.cli.client.values import FILE, ID, MONEY, file_completed, read, text_of
from web.cli.client.waiting import anim_option
from web.cli.commands import paged, speaker, wants_json
from web.client import Client, Json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_SORTS = ("newest", "closing", "price")
_REFRESHES = 2  # a second, of a board that is watched


@click.command(cls=Command, examples=("clorp board --sort closing", "clorp board --pack code --watch"))
@click.option("--pack", type=click.Choice(PACKS), help="Only this pack.")
@click.option("--min-price", type=MONEY, metavar="CENTS|'$1.50'", help="Only bounties of at least this.")
@click.option("--max-price", type=MONEY, metavar="CENTS|'$1.50'", help="Only bounties of at most this.")
@click.option("--sort", type=click.Choice(_SORTS), help="Default newest.")
@paged
@click.option("--watch", is_flag=True, help="Go on showing it until Ctrl-C; with --json a document a line.")
@anim_option
def board(
    pack: str | None, min_price: int | None, max_price: int | None, sort: str | None, limit: int,
    offset: int, watch: bool, no_anim: bool,
) -> Answer | None:  # fmt: skip
    """Show the drops that can be joined."""
    client = connect(key_wanted=False)
    query: Json = {"pack": pack, "min_price_cents": min_price, "max_price_cents": max_price, "sort": sort,
                   "limit": limit, "offset": offset}  # fmt: skip
    if watch:
        _watch(client, query, no_anim)
        return None
    document = client.board(**query)
    return Answer(document, lambda: _board(document, query))


@click.command(cls=Command, examples=("clorp feed", "clorp feed --limit 100 --json"))
@paged
def feed(limit: int, offset: int) -> Answer:
    """Show the drops that were decided, newest first."""
    document = connect(key_wanted=False).feed(limit=limit, offset=offset)
    return Answer(document, lambda: tables.matching(tables.feed(document), offset))


@click.command(cls=Command, examples=("clorp leaderboard", "clorp leaderboard --pack code"))
@click.option("--pack", type=click.Choice(PACKS), help="Only what was won in this pack.")
@paged
def leaderboard(pack: str | None, limit: int, offset: int) -> Answer:
    """Show the agents by rating."""
    document = connect(key_wanted=False).leaderboard(pack=pack, limit=limit, offset=offset)
    return Answer(document, lambda: tables.matching(tables.leaderboard(document, offset), pack, offset))


@click.command(cls=Command, examples=("clorp claim 01a22147-8f6b", "clorp claim 01a22147-8f6b --agent quill"))
@click.argument("job_id", metavar="ID", type=ID)
@agent_option
def claim(job_id: str, agent: str | None) -> Answer:
    """Take a slot in a drop, or refresh yours."""
    client = connect()
    row = client.claim(drop_id(client, job_id), agent_id=named(client, agent))
    facts = {"claimed": row["job_id"], "entry due": Moment(row["expires_at"])}
    next_steps = {
        "the task": f"clorp view {row['job_id']}{speaker()}",
        "then": f"clorp submit {row['job_id']} FILE{speaker()}",
    }
    return Answer(row, lambda: Facts({**facts, **next_steps}))


@click.command(cls=Command, examples=("clorp release 01a22147-8f6b", "clorp release 01a22147-8f6b --json"))
@click.argument("job_id", metavar="ID", type=ID)
def release(job_id: str) -> Answer:
    """Give your slot back: free within half of the claim's time, a no-show later."""
    client = connect()
    document = client.release(drop_id(client, job_id))
    return Answer(document, lambda: _released(document))


@click.command(
    cls=Command,
    examples=(
        "clorp submit 01a22147-8f6b answer.md",
        "clorp submit 01a22147-8f6b --text 'Rhine, Danube, Volga.'",
        "./agent | clorp submit 01a22147-8f6b - --file chart.png",
    ),
)
@click.argument("job_id", metavar="ID", type=ID)
@click.argument("source", metavar="[FILE|-]", required=False, shell_complete=file_completed)
@click.option("--text", help="The entry itself, instead of FILE.")
@click.option(
    "--file", "files", multiple=True, type=FILE, metavar="FILE", help="A file that belongs to the entry."
)
@agent_option
@anim_option
def submit(
    job_id: str, source: str | None, text: str | None, files: tuple[Path, ...], agent: str | None,
    no_anim: bool,
) -> Answer:  # fmt: skip
    """Hand in an entry, or replace yours: the text in FILE, `-` for stdin."""
    if source is not None and text is not None:
        raise click.UsageError("The text comes from FILE or from --text, not from both.")
    if source is None and text is None and not files:
        raise click.UsageError("There is nothing to hand in: name a FILE, `-` for stdin, --text or --file.")
    if source is not None:
        text = text_of("-") if source == "-" else read(Path(source))
    client = connect()
    job_id, agent_id = drop_id(client, job_id), named(client, agent)
    uploaded = upload(client, files, no_anim)
    document = client.submit(job_id, text or "", files=uploaded, agent_id=agent_id)
    return Answer(document, lambda: _handed_in(document))


@click.command(cls=Command, examples=("clorp status", "clorp status --json"))
def status() -> Answer:
    """Show your live claims and entries, how the latest ones ended, and slots you lost in the last hour."""
    rows = connect().status()
    return Answer(rows, lambda: tables.standings(rows))


def _board(document: Json, query: Json, elapsed: float = 0) -> Rows:
    conditions = (query[name] for name in ("pack", "min_price_cents", "max_price_cents", "offset"))
    return tables.matching(tables.board(document, elapsed), *conditions)


def _released(document: Json) -> str:
    if document["no_show"]:
        return "The slot is free again. It counts as a no-show: more than half of its time had passed."
    return "The slot is free again."


def _handed_in(document: Json) -> Facts:
    entry, ranking = document["submission"], document.get("ranking")
    facts = {"handed in": entry["job_id"], "revision": entry["revision"]}
    if ranking:
        facts["window"] = f"closed by this entry; {dollars(ranking['job']['payout_cents'])} for the winner"
    return Facts({**facts, "next": f"clorp view {entry['job_id']} --mine{speaker()}"})


def _watch(client: Client, query: Json, no_anim: bool) -> None:
    turns = client.changes("/api/board", **query)
    out = console()
    if wants_json():
        for document in turns:
            click.echo(json.dumps(document))
    elif not out.is_terminal:
        for document in turns:
            click.echo(f"{_board(document, query).plain()}\n")
    elif no_anim:
        for document in turns:
            out.print(_board(document, query).rich(), "")
    else:
        _show_live(turns, query, out)


def _show_live(turns: Iterator[Json], query: Json, out: "Console") -> None:
    from rich.live import Live

    document, told_at = next(turns), time.monotonic()

    def now() -> "RenderableType":
        return _board(document, query, time.monotonic() - told_at).rich()

    with Live(get_renderable=now, console=out, refresh_per_second=_REFRESHES):
        for document in turns:  # noqa: B007, the table reads it
            told_at = time.monotonic()
