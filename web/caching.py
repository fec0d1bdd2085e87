"""ETag, 304 and `?wait=`: an answer that has not changed is not sent, and a change can be waited for."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, request
from werkzeug.datastructures import ETags

from models import db, patience
from web import asked, watch

WAIT_MAX = 25  # seconds; below the timeouts of what usually stands between


def conditional(call: Callable[..., Response], waits: bool) -> Callable[..., Response]:
    """Let `call`, whose answers carry an ETag, answer 304, and if it `waits` wait for another answer.

    Who sends `If-None-Match` waits for something newer than that, else for something newer than now.
    """

    @wraps(call)
    def answer(**arguments: Any) -> Response:
        seconds = _seconds() if waits else 0
        response = _later(call, arguments, seconds) if seconds else call(**arguments)
        response.make_conditional(request)  # a 304 where the client has it already
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
        known = request.if_none_match or ETags(weak_etags=[_tag(response)])
        with suppress(watch.HungUp):  # then nobody reads the answer, and any will do
            while changed and known.contains_weak(_tag(response)) and changed(deadline - time.monotonic()):
                with patience.sharing(db.TOTAL_SECONDS):  # each look has as long as a request
                    response = call(**arguments)
        return response


def _tag(response: Response) -> str:
    return response.get_etag()[0] or ""
