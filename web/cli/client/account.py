"""`clorp login`, `logout`, `whoami`: which user the commands speak for."""

import sys

import click

from web.cli.client import credentials, tables
from web.cli.client.command import AUTH, USAGE, Answer, Command, connect, interactive, refuse
from web.cli.client.credentials import Account
from web.client import AuthError, Client, Json


@click.command(cls=Command)
@click.option("--api-url", metavar="URL", help="The server; default CLORP_API_URL, else the last one.")
@click.option("--key", help="The API key; `-` reads it from stdin. Left out, it is asked for.")
@click.option("--signup", metavar="NAME", help="Make a new user of this name instead.")
def login(api_url: str | None, key: str | None, signup: str | None) -> Answer:
    """Store an API key for a server in ~/.clorp/credentials.json."""
    if key and signup:
        raise click.UsageError("Name a --key or a new user to --signup, not both.")
    server = credentials.current(api_url).api_url
    if signup:
        told = _client(Account(server, None)).signup(signup)
        account, name = Account(server, told["api_key"]), told["name"]
    else:
        account = Account(server, _key(key, server))
        told = _checked(account)
        name = told["name"]
    credentials.keep(account, name)
    shown = {"logged in as": name, "at": server, "key in": credentials.path()}
    return Answer(told, lambda: tables.facts(shown))


@click.command(cls=Command)
@click.option("--api-url", metavar="URL", help="The server; default CLORP_API_URL, else the last one.")
def logout(api_url: str | None) -> Answer:
    """Forget the stored API key; the key itself stays valid: see `clorp keys revoke`."""
    server = credentials.current(api_url).api_url
    known = credentials.forget(server)
    text = f"Logged out of {server}." if known else f"You were not logged in to {server}."
    return Answer({"logged_out": known, "api_url": server}, lambda: text)


@click.command(cls=Command)
def whoami() -> Answer:
    """Show who you are to the server, and your balance."""
    client = connect()
    told = client.whoami()
    return Answer(told, lambda: tables.plain({**told, "server": client.api_url}))


def _key(given: str | None, server: str) -> str:
    """The key from the option, from stdin, or typed where nobody sees it."""
    if given is None:
        if not interactive():
            raise refuse(
                "There is no key.", "Name it with --key, or pipe it in with --key -.", USAGE, "no_key"
            )
        given = click.prompt(f"API key for {server}", hide_input=True, err=True)
    key = (sys.stdin.readline() if given == "-" else given).strip()
    if not key:
        raise refuse("The key is empty.", "Name it with --key, or pipe it in with --key -.", USAGE, "no_key")
    return key


def _checked(account: Account) -> Json:
    try:
        return _client(account).whoami()
    except AuthError:
        raise refuse(f"{account.api_url} does not know this key.", None, AUTH, "unauthenticated") from None


def _client(account: Account) -> Client:
    try:
        made = Client(account.api_url, account.api_key)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return click.get_current_context().with_resource(made)
