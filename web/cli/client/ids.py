"""Whole ids from their beginnings, which is what tables show of them."""

from collections.abc import Iterable

import click

from web.cli.client.command import ABSENT, CONFLICT, refuse
from web.cli.client.values import ID_LENGTH
from web.cli.commands import speaker
from web.client import Client, Conflict, NotFound

PENDING_MAX = 100  # drops that wait for payment; the server lets a sender have fewer


def drop_id(client: Client, beginning: str) -> str:
    """Return the id of the one drop whose id begins so.

    Every drop that was ever open can be found by the beginning of its id, and those of the caller that wait
    for payment.

    Raises:
        Refused: there is none, or more than one.
    """
    if len(beginning) == ID_LENGTH:
        return beginning
    try:
        return str(client.board_drop(beginning)["id"])
    except Conflict as error:
        raise _ambiguous("drop", beginning, error.details.get("ids") or []) from None
    except NotFound:
        waiting = client.jobs(status="pending_payment", limit=PENDING_MAX) if client.has_key else []
        return _one(
            "drop", beginning, [str(job["id"]) for job in waiting], f"clorp board{speaker()}, clorp jobs"
        )


def whole(kind: str, beginning: str, ids: Iterable[str], listing: str) -> str:
    """Return the one of these ids that begins so.

    Args:
        kind: of thing, for the refusal.
        beginning: of an id, or a whole one, which need not be among them.
        ids: to choose from.
        listing: the command that lists them.

    Raises:
        Refused: none begins so, or more than one does.
    """
    return beginning if len(beginning) == ID_LENGTH else _one(kind, beginning, ids, listing)


def _one(kind: str, beginning: str, ids: Iterable[str], listing: str) -> str:
    found = [one for one in ids if one.startswith(beginning)]
    if len(found) > 1:
        raise _ambiguous(kind, beginning, found)
    if not found:
        hint = f"Copy more of it, or all of it: {listing}{speaker()}"
        raise refuse(f"No {kind} has an id that begins with {beginning}.", hint, ABSENT, "not_found")
    return found[0]


def _ambiguous(kind: str, beginning: str, ids: list[str]) -> click.ClickException:
    return refuse(
        f"The ids of several {kind}s begin with {beginning}.",
        f"Write more of it: {', '.join(ids)}",
        CONFLICT,
        "ambiguous_id",
    )
