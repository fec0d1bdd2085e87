"""Server-Sent Events: how they are written, and how long a stream goes on.

No connection to the database is held while a stream waits: each look is a short transaction of its own.
"""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from flask import Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from models.errors import ClorpError, Unavailable
from web import asked, watch

logger = logging.getLogger(__name__)

BEAT_SECONDS = 15.0  # of silence, then a comment: proxies close what says nothing, and we see who has left
STREAM_SECONDS = 55.0  # then the client resumes: no thread is held for good, and keys are asked for anew
RESUME_MILLISECONDS = 1_000  # the pause before that
FULL_RETRY_SECONDS = 5  # when too many are listening already

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would keep what it should pass on


@dataclass(frozen=True)
class Heard:
    """What one look found. `full`: there may be more at once; `over`: there will be no more."""

    messages: list[str]
    full: bool = False
    over: bool = False


def message(name: int | str, kind: str, data: BaseModel) -> str:
    """One event as it goes over the wire."""
    # In ASCII: many clients take U+2028 and its like for the end of a line.
    written = data.model_dump_json(ensure_ascii=True, exclude_unset=True)
    return f"id: {name}\nevent: {kind}\ndata: {written}\n\n"


def stream(job_id: UUID | None, look: Callable[[], Heard], greeting: str = "") -> Response:
    """An answer that goes on as things happen.

    Args:
        job_id: of the drop whose events are worth a look; None for those of any.
        look: finds what is behind the last look. It runs without a request: let it close over what it needs.
        greeting: what is said before anything has happened.

    Raises:
        Unavailable: too many wait in this process already.
        ClorpError: whatever the first look raises; a later one only ends the stream.
    """
    written = _written(watch.waiting(job_id, asked.asker(), asked.left()), look, greeting)
    first = next(written)  # here, so that a refusal is still an answer of its own
    response = Response(chain([first], written), mimetype="text/event-stream", headers=HEADERS)
    response.call_on_close(written.close)
    return response


def _written(
    place: AbstractContextManager[watch.Waiting | None], look: Callable[[], Heard], greeting: str
) -> Generator[str, None, None]:
    end = time.monotonic() + STREAM_SECONDS
    with place as changed:
        if changed is None:
            raise Unavailable("Too many are listening; try again.", retry_after=FULL_RETRY_SECONDS)
        heard = look()
        yield f"retry: {RESUME_MILLISECONDS}\n\n{greeting}"
        while True:
            yield from heard.messages
            if heard.over or watch.ending() or time.monotonic() >= end:
                return
            try:
                if not heard.full and not changed(min(BEAT_SECONDS, end - time.monotonic())):
                    yield ": beat\n\n"
                heard = look()  # without news too: who listens may have lost the right to
            except (ClorpError, watch.HungUp):
                return
            except SQLAlchemyError as error:
                logger.warning("a stream ends: %s", type(error).__name__)
                return
