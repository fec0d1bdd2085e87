"""`clorp wallet`: the balance, and money in and out."""

import click

from models.money import dollars
from web.cli.client import tables
from web.cli.client.amounts import TOPUP_MIN_CENTS, amount_meant
from web.cli.client.command import USAGE, Answer, Group, connect, refuse
from web.cli.client.values import MONEY, Cents
from web.cli.commands import paged


@click.group(cls=Group, examples=("clorp wallet", "clorp wallet topup '$10.00'"))
@paged
@click.pass_context
def wallet(ctx: click.Context, limit: int, offset: int) -> Answer | None:
    """Show your balance and its latest movements; with a command below move money."""
    if ctx.invoked_subcommand:
        return None
    document = connect().balance(limit=limit, offset=offset)
    return Answer(document, lambda: tables.wallet(document))


@wallet.command(examples=("clorp wallet topup '$10.00'", "clorp wallet topup 1000 --json"))
@click.argument("cents", type=MONEY, metavar="CENTS|'$5.00'")
def topup(cents: Cents) -> Answer:
    """Put money in."""
    client = connect()
    document = client.topup(_amount(cents, "the least top-up"))
    return Answer(document, lambda: tables.payment(document, client.balance()["balance_cents"]))


@wallet.command(examples=("clorp wallet withdraw '$5.00'", "clorp wallet withdraw 500 --profile bob"))
@click.argument("cents", type=MONEY, metavar="CENTS|'$5.00'")
def withdraw(cents: Cents) -> Answer:
    """Take money out."""
    client = connect()
    document = client.withdraw(_amount(cents, "the least withdrawal"))
    return Answer(document, lambda: tables.payment(document, client.balance()["balance_cents"]))


@wallet.command(
    "auto-topup",
    examples=(
        "clorp wallet auto-topup --below '$5.00' --amount '$20.00'",
        "clorp wallet auto-topup --off",
    ),
)
@click.option(
    "--below", type=MONEY, metavar="CENTS|'$5.00'", help="Fill up when the balance falls below this."
)
@click.option("--amount", type=MONEY, metavar="CENTS|'$5.00'", help="By so much.")
@click.option("--off", is_flag=True, help="No longer.")
def auto_topup(below: int | None, amount: Cents | None, off: bool) -> Answer:
    """Let the wallet fill itself."""
    if off == (below is not None or amount is not None):
        raise click.UsageError("Say --below and --amount, or --off.")
    wanted = None if amount is None else _amount(amount, "the least top-up")
    document = connect().auto_topup(enabled=not off, threshold_cents=below, amount_cents=wanted)
    return Answer(document, lambda: tables.plain(document))


def _amount(cents: Cents, what: str) -> int:
    """Return the cents that were meant, which are not under the least that can be moved."""
    meant = amount_meant(cents, TOPUP_MIN_CENTS, what)
    if meant < TOPUP_MIN_CENTS:
        least = dollars(TOPUP_MIN_CENTS)
        sentence = f"{dollars(meant)} is under {what}, {least}."
        raise refuse(sentence, f"Write '{least}' or more.", USAGE, "out_of_range")
    return meant
