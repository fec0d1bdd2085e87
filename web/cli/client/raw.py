"""`clorp api`: any call, as it is."""

import json
import re
import sys
from typing import Any

import click

from web.cli.client.command import Command, connect, refusal
from web.cli.client.texts import clean
from web.cli.client.values import file_completed, text_of
from web.client import Json, NotFound

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_METHODS = ("GET", "POST", "PATCH", "DELETE")


@click.command(
    cls=Command,
    examples=(
        "clorp api GET /api/board -f pack=code",
        "clorp api POST jobs/run -f prompt=Hi -f price_cents=200",
    ),
)
@click.argument("method", type=click.Choice(_METHODS, case_sensitive=False))
@click.argument("path")
@click.option(
    "-f", "fields", multiple=True, metavar="NAME=VALUE", help="A field; numbers, true, [] count as JSON."
)
@click.option(
    "--input",
    "source",
    metavar="FILE",
    shell_complete=file_completed,
    help="The body, from a file; `-` for stdin.",
)
@click.option("--idempotency-key", metavar="KEY", help="Of a POST; default a new one.")
def api(
    method: str, path: str, fields: tuple[str, ...], source: str | None, idempotency_key: str | None
) -> None:
    """Call METHOD PATH and print the answer; fields are the body, of a GET the query."""
    if source and fields:
        raise click.UsageError("The body comes from --input or from -f, not from both.")
    body = _document(source) if source else dict(_field(one) for one in fields)
    if _ADDRESS.match(path):
        raise click.UsageError(
            f"{path} is an address: give a path, such as /api/board. Which server it is asked of "
            "is said by `clorp login --api-url URL` or CLORP_API_URL."
        )
    path = f"/{path}" if path.startswith("api/") else path if path.startswith("/") else f"/api/{path}"
    query = body if method == "GET" else None
    client = connect(key_wanted=False)
    try:
        answer = client.api(
            method, path, None if query else body or None, query=query, idempotency_key=idempotency_key
        )
    except NotFound as error:
        hint = f"Check the path and the ids in it; {client.api_url}/docs has every route."
        raise refusal(error, hint) from None
    if isinstance(answer, str):
        click.echo(clean(answer) if sys.stdout.isatty() else answer, nl=not answer.endswith("\n"))
    else:
        click.echo(json.dumps(answer, indent=2 if sys.stdout.isatty() else None))


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.UsageError(f"-f {text}: write NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _document(source: str) -> Json:
    text = text_of(source if source == "-" else f"@{source}")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{source} is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise click.UsageError(f"{source} has to be a JSON object.")
    return document
