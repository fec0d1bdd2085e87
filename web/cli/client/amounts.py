"""Amounts that may have been meant as dollars: `5` where five cents make no sense."""

import click

from models.money import dollars
from web.cli.client.command import USAGE, interactive, refuse
from web.cli.client.texts import counted
from web.cli.client.values import QUOTED, Cents

TOPUP_MIN_CENTS = 500  # of the server: what a card can be charged for, and an account be paid


def amount_meant(amount: Cents, least: int, what: str) -> int:
    """Return the cents that were meant by an amount.

    Args:
        amount: as it was written. Only a bare number below `least` is asked about.
        least: cents.
        what: `least` is, for people.

    Raises:
        Refused: it has to be asked, and nobody is there.
    """
    if not amount.bare or amount >= least:
        return int(amount)
    as_dollars = dollars(amount * 100)
    sentence = f"{amount} is {counted(amount, 'cent', 'cents')}, and {what} is {dollars(least)}."
    if not amount:
        raise refuse(sentence, QUOTED, USAGE, "ambiguous_amount")
    if not interactive():
        hint = f"Write '{as_dollars}' for dollars, or {least} for the least."
        raise refuse(sentence, hint, USAGE, "ambiguous_amount")
    question = f"{sentence} Did you mean {as_dollars}?"
    return amount * 100 if click.confirm(question, default=True, err=True) else int(amount)
