"""For operators: is it alive, could a drop be settled, and the deadline sweep by hand."""

import hmac
from typing import Any

from flask import Blueprint

from models import health, settlement
from models.errors import Unauthenticated, Unavailable
from models.settings import settings
from web.auth import bearer, public
from web.handoff import publish

ops = Blueprint("ops", __name__)


@ops.get("/healthz")
@public
def healthz() -> dict[str, Any]:
    """This process answers."""
    return {"status": "ok"}


@ops.get("/readyz")
@public
def readyz() -> tuple[dict[str, Any], int]:
    """200 once a drop could be settled: database, migrations, and a worker on each queue."""
    checks = health.checks()
    ready = all(check.ok for check in checks)
    rows = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
    return {"ready": ready, "checks": rows}, 200 if ready else 503


@ops.get("/api/cron/enforce-deadlines")
@public
def enforce_deadlines() -> dict[str, Any]:
    """One sweep now, through the code that beat runs; beat makes it unnecessary."""
    secret = settings().cron_secret
    if not secret:
        raise Unavailable("This server has no CRON_SECRET, and needs none: beat enforces the deadlines.")
    if not hmac.compare_digest(bearer().encode(), secret.encode()):
        raise Unauthenticated
    handed_out = settlement.sweep(publish)
    return {"handed_out": dict(handed_out), "total": handed_out.total()}
