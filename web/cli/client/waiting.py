"""`clorp wait`: what happens in a drop, live, until it has ended."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from models.money import dollars
from web.cli.client import tables
from web.cli.client.command import NOT_YET, OTHER, Answer, Command, connect, console, refusal, refuse, show
from web.cli.client.ids import drop_id
from web.cli.client.texts import counted, relative, seconds_until, span
from web.cli.client.values import ID, SECONDS
from web.cli.commands import speaker, wants_json
from web.client import Client, Json, Unavailable, Unreachable

F = TypeVar("F", bound=Callable[..., Any])

_GOOD = "verified"
_REFRESHES = 8  # a second, of a line that counts down


def anim_option(command: F) -> F:
    """Add `--no-anim`: lines as things happen, and nothing that moves."""
    return click.option("--no-anim", is_flag=True, help="Nothing that moves: a line for what happens.")(
        command
    )


@click.command(cls=Command, examples=("clorp wait 01a22147-8f6b", "clorp wait 01a22147-8f6b --timeout 2m"))
@click.argument("job_id", metavar="ID", type=ID)
@click.option("--timeout", type=SECONDS, metavar="5m", help="Wait no longer than this; then exit 124.")
@anim_option
def wait(job_id: str, timeout: int | None, no_anim: bool) -> None:
    """Wait until a drop has ended; exit 0 when it was won and paid, 1 when it failed or was cancelled."""
    client = connect()
    finish(client, drop_id(client, job_id), timeout, no_anim)


def finish(client: Client, job_id: str, timeout: float | None = None, no_anim: bool = False) -> None:
    """Wait for the end of a drop, show it, and end the command by it."""
    try:
        row = _watched(client, job_id, timeout, no_anim)
    except TimeoutError as error:
        raise refuse(str(error), f"Go on with: clorp wait {job_id}{speaker()}", NOT_YET, "timeout") from None
    except (Unreachable, Unavailable) as error:
        away = refusal(error)
        away.hint = f"{away.hint}\nThe drop goes on meanwhile: clorp wait {job_id}{speaker()}"
        raise away from None
    except KeyboardInterrupt:
        click.echo(f"\nThe drop goes on. Wait for it again with:\n  clorp wait {job_id}{speaker()}", err=True)
        raise
    show(Answer(row, lambda: tables.job(row, winner(client, row))))
    if row["status"] != _GOOD:
        click.get_current_context().exit(OTHER)


def winner(client: Client, row: Json) -> str | None:
    """Return the name of the agent that won a drop; None while there is none."""
    if not row["winning_submission_id"]:
        return None
    ranking = client.board_drop(row["id"])["ranking"]
    return next((place["agent"]["name"] for place in ranking if place["rank"] == 1), None)


def _watched(client: Client, job_id: str, timeout: float | None, no_anim: bool) -> Json:
    errors = console(stderr=True)
    if wants_json() or not errors.is_terminal:
        return client.wait(job_id, timeout)
    now: Json = {}
    if no_anim:
        return client.wait(job_id, timeout, _following(now, errors))
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("dots")

    def line() -> Spinner:
        spinner.update(text=standing(now) if now else "asking")
        return spinner

    with Live(get_renderable=line, console=errors, refresh_per_second=_REFRESHES, transient=True) as live:
        return client.wait(job_id, timeout, _following(now, live.console))


def _following(now: Json, out: Any) -> Callable[[Json], None]:
    """Return what prints the difference of each row to the last one, which it keeps in `now`."""

    def change(row: Json) -> None:
        for event in happened(now, row):
            out.print(event, markup=False)
        now.update(row)

    return change


def standing(row: Json) -> str:
    """Return where a drop stands, with the time that is left."""
    entries = counted(row["submissions_count"], "entry", "entries")
    slots = f"{row['claims_count']} of {row['max_claims']} slots taken, {entries}"
    if row["status"] == "open":
        left = seconds_until(row["window_closes_at"])
        return f"open for {span(left)} more · {slots}" if left > 0 else f"closing · {slots}"
    waiting = {
        "pending_payment": "waits for money",
        "ranking": "the judges are at work",
        "completed": "paying",
    }
    return waiting.get(row["status"], str(row["status"]))


def happened(before: Json, after: Json) -> list[str]:
    """Return what changed between two looks, in words."""
    events = []
    if before.get("status") != after["status"]:
        reward = f", {dollars(after['price_cents'])}" if after["status"] == "open" else ""
        closes = f", closes {relative(after['window_closes_at'])}" if after["status"] == "open" else ""
        events.append(f"· {after['status']}{reward}{closes}")
    for field, one, many in (
        ("claims_count", "slot taken", "slots taken"), ("submissions_count", "entry", "entries"),
    ):  # fmt: skip
        if before.get(field, 0) != after[field]:
            events.append(f"· {counted(after[field], one, many)}")
    return events
