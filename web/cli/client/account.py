"""`clorp login`, `logout`, `profiles`, `whoami`: which user the commands speak for."""

import shlex
import sys
from contextlib import suppress

import click

from models.money import dollars
from web.cli.client import credentials, tables
from web.cli.client.blocks import Facts
from web.cli.client.command import (
    AUTH,
    CONFLICT,
    USAGE,
    Answer,
    Command,
    Group,
    client_of,
    confirm,
    connect,
    interactive,
    refuse,
    show,
)
from web.cli.client.credentials import Profile
from web.cli.commands import options, speaker
from web.client import AuthError, Client, ClientError, Json

KEY_SHOWN = 12  # characters of a key that tell it from others and give nothing away


@click.command(
    cls=Command,
    examples=(
        "clorp login --signup ada",
        "clorp login --signup bob --profile bob",
        "clorp login --api-url https://market.example --key -",
    ),
)
@click.option("--key", help="The API key; `-` reads it from stdin. Left out, it is asked for.")
@click.option("--signup", metavar="NAME", help="Make a new user of this name instead.")
@click.option("--replace", is_flag=True, help="Replace the key that the profile holds, whoever's it is.")
def login(key: str | None, signup: str | None, replace: bool) -> Answer:
    """Store an API key for a server as a profile, in ~/.clorp/credentials.json.

    Without --profile it is the profile that counts, at first `default`. A second user wants a second
    profile: name it here, and with every command that speaks for that user.
    """
    if key is not None and signup is not None:
        raise click.UsageError("Name a --key or a new user to --signup, not both.")
    name, api_url = options()
    profile = credentials.named(name, api_url)
    held = credentials.read().profiles.get(profile.name)
    if signup is not None:
        _require_free(held, replace, _elsewhere(signup, api_url))
        user = client_of(profile).signup(signup)
        new_key, shown = user["api_key"], {"api key": user["api_key"]}
    else:
        new_key, shown = _key(key, profile.api_url), {}
        user = _checked(Profile(profile.name, profile.api_url, new_key))
        if held and (held.user, credentials.same(held.api_url)) != (
            user["name"],
            credentials.same(profile.api_url),
        ):
            _require_free(held, replace, f"clorp login --profile {credentials.free_name(user['name'])}")
    credentials.keep(Profile(profile.name, profile.api_url, new_key, user["name"]))
    facts = {"logged in as": user["name"], "at": profile.api_url, "profile": profile.name, **shown}
    facts["key in"] = str(credentials.path())
    if shown:
        facts["note"] = "The key is shown only now, and is the only way to this user's wallet: keep a copy."
    return Answer(user, lambda: Facts(facts))


@click.command(cls=Command, examples=("clorp logout", "clorp logout --profile bob -y"))
@click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
def logout(yes: bool) -> None:
    """Delete a stored API key. The key itself stays valid: see `clorp keys revoke`."""
    profile, api_url = options()
    name = credentials.named(profile, api_url).name
    held = credentials.read().profiles.get(name)
    if held is None:
        text = f"There is no profile {name!r}: nothing to delete."
        return show(Answer({"logged_out": False, "profile": name}, lambda: text))
    confirm(f"{_loss(held)} Delete it?", yes)
    credentials.forget(name)
    document = {"logged_out": True, "profile": name, "api_url": held.api_url}
    return show(Answer(document, lambda: f"Logged out: the profile {name} is deleted."))


@click.group(cls=Group, examples=("clorp profiles", "clorp profiles use bob"))
@click.pass_context
def profiles(ctx: click.Context) -> Answer | None:
    """List the stored profiles; with the command below choose the one that counts."""
    return None if ctx.invoked_subcommand else _list()


@profiles.command("list", examples=("clorp profiles list", "clorp profiles list --json"))
def list_() -> Answer:
    """List the stored profiles."""
    return _list()


@profiles.command("use", examples=("clorp profiles use bob", "clorp profiles use default"))
@click.argument("name", shell_complete=credentials.completed)
def use_(name: str) -> Answer:
    """Make NAME the profile that counts where none is named."""
    credentials.use(name)
    return Answer({"current": name}, lambda: f"The commands now speak for the profile {name}.")


@click.command(cls=Command, examples=("clorp whoami", "clorp whoami --profile bob --json"))
def whoami() -> Answer:
    """Show the user that the commands speak for, and the balance."""
    client = connect()
    user = client.whoami()
    return Answer(user, lambda: tables.plain({**user, "server": client.api_url}))


def _list() -> Answer:
    stored = credentials.read()
    rows = [
        {
            "profile": profile.name,
            "current": profile.name == stored.current,
            "user": profile.user,
            "server": profile.api_url,
            "key": f"{(profile.api_key or '')[:KEY_SHOWN]}…",
        }
        for profile in stored.profiles.values()
    ]
    return Answer(rows, lambda: tables.listed(rows, "There is none. Make one: clorp login --signup NAME"))


def _elsewhere(user: str, api_url: str | None) -> str:
    """Return the command that makes this user in a profile that is free."""
    name = shlex.quote(user) if user.isprintable() and user else "NAME"
    server = f" --api-url {shlex.quote(api_url)}" if api_url else ""
    return f"clorp login --signup {name} --profile {credentials.free_name(user)}{server}"


def _require_free(held: Profile | None, replace: bool, otherwise: str) -> None:
    """Refuse to overwrite a key, which may be the only copy."""
    if held and held.api_key and not replace:
        raise refuse(
            f"The profile {held.name} holds the key of {held.user} at {held.api_url}, perhaps its only copy.",
            f"Choose another profile: {otherwise}   or give that key up with --replace.",
            CONFLICT,
            "profile_taken",
        )


def _loss(held: Profile) -> str:
    """What the deletion of a key costs, as far as its server says."""
    balance = ""
    with suppress(ClientError, ValueError):
        cents = Client(held.api_url, held.api_key, timeout=5.0, patience=0.0).whoami()["balance_cents"]
        balance = f", with {dollars(cents)} in the wallet," if cents else ""
    return (
        f"This deletes the key of {held.user} at {held.api_url} from this machine. Without a copy of the key "
        f"the user{balance} is lost."
    )


def _key(given: str | None, server: str) -> str:
    """The key from the option, from stdin, or typed without an echo."""
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


def _checked(profile: Profile) -> Json:
    try:
        return client_of(profile).whoami()
    except AuthError:
        raise refuse(
            f"{profile.api_url} does not know this key.",
            f"Copy it whole, or make a new user: clorp login --signup NAME{speaker()}",
            AUTH,
            "unauthenticated",
        ) from None
