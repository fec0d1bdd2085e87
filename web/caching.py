"""ETag, 304 and `?wait=`: an answer that has not changed is not sent, and a change can be waited for."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, request
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from models import db, patience
from web import asked, watch

_CODING = re.compile(r'-(?:gzip|br|zstd|deflate)(?=")')
WAIT_MAX = 25  # seconds; below the timeouts of what usually stands between


def conditional(call: Callable[..., Response], waits: bool) -> Callable[..., Response]:
    """Let `call`, whose answers carry an ETag, answer 304, and if it `waits` wait for another answer.

    Who sends `If-None-Match` waits for something newer than that, else for something newer than now.
    """

    @wraps(call)
    def answer(**arguments: Any) -> Response:
        seconds = _seconds() if waits else 0
        response = _later(call, arguments, seconds) if seconds else call(**arguments)
        response.make_conditional(_environ())  # a 304 where the client has it already
        return response

    return answer


def _seconds() -> int:
    raw = request.args.get("wait", "")
    if not (raw.isascii() and raw.isdigit()):
        return 0  # the route's model refuses what is no number
    return min(int(raw), WAIT_MAX) if len(raw) < 10 else WAIT_MAX


def _later(call: Callable[..., Response], arguments: dict[str, Any], seconds: int) -> Response:
    deadline = time.monotonic() + seconds
    job_id = arguments.get("job_id")
    known_id = job_id if isinstance(job_id, UUID) else None  # of the beginning of an id any change may be
    with watch.waiting(known_id, asked.asker(), asked.left()) as changed:
        response = call(**arguments)
        known = _known() or ETags(weak_etags=[_tag(response)])
        with suppress(watch.HungUp):  # then nobody reads the answer, and any will do
            while changed and known.contains_weak(_tag(response)) and changed(deadline - time.monotonic()):
                with patience.sharing(db.TOTAL_SECONDS):  # each look has as long as a request
                    response = call(**arguments)
        return response


def _environ() -> dict[str, Any]:
    """Return the request's environment with the ETags of the client as this server gave them.

    A proxy that compresses answers may add the coding to their ETags, as Apache's `mod_deflate` does, and
    pass on what the client then sends. Our own ETags are hexadecimal and never end so.
    """
    sent = request.environ.get("HTTP_IF_NONE_MATCH", "")
    return {**request.environ, "HTTP_IF_NONE_MATCH": _CODING.sub("", sent)}


def _known() -> ETags:
    """Return the ETags that the client has."""
    return parse_etags(_environ()["HTTP_IF_NONE_MATCH"])


def _tag(response: Response) -> str:
    return response.get_etag()[0] or ""
