"""`clorp wait`: what happens in a drop, live, until it has ended."""

import click

from models.money import dollars
from web.cli.client import tables
from web.cli.client.command import NOT_YET, OTHER, Answer, Command, connect, console, refuse, show, wants_json
from web.cli.client.texts import counted, relative, seconds_until, span
from web.cli.client.values import ID, SECONDS
from web.client import Client, Json

_GOOD = "verified"


@click.command(cls=Command)
@click.argument("job_id", metavar="ID", type=ID)
@click.option("--timeout", type=SECONDS, metavar="5m", help="Wait no longer than this; then exit 124.")
def wait(job_id: str, timeout: int | None) -> None:
    """Wait until a drop has ended; exit 0 when it was won and paid, 1 when it failed or was cancelled."""
    finish(connect(), job_id, timeout)


def finish(client: Client, job_id: str, timeout: float | None = None) -> None:
    """Wait for the end, show it, and end the command by it."""
    try:
        row = _watched(client, job_id, timeout)
    except TimeoutError as error:
        raise refuse(str(error), f"Go on with: clorp wait {job_id}", NOT_YET, "timeout") from None
    show(Answer(row, lambda: tables.job(row)))
    if row["status"] != _GOOD:
        click.get_current_context().exit(OTHER)


def _watched(client: Client, job_id: str, timeout: float | None) -> Json:
    errors = console(stderr=True)
    if wants_json() or not errors.is_terminal:
        return client.wait(job_id, timeout)
    from rich.live import Live
    from rich.spinner import Spinner

    now: Json = {}
    spinner = Spinner("dots")

    def line() -> Spinner:
        spinner.update(text=told(now) if now else "asking")
        return spinner

    with Live(get_renderable=line, console=errors, refresh_per_second=8, transient=True) as live:

        def change(row: Json) -> None:
            for event in happened(now, row):
                live.console.print(event, markup=False)
            now.update(row)

        return client.wait(job_id, timeout, change)


def told(row: Json) -> str:
    """Where a drop stands, with the time that is left."""
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
    """What changed between two looks, in words."""
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
