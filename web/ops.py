"""For operators: is it alive, could a drop be settled, and the deadline sweep by hand."""

from typing import Literal

from pydantic import BaseModel, Field
from redis.exceptions import RedisError, ResponseError

from models import health, settlement
from models.errors import Unauthenticated, Unavailable
from models.settings import settings
from web import services
from web.auth import require_bearer
from web.contract import Reply, Routes
from web.errors import RETRY_SECONDS
from web.handoff import offer_task
from web.looks import Look
from web.redis_client import redis_at, refusal, takes_messages

DATABASE_SECONDS = 3.0  # PostgreSQL that hangs costs whoever asks so long, and Redis the other one
REDIS_SECONDS = 0.5

ops = Routes("ops")


class Alive(BaseModel):
    """This process answers."""

    status: Literal["ok"]


class Check(BaseModel):
    """One question and its answer."""

    name: str = Field(examples=["database"])
    ok: bool
    detail: str = Field(examples=["PostgreSQL 18.6"])
    needed: bool = Field(description="Whether no drop is settled without it; `ready` looks at these alone.")


class Ready(BaseModel):
    """Whether a drop could be settled now, and what speaks for or against it."""

    ready: bool
    checks: list[Check]


class Swept(BaseModel):
    """What a sweep handed out, by task."""

    handed_out: dict[str, int] = Field(examples=[{"close": 2}])
    total: int = Field(examples=[2])


@ops.get("/healthz", Alive)
def healthz() -> Alive:
    """Whether this process answers."""
    return Alive(status="ok")


@ops.get("/readyz", Ready, also={503: Ready})
def readyz() -> Reply:
    """Whether a drop could be settled: database, migrations, Redis, and a worker on each queue; the audit.

    Without Redis drops are taken in and nothing is settled until it is back. An audit that found something
    stops nothing: it is told here, and rings as `clorp_audit_violations`. So does a bucket of uploads or a
    payment service that cannot be used: drops are settled without them.
    """
    checks = [*_database(), _redis(), *services.seen()]
    ready = all(check.ok for check in checks if check.needed)
    rows = [Check(name=c.name, ok=c.ok, detail=c.detail, needed=c.needed) for c in checks]
    later = {} if ready else {"Retry-After": str(RETRY_SECONDS)}
    return Reply(Ready(ready=ready, checks=rows), 200 if ready else 503, later)


_look = Look(health.checks)  # a database that hangs holds one thread, however many ask


def _database() -> list[health.Check]:
    try:
        return _look.within(DATABASE_SECONDS)
    except TimeoutError:
        detail = f"PostgreSQL did not answer within {DATABASE_SECONDS:.0f} s"
        return [health.Check("database", False, detail)]


def _redis() -> health.Check:
    url = settings().redis_url
    if not url:
        return health.Check("redis", False, "CLORP_REDIS_URL is not set")
    try:
        takes_messages(redis_at(url, REDIS_SECONDS))
    except ResponseError as error:
        return health.Check("redis", False, f"answers, and nothing can be queued ({refusal(error)})")
    except RedisError as error:
        return health.Check("redis", False, f"does not answer ({type(error).__name__})")
    return health.Check("redis", True, "answers")


@ops.get("/api/cron/enforce-deadlines", Swept, secret=True, refuses=[Unauthenticated, Unavailable])
def enforce_deadlines() -> Swept:
    """One sweep now, for the bearer of `CRON_SECRET`; beat makes it unnecessary."""
    secret = settings().cron_secret
    if not secret:
        raise Unavailable("This server has no CRON_SECRET, and needs none: beat enforces the deadlines.")
    require_bearer(secret)
    handed_out = settlement.sweep(offer_task)
    return Swept(handed_out=dict(handed_out), total=handed_out.total())
