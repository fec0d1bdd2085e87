"""`clorp keys`: API keys, for other machines and for less than everything."""

import click

from web.cli.client import tables
from web.cli.client.command import Answer, Group, confirm, connect
from web.cli.client.ids import whole
from web.cli.client.texts import counted
from web.cli.client.values import ID, ID_LENGTH
from web.client import Client

LIST_MAX = 100
SCOPES = ("read", "work", "spend")


@click.group(cls=Group, examples=("clorp keys", "clorp keys create ci --scope read --scope work"))
@click.pass_context
def keys(ctx: click.Context) -> Answer | None:
    """List your API keys; with a command below make, rotate, revoke them."""
    return None if ctx.invoked_subcommand else _list()


@keys.command("list", examples=("clorp keys list", "clorp keys list --json"))
def list_() -> Answer:
    """List your API keys."""
    return _list()


@keys.command(
    examples=("clorp keys create ci --scope read", "clorp keys create laptop --json | jq -r .api_key")
)
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may do; default as yours."
)
def create(name: str, scopes: tuple[str, ...]) -> Answer:
    """Make a key called NAME, which is shown only this once."""
    made = connect().create_key(name, list(scopes) or None)
    return Answer(made, lambda: tables.plain(made))


@keys.command(examples=("clorp keys rotate 01a22147-8f6b", "clorp keys rotate 01a22147-8f6b --json"))
@click.argument("key_id", metavar="ID", type=ID)
def rotate(key_id: str) -> Answer:
    """Make a key in place of an old one, shown only this once; then `clorp login` with it."""
    client = connect()
    key = client.rotate_key(_whole(client, key_id))
    return Answer(key, lambda: tables.plain(key))


@keys.command(examples=("clorp keys revoke 01a22147-8f6b", "clorp keys revoke --others"))
@click.argument("key_id", metavar="[ID]", type=ID, required=False)
@click.option("--others", is_flag=True, help="Every key but the one that asks, for when one has leaked.")
@click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
def revoke(key_id: str | None, others: bool, yes: bool) -> Answer:
    """Make a key worthless, at once, or with --others all but the one that asks."""
    if others == (key_id is not None):
        raise click.UsageError("Name one key, as `clorp keys` lists them, or give --others.")
    client = connect()
    if key_id:
        document = client.revoke_key(_whole(client, key_id))
        return Answer(document, lambda: "Revoked.")
    confirm("Revoke every key of yours but this one? What runs with another one stops.", yes)
    document = client.revoke_other_keys()
    return Answer(document, lambda: f"Revoked {counted(document['revoked_count'], 'key', 'keys')}.")


def _whole(client: Client, key_id: str) -> str:
    if len(key_id) == ID_LENGTH:
        return key_id
    ids = [str(key["id"]) for key in tables.rows_of(client.keys(limit=LIST_MAX))]
    return whole("key", key_id, ids, "clorp keys")


def _list() -> Answer:
    document = connect().keys(limit=LIST_MAX)
    return Answer(document, lambda: tables.listed(document, "You have no keys."))
