"""`clorp admin`: users, their keys and their money, for whoever runs the server."""

import json
from pathlib import Path

import click
from sqlalchemy.orm import Session

from models import accounts, db, keys, ledger
from models.keys import SCOPES, Scope
from models.money import dollars
from models.schema import ApiKey, User
from web.cli.commands import Group
from web.cli.rotation import rotate_keys
from web.cli.servers import connect, data_option

CENTS_MAX = 10**12
_CENTS = click.IntRange(1, CENTS_MAX)


@click.group(
    cls=Group, examples=("clorp admin user ada --credit 1000", "clorp admin credit ada 500 --data /srv/clorp")
)
def admin() -> None:
    """Make users and keys, credit wallets, rotate the encryption keys."""


admin.add_command(rotate_keys)


@admin.command(examples=("clorp admin user ada --credit 1000", "clorp admin user bob --json"))
@click.argument("name")
@click.option(
    "--credit",
    "cents",
    type=click.IntRange(0, CENTS_MAX),
    metavar="CENTS",
    help="Play money to begin with; 0 is none.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@data_option
def user(name: str, cents: int | None, as_json: bool, data: Path | None) -> None:
    """Make a user and print the API key, which is shown only this once."""
    connect(data)

    def make(session: Session) -> tuple[User, str]:
        made, key = accounts.create_user(session, name)
        if cents:
            accounts.credit(session, made, cents)
        return made, key

    made, key = db.retried(make, once=True)
    if as_json:
        click.echo(json.dumps({"id": str(made.id), "name": made.name, "api_key": key}))
        return
    click.echo(f"user     {made.name}\nid       {made.id}\nbalance  {dollars(cents or 0)}")
    click.echo(f"api key  {key}\n\nKeep the key: it cannot be shown again.")


@admin.command("key", examples=("clorp admin key ada", "clorp admin key ada --scope read --json"))
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    help="What it may do; may be given several times. Left out: everything.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@data_option
def new_key(name: str, scopes: tuple[Scope, ...], as_json: bool, data: Path | None) -> None:
    """Make a further API key for the user NAME and print it; it is shown only this once."""
    connect(data)

    def make(session: Session) -> tuple[User, ApiKey, str]:
        found = accounts.find_user(session, name)
        return found, *keys.issue(session, found.id, "admin", scopes or SCOPES)

    found, row, key = db.retried(make, once=True)
    if as_json:
        told = {"id": str(row.id), "name": row.name, "prefix": row.prefix, "scopes": row.scopes}
        click.echo(json.dumps({**told, "api_key": key}))
        return
    click.echo(f"user     {found.name}\nid       {row.id}\nscopes   {' '.join(row.scopes)}")
    click.echo(f"api key  {key}\n\nKeep the key: it cannot be shown again.")


@admin.command(examples=("clorp admin credit ada 500", "clorp admin credit ada 500 --json"))
@click.argument("name")
@click.argument("cents", type=_CENTS)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@data_option
def credit(name: str, cents: int, as_json: bool, data: Path | None) -> None:
    """Credit CENTS to the wallet of the user NAME: play money, which does not mix with real money."""
    connect(data)

    def bring(session: Session) -> tuple[User, int]:
        found = accounts.find_user(session, name)
        accounts.credit(session, found, cents)
        return found, ledger.balance(session, found.id)

    found, balance = db.retried(bring, once=True)
    if as_json:
        click.echo(json.dumps({"id": str(found.id), "name": found.name, "balance_cents": balance}))
    else:
        click.echo(f"{found.name} now has {dollars(balance)}")
