"""For operators: is it alive, could a drop be settled, and the deadline sweep by hand."""

from typing import Literal

from pydantic import BaseModel, Field

from models import health, settlement
from models.errors import Unauthenticated, Unavailable
from models.settings import settings
from web.auth import require_bearer
from web.contract import Reply, Routes
from web.handoff import publish

ops = Routes("ops")


class Alive(BaseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """One question and its answer."""

    name: str = Field(examples=["database"])
    ok: bool
    detail: str = Field(examples=["PostgreSQL 18.6"])


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
    """Whether a drop could be settled: database, migrations, and a worker on each queue."""
    checks = health.checks()
    ready = all(check.ok for check in checks)
    rows = [Check(name=check.name, ok=check.ok, detail=check.detail) for check in checks]
    return Reply(Ready(ready=ready, checks=rows), 200 if ready else 503)


@ops.get("/api/cron/enforce-deadlines", Swept, secret=True, refuses=[Unauthenticated, Unavailable])
def enforce_deadlines() -> Swept:
    """One sweep now, for the bearer of `CRON_SECRET`; beat makes it unnecessary."""
    secret = settings().cron_secret
    if not secret:
        raise Unavailable("This server has no CRON_SECRET, and needs none: beat enforces the deadlines.")
    require_bearer(secret)
    handed_out = settlement.sweep(publish)
    return Swept(handed_out=dict(handed_out), total=handed_out.total())
