"""`clorp keys`: API keys, for other machines and for less than everything."""

import click

from web.cli.client import tables
from web.cli.client.command import Answer, Group, connect
from web.cli.client.values import ID

LIST_MAX = 100
SCOPES = ("read", "work", "spend")


@click.group(cls=Group)
@click.pass_context
def keys(ctx: click.Context) -> Answer | None:
    """List your API keys; with a command below make, rotate, revoke them."""
    return None if ctx.invoked_subcommand else _list()


@keys.command("list")
def list_() -> Answer:
    """List your API keys."""
    return _list()


@keys.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do; default as yours."
)
def create(name: str, scopes: tuple[str, ...]) -> Answer:
    """Make a key called NAME, which is shown only this once."""
    made = connect().create_key(name, list(scopes) or None)
    return Answer(made, lambda: tables.plain(made))


@keys.command()
@click.argument("key_id", metavar="ID", type=ID)
def rotate(key_id: str) -> Answer:
    """Make a key in place of an old one, shown only this once; then `clorp login` with it."""
    made = connect().rotate_key(key_id)
    return Answer(made, lambda: tables.plain(made))


@keys.command()
@click.argument("key_id", metavar="ID", type=ID)
def revoke(key_id: str) -> Answer:
    """Make a key worthless, at once."""
    document = connect().revoke_key(key_id)
    return Answer(document, lambda: "Revoked.")


def _list() -> Answer:
    document = connect().keys(limit=LIST_MAX)
    return Answer(document, lambda: tables.listed(document, "You have no keys."))
