"""What is noted of each request: its id, a line in the log, and its share of the metrics.

Never the address as it was asked, which may hold anything: only the route it found.
"""

import logging
import re
import time

from flask import Flask, Response, g, request

from models import logs
from models.ids import uuid7
from web import asked, metrics

logger = logging.getLogger(__name__)

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by those who watch over us
NOWHERE = "(none)"  # the route of what is not there


def install(app: Flask) -> None:
    """Name each request before anything else, and note it after everything else."""
    app.before_request(_begin)
    app.after_request(_note)


def _begin() -> None:
    g.begun = time.perf_counter()
    told = request.headers.get(HEADER, "")
    g.request_id = told if _WELL_FORMED.fullmatch(told) else str(uuid7())
    logs.start(request_id=g.request_id)
    if job_id := (request.view_args or {}).get("job_id"):
        logs.bind(job_id=str(job_id))


def _note(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    seconds = time.perf_counter() - g.begun
    route = asked.route()
    path = route.path if route else NOWHERE
    method = request.method if route else NOWHERE  # a client may make up methods
    metrics.observe(method, path, response.status_code, seconds)
    if identity := g.get("identity"):
        logs.bind(user_id=str(identity.user_id))
    logger.log(
        logging.DEBUG if path in _QUIET else logging.INFO,
        "answered",
        extra={"method": method, "route": path, "status": response.status_code, "ms": round(seconds * 1000)},
    )
    return response


def note_unrouted(status: int, request_id: str) -> None:
    """Note an answer to what never became a request of the application."""
    metrics.observe(NOWHERE, NOWHERE, status, 0)
    logs.start(request_id=request_id)
    logger.info("answered", extra={"method": NOWHERE, "route": NOWHERE, "status": status, "ms": 0})
