"""What the marketplace stands on, as `clorp doctor` looks at it: clock, disk, PostgreSQL, Redis, rail."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import redis

from models import backups, connecting, db, health
from models.connecting import Pooler
from models.health import Check
from models.settings import settings
from web import services
from web.redis_client import redis_at, refusal, takes_messages
from workers.judge import servers

POSTGRESQL_MIN = 15  # the first with NULLS NOT DISTINCT, by which no two files hang in one place
SKEW_MAX_SECONDS = 2.0  # the database's clock decides; logs and ids of a machine that is off mislead
DISK_FREE_MIN_BYTES = 1024**3
# Two forks for money; the sweep by hand and `clorp …`.
OTHER_CONNECTIONS = 2 + 2
REDIS_SECONDS = 2.0
RIGHTS_SHOWN = 3
GIB = 1024**3


def database() -> Iterator[Check]:
    """Of a PostgreSQL that answers: its version, its clock, its sessions, and room for our connections."""
    url = settings().database_url or ""
    between, isolation = connecting.pooler(url), connecting.isolation(url)
    with db.transaction() as session:
        before = time.time()
        skew = db.now(session).timestamp() - (before + time.time()) / 2
        major, places = backups.server_version(session), health.places(session)
        differing = health.differing(session)
    yield Check("postgresql", major >= POSTGRESQL_MIN, f"version {major}, at least {POSTGRESQL_MIN}")
    yield Check("clock", abs(skew) <= SKEW_MAX_SECONDS, f"{abs(skew):.1f} s from the database's")
    yield _pooler(between)
    begun = f"not as wanted: {', '.join(differing)}" if differing else "as wanted"
    yield Check("sessions", not differing, begun)
    yield Check("isolation", isolation == db.ISOLATION, f"{isolation} for programs that name none")
    yield _connections(places, between)


def rights(migrated: bool) -> Check:
    """Whether our role may do what it has to, which without a schema is to make one."""
    with db.transaction() as session:
        lacking = health.lacking(session, making=not migrated)
    more = f" and {len(lacking) - RIGHTS_SHOWN} more" if len(lacking) > RIGHTS_SHOWN else ""
    detail = f"lacks {', '.join(lacking[:RIGHTS_SHOWN])}{more}" if lacking else "the role has all"
    return Check("rights", not lacking, detail)


def _pooler(between: Pooler) -> Check:
    """Behind one in transaction mode some programs need another way to PostgreSQL."""
    if between is Pooler.NONE:
        return Check("pooler", True, "none before PostgreSQL")
    way = between is Pooler.SESSION or bool(settings().database_direct_url)
    return Check("pooler", way, f"one in {between.value} mode" + ("" if way else ", and no way past it"))


def _connections(places: int, between: Pooler) -> Check:
    given = os.environ.get("WEB_CONCURRENCY", "")
    web = int(given) if given.isdecimal() else 1
    pool = settings().database_pool
    workers = min(settings().ballots_at_once, pool) + OTHER_CONNECTIONS
    wanted = web * pool + workers
    counted = f"{web} web × {pool} + workers {workers} = {wanted}"
    if between is Pooler.TRANSACTION:  # its limit cannot be asked for, and is not PostgreSQL's
        return Check("connections", True, f"{counted}, which the pooler's max_client_conn has to allow")
    return Check("connections", wanted <= places, f"{counted} of {places}")


def disk(data: Path) -> Check:
    """Room for the servers and files of the data folder, which need not exist yet."""
    there = next(folder for folder in (data, *data.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return Check("disk", free >= DISK_FREE_MIN_BYTES, f"{free / GIB:.1f} GiB free at {there}")


def judge() -> Check:
    """Whether the judge can be had: a model's server is asked which models it has, which costs nothing."""
    chosen = settings()
    if chosen.judge == "unruly":
        return Check("judge", False, "unruly: breaks on demand, and is for `clorp torture` alone")
    if chosen.judge == "local":
        return Check("judge", True, "local: a heuristic, blind to wit, taste and truth")
    seen = servers.look(chosen)
    return Check("judge", seen.well, f"llm, {' then '.join(chosen.models)}: {seen.told}")


def uploads() -> Iterator[Check]:
    """Whether the bucket can be used, where there is one: a small object is written, read and removed."""
    yield from services.tried("uploads")


def payments() -> Check:
    """Whether the rail has what it needs and answers; play money needs nothing."""
    wanted = settings()
    if wanted.payments == "sandbox":
        return Check("payments", True, "sandbox: play money, that comes and goes at once")
    keys = {
        "STRIPE_SECRET_KEY": wanted.stripe_secret_key,
        "STRIPE_WEBHOOK_SECRET": wanted.stripe_webhook_secret,
    }
    missing = [name for name, value in keys.items() if not value]
    if missing:
        return Check("payments", False, f"stripe, without {' and '.join(missing)}")
    (seen,) = services.tried("payments")
    return Check("payments", seen.ok, f"stripe {seen.detail}")


def _queueing(url: str) -> Check:
    try:
        takes_messages(redis_at(url, REDIS_SECONDS))
    except redis.ResponseError as error:
        detail = f"nothing can be queued ({refusal(error)})"
        return Check("redis writes", False, detail, reason=str(error))
    except redis.RedisError as error:
        return Check("redis writes", False, f"no answer ({type(error).__name__})", reason=str(error))
    return Check("redis writes", True, "messages can be queued")


def broker() -> Iterator[Check]:
    """Redis or Valkey, and whether it keeps messages."""
    url = settings().redis_url
    if not url:
        yield Check("redis", False, "CLORP_REDIS_URL is not set")
        return
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, decode_responses=True
        )
        with closing(client):
            server, config = client.info("server"), client.config_get("maxmemory-policy", "appendonly")
    except redis.RedisError as error:
        yield Check("redis", False, f"does not answer ({type(error).__name__})", reason=str(error))
        return
    yield _queueing(url)
    name = "Valkey" if "valkey_version" in server else "Redis"
    yield Check("redis", True, f"{name} {server.get('valkey_version', server['redis_version'])}")
    policy = config["maxmemory-policy"]
    yield Check("redis eviction", policy == "noeviction", f"maxmemory-policy {policy}")
    yield Check("redis persistence", config["appendonly"] == "yes", f"appendonly {config['appendonly']}")
