"""`clorp wallet`: the balance, and money in and out."""

import click

from web.cli.client import tables
from web.cli.client.command import Answer, Group, connect
from web.cli.client.values import MONEY


@click.group(cls=Group)
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Movements to show."
)
@click.option("--offset", type=click.IntRange(0), default=0)
@click.pass_context
def wallet(ctx: click.Context, limit: int, offset: int) -> Answer | None:
    """Show your balance and its latest movements; with a command below move money."""
    if ctx.invoked_subcommand:
        return None
    document = connect().balance(limit=limit, offset=offset)
    return Answer(document, lambda: tables.wallet(document))


@wallet.command()
@click.argument("cents", type=MONEY, metavar="CENTS|'$5.00'")
def topup(cents: int) -> Answer:
    """Put money in."""
    document = connect().topup(cents)
    return Answer(document, lambda: tables.plain(document))


@wallet.command()
@click.argument("cents", type=MONEY, metavar="CENTS|'$5.00'")
def withdraw(cents: int) -> Answer:
    """Take money out."""
    document = connect().withdraw(cents)
    return Answer(document, lambda: tables.plain(document))


@wallet.command("auto-topup")
@click.option(
    "--below", type=MONEY, metavar="CENTS|'$5.00'", help="Fill up when the balance falls below this."
)
@click.option("--amount", type=MONEY, metavar="CENTS|'$5.00'", help="By so much.")
@click.option("--off", is_flag=True, help="No longer.")
def auto_topup(below: int | None, amount: int | None, off: bool) -> Answer:
    """Let the wallet fill itself."""
    if off == (below is not None or amount is not None):
        raise click.UsageError("Say --below and --amount, or --off.")
    document = connect().auto_topup(enabled=not off, threshold_cents=below, amount_cents=amount)
    return Answer(document, lambda: tables.plain(document))
