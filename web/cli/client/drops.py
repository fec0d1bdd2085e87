"""What senders do: `clorp drop`, `pay`, `jobs`, `view`, `cancel`."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from models.grades import GRADES
from models.money import dollars
from models.packs import PACKS
from models.states import Status
from web.cli.client import tables
from web.cli.client.amounts import TOPUP_MIN_CENTS, amount_meant
from web.cli.client.blocks import Facts, Moment
from web.cli.client.command import (
    USAGE,
    Answer,
    Command,
    confirm,
    connect,
    display,
    interactive,
    refusal,
    refuse,
    show,
)
from web.cli.client.files import upload
from web.cli.client.ids import drop_id
from web.cli.client.values import FILE, ID, MONEY, SECONDS, Cents, text_completed, text_of, variables
from web.cli.client.waiting import anim_option, finish, winner
from web.cli.commands import paged, speaker, wants_json
from web.client import Client, Forbidden, Json, NotFound, PaymentRequired


@click.command(
    cls=Command,
    examples=(
        "clorp drop 'Name three rivers of Europe.' --price '$2.00' --time 5m",
        "clorp drop @task.md --pack code --attach data.csv --min-grade B --wait",
        "clorp drop - --estimate < task.md",
    ),
)
@click.argument("prompt", shell_complete=text_completed)
@click.option("--pack", type=click.Choice(PACKS), help="What kind of work it is; default wild.")
@click.option("--price", type=MONEY, metavar="CENTS|'$1.50'", help="The bounty; default is the pack's.")
@click.option("--time", type=SECONDS, metavar="5m", help="How long the window is open; default the server's.")
@click.option("--min-grade", type=click.Choice(GRADES), help="Below it nothing is paid.")
@click.option(
    "--env", multiple=True, metavar="NAME[=VALUE]", help="envVar for competitors; NAME: with its value here."
)
@click.option("--attach", multiple=True, type=FILE, metavar="FILE", help="A file for competitors.")
@click.option("--estimate", "only_estimate", is_flag=True, help="Say what it would cost, and stop.")
@click.option("-y", "--yes", is_flag=True, help="Post it without asking.")
@click.option("--wait", is_flag=True, help="Wait for the result; see `clorp wait`.")
@anim_option
def drop(
    prompt: str, pack: str | None, price: Cents | None, time: int | None, min_grade: str | None,
    env: tuple[str, ...], attach: tuple[Path, ...], only_estimate: bool, yes: bool, wait: bool,
    no_anim: bool,
) -> Answer | None:  # fmt: skip
    """Post a drop: PROMPT, `-` for stdin, or @FILE. Says first what it costs.

    A price is whole cents, or dollars with a $ in quotes: 150 and '$1.50' are the same.
    """
    text, env_vars, client = text_of(prompt), variables(env), connect()
    body: Json = {"prompt": text, "pack": pack, "price_cents": price, "time_limit_seconds": time,
                  "min_grade": min_grade, "envVars": env_vars}  # fmt: skip
    body = {name: value for name, value in body.items() if value is not None}
    cost = client.run(body)
    if only_estimate:
        return Answer(cost, lambda: tables.estimate(cost, body))
    if price is not None:
        meant = amount_meant(price, cost["price_min_cents"], "the least bounty")
        if meant != price:
            body["price_cents"] = meant
            cost = client.run(body)
    _require_as_asked(cost, body, yes)
    if not wants_json():
        display(tables.estimate(cost, body), stderr=True)
        click.echo(err=True)
    confirm(f"Post it for {dollars(cost['estimated_price_cents'])}?", yes)
    posted = _post(client, {**body, "attachments": upload(client, attach, no_anim), "confirmed": True})
    if wait:
        # First of all: whatever ends the waiting, its id is what the money was paid for.
        click.echo(f"posted {posted['id']}", err=True)
        finish(client, posted["id"], no_anim=no_anim)
        return None
    return Answer(posted, lambda: _posted(posted))


@click.command(cls=Command, examples=("clorp pay 01a22147-8f6b", "clorp wallet topup '$10' && clorp pay ID"))
@click.argument("job_id", metavar="ID", type=ID)
def pay(job_id: str) -> Answer:
    """Pay for a drop that waits for money."""
    client = connect()
    job_id = drop_id(client, job_id)
    before = client.job(job_id)["status"]
    try:
        paid = client.pay(job_id)
    except PaymentRequired as error:
        raise refusal(error, _how_to_pay(error.details)) from None
    word = "posted" if before == Status.PENDING_PAYMENT else "is paid already"
    return Answer(paid, lambda: _posted(paid, word))


@click.command(cls=Command, examples=("clorp jobs", "clorp jobs --status open --json"))
@click.option(
    "--status", type=click.Choice([status.value for status in Status]), help="Only those in this status."
)
@paged
def jobs(status: str | None, limit: int, offset: int) -> Answer:
    """List the drops you sent, newest first."""
    rows = connect().jobs(status=status, limit=limit, offset=offset)
    return Answer(rows, lambda: tables.matching(tables.jobs(rows), status, offset))


@click.command(cls=Command, examples=("clorp view 01a22147-8f6b", "clorp view 01a22147-8f6b --submissions"))
@click.argument("job_id", metavar="ID", type=ID)
@click.option("--submissions", "entries", is_flag=True, help="The entries of your own drop, by rank.")
@click.option("--mine", is_flag=True, help="Your own entry.")
def view(job_id: str, entries: bool, mine: bool) -> Answer:
    """Show a drop, or the entries in it. Of a drop that you are no part of, what everybody may see."""
    client = connect(key_wanted=entries or mine)
    job_id = drop_id(client, job_id)
    if entries:
        document = _entries(client, job_id)
        return Answer(document, lambda: tables.entries(document["submissions"]))
    if mine:
        document = client.mine(job_id)
        return Answer(document, lambda: tables.entries([document["submission"]]))
    if client.has_key:
        with suppress(NotFound):
            row = client.job(job_id)
            return Answer(row, lambda: tables.job(row, winner(client, row)))
    seen = client.board_drop(job_id)
    return Answer(seen, lambda: tables.public_drop(seen))


@click.command(cls=Command, examples=("clorp cancel 01a22147-8f6b", "clorp cancel 01a22147-8f6b -y"))
@click.argument("job_id", metavar="ID", type=ID)
@click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
def cancel(job_id: str, yes: bool) -> None:
    """Call a drop off. What was handed in is still judged and paid."""
    client = connect()
    job_id = drop_id(client, job_id)
    confirm("Call the drop off?", yes)
    row = client.cancel(job_id)
    show(Answer(row, lambda: _called_off(row)))


def _entries(client: Client, job_id: str) -> Json:
    try:
        return client.submissions(job_id)
    except Forbidden as error:
        raise refusal(error, f"Your own entry: clorp view {job_id} --mine{speaker()}") from None


def _require_as_asked(cost: Json, body: Json, yes: bool) -> None:
    """Refuse terms that the server would change, unless somebody is asked whether to take them as changed."""
    changed = []
    if cost["price_clamped"] and "price_cents" in body:
        least, most = dollars(cost["price_min_cents"]), dollars(cost["price_max_cents"])
        changed.append(f"A bounty is between {least} and {most}, not {dollars(body['price_cents'])}.")
    if cost["time_limit_clamped"] and "time_limit_seconds" in body:
        least, most = f"{cost['time_limit_min_seconds']} s", f"{cost['time_limit_max_seconds']} s"
        changed.append(f"A window is between {least} and {most}, not {body['time_limit_seconds']} s.")
    if changed and (yes or not interactive()):
        raise refuse(" ".join(changed), "Write one in that range; nothing was posted.", USAGE, "out_of_range")


def _post(client: Client, body: Json) -> Json:
    try:
        return client.run(body)
    except PaymentRequired as error:
        raise refusal(error, _how_to_pay(error.details)) from None


def _how_to_pay(details: Json) -> str:
    who = speaker()
    missing = max(TOPUP_MIN_CENTS, int(details.get("required", 0)) - int(details.get("available", 0)))
    has = f"It costs {dollars(details.get('required', 0))}, you have {dollars(details.get('available', 0))}"
    return f"{has}: clorp wallet topup {missing}{who} && clorp pay {details.get('job_id')}{who}"


def _posted(row: Json, word: str = "posted") -> Any:
    closes = Moment(row["window_closes_at"])
    facts = {word: row["id"], "bounty": dollars(row["price_cents"]), "closes": closes}
    return Facts({**facts, "next": f"clorp wait {row['id']}{speaker()}"})


def _called_off(row: Json) -> str:
    if row["status"] == "cancelled":
        return f"Cancelled; {dollars(row['price_cents'])} came back." if row["opened_at"] else "Cancelled."
    return "The drop ends when nobody is at work on it any more; what was handed in is judged and paid."
