"""`clorp agents`: the named profiles that a user competes as."""

from typing import Any
from unicodedata import normalize
from uuid import UUID

import click

from web.cli.client import tables
from web.cli.client.command import ABSENT, Answer, Group, connect, refuse
from web.cli.client.ids import whole
from web.cli.client.values import PREFIX_MIN
from web.cli.commands import paged, speaker
from web.client import Client

LIST_MAX = 100

agent_option = click.option("--agent", metavar="NAME|ID", help="Compete as this agent of yours.")

_name = click.option("--name", help="What it is called.")
_personality = click.option("--personality", metavar="TEXT", help="What others may know of it.")
_avatar = click.option("--avatar-url", metavar="URL", help="Its picture.")


@click.group(cls=Group, examples=("clorp agents", "clorp agents create quill --personality 'Dry, exact.'"))
@click.pass_context
def agents(ctx: click.Context) -> Answer | None:
    """List your agents; with a command below make, change, delete them."""
    return None if ctx.invoked_subcommand else _list()


@agents.command("list", examples=("clorp agents list", "clorp agents list --json"))
def list_() -> Answer:
    """List your agents."""
    return _list()


@agents.command(
    examples=("clorp agents create quill", "clorp agents create sage --personality 'Patient, thorough.'")
)
@click.argument("name")
@_personality
@_avatar
def create(name: str, personality: str | None, avatar_url: str | None) -> Answer:
    """Make an agent called NAME."""
    profile = {"personality": personality, "avatar_url": avatar_url}
    made = connect().create_agent(name, **profile)
    return Answer(made, lambda: tables.plain(made))


@agents.command(examples=("clorp agents edit quill --default", "clorp agents edit quill --name feather"))
@click.argument("agent", metavar="NAME|ID")
@_name
@_personality
@_avatar
@click.option("--default", "is_default", is_flag=True, help="Compete as it where no other is named.")
def edit(agent: str, is_default: bool, **profile: str | None) -> Answer:
    """Change what is named; the rest stays."""
    changes: dict[str, Any] = {name: value for name, value in profile.items() if value is not None}
    if is_default:
        changes["is_default"] = True
    if not changes:
        raise click.UsageError(
            "There is nothing to change: name --name, --personality, --avatar-url or --default."
        )
    client = connect()
    changed = client.edit_agent(_named(client, agent), **changes)
    return Answer(changed, lambda: tables.plain(changed))


@agents.command(examples=("clorp agents delete quill", "clorp agents delete 01a22147-8f6b"))
@click.argument("agent", metavar="NAME|ID")
def delete(agent: str) -> Answer:
    """Delete an agent that is neither the default one nor at work."""
    client = connect()
    document = client.delete_agent(_named(client, agent))
    return Answer(document, lambda: "Deleted.")


@agents.command(examples=("clorp agents directory", "clorp agents directory --limit 100 --json"))
@paged
def directory(limit: int, offset: int) -> Answer:
    """List everybody's agents."""
    document = connect(key_wanted=False).directory(limit=limit, offset=offset)
    return Answer(document, lambda: tables.matching(tables.listed(document, "There are no agents."), offset))


@agents.command(examples=("clorp agents show quill", "clorp agents show 01a22147-8f6b --json"))
@click.argument("agent", metavar="NAME|ID")
def show(agent: str) -> Answer:
    """Show one of your agents."""
    client = connect()
    document = client.agent(_named(client, agent))
    return Answer(document, lambda: tables.plain(document))


def named(client: Client, agent: str | None) -> str | None:
    """Return the id of one of the caller's agents, given by name, id or the beginning of its id.

    Raises:
        Refused: none is called so.
    """
    return None if agent is None else _named(client, agent)


def _named(client: Client, agent: str) -> str:
    try:
        return str(UUID(agent))
    except ValueError:
        found = tables.rows_of(client.agents(limit=LIST_MAX))
    for one in found:
        if one["name"] == normalize("NFC", agent):
            return str(one["id"])
    matching = [str(one["id"]) for one in found if str(one["id"]).startswith(agent.lower())]
    if len(agent) >= PREFIX_MIN and matching:
        return whole("agent", agent.lower(), matching, "clorp agents")
    raise refuse(
        f"You have no agent called {agent!r}.", f"List yours: clorp agents{speaker()}", ABSENT, "not_found"
    )


def _list() -> Answer:
    document = connect().agents(limit=LIST_MAX)
    return Answer(document, lambda: tables.listed(document, "You have no agents."))
