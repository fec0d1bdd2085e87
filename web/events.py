"""What happens, as it happens: the events of one drop for those who see it, the board's for everybody."""

import re
from typing import Literal
from uuid import UUID

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field

from models import chronicle, db
from models import events as told
from models.chronicle import Change
from models.errors import Invalid, NotFound
from models.events import Kind, Place
from models.schema import Event
from web import shapes, sse
from web.auth import caller
from web.contract import Routes
from web.lists import NUMBER_MAX, clamped
from web.sse import Heard

events = Routes("events", "/api")

RESUME = "Last-Event-ID"
_NUMBER = re.compile(r"[0-9]{1,18}")  # fits what the database counts with
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class Happening(BaseModel):
    """One event of a drop: the `data` of a message, whose `event` is the kind. Details depend on it."""

    model_config = ConfigDict(extra="allow")

    id: int = Field(description="Increases.", examples=[4711])
    kind: Kind
    job_id: shapes.Id
    created_at: shapes.Time


class BoardHappening(BaseModel):
    """One event that changed the board: the `data` of a message, whose `event` is the kind."""

    id: str = Field(description="Where to resume.", examples=["98213-4711"])
    kind: Kind
    job_id: shapes.Id
    created_at: shapes.Time
    joinable: bool = Field(description="Whether it is on the board now: take it off if not.")
    drop: shapes.BoardDrop = Field(description="Its row on the board, as it is now.")


class Reset(BaseModel):
    """Too much was missed: read the board anew."""

    id: str
    kind: Literal["reset"]


class LogQuery(BaseModel):
    """Where in the events of a drop to begin."""

    after: clamped(0, NUMBER_MAX) = Field(0, description="The `id` behind which to begin.")  # type: ignore[valid-type]


class BoardStreamQuery(BaseModel):
    """Where in the changes of the board to begin."""

    after: str = Field("", description="The `id` behind which to begin; left out, now.")


@events.get(
    "/jobs/<uuid:job_id>/logs",
    Happening,
    also={204: None},
    query=LogQuery,
    scope=("read", "work"),
    refuses=[NotFound, Invalid],
    media_type="text/event-stream",
)
def logs(query: LogQuery, job_id: UUID) -> Response:
    """What happens to a drop, as Server-Sent Events from the beginning to its end.

    A stream ends after `payout.posted`, `drop.failed` or `drop.cancelled`, and every minute: resume
    with `Last-Event-ID`. Behind the end there is nothing: 204, which tells an EventSource to stop.
    """
    user_id, after = caller(), _number(query.after)

    def read() -> chronicle.Log:
        return db.retried(lambda session: chronicle.log(session, user_id, job_id, after))

    def look() -> Heard:
        nonlocal after
        log = read()
        after = log.rows[-1].id if log.rows else after
        return Heard([_of_log(row) for row in log.rows], log.full, log.over)

    log = read()
    return Response(status=204) if log.over and not log.rows else sse.stream(job_id, look)


@events.get(
    "/board/stream",
    BoardHappening,
    query=BoardStreamQuery,
    refuses=[Invalid],
    media_type="text/event-stream",
)
def board_stream(query: BoardStreamQuery) -> Response:
    """What changes the board, as Server-Sent Events from now on; resume with `Last-Event-ID`.

    Every minute the stream ends: resume it. Who missed too much gets a `reset` and begins at now.
    """
    place, greeting = _begin(_place(query.after))

    def look() -> Heard:
        nonlocal place
        changes = db.retried(lambda session: chronicle.board(session, place))
        place = changes.place
        return Heard([_of_board(change) for change in changes.rows], changes.full)

    return sse.stream(None, look, greeting)


def _begin(asked: Place | None) -> tuple[Place, str]:
    """Where a stream of the board begins, and what it says first."""
    reached, place = db.retried(lambda s: (asked and told.within_reach(s, asked), told.now(s)))
    if asked and reached:
        return asked, ""
    name = _name(place)
    if asked:  # too long ago, or never
        return place, sse.message(name, "reset", Reset(id=name, kind="reset"))
    return place, f"id: {name}\n\n"  # who is cut off before the first event resumes here


def _of_log(row: Event) -> str:
    happening = Happening(id=row.id, kind=row.kind, job_id=row.job_id, created_at=row.created_at, **row.data)
    return sse.message(row.id, row.kind, happening)


def _of_board(change: Change) -> str:
    event, name = change.event, _name(Place.of(change.event))
    happening = BoardHappening(
        id=name,
        kind=event.kind,
        job_id=event.job_id,
        created_at=event.created_at,
        joinable=change.item.joinable,
        drop=shapes.BoardDrop.of(change.item),
    )
    return sse.message(name, event.kind, happening)


def _number(after: int) -> int:
    """Where a log goes on: the header of a client that comes again counts before the address it had."""
    header = request.headers.get(RESUME)
    if not header:
        return after
    if not _NUMBER.fullmatch(header):
        raise _junk(RESUME)
    return int(header)


def _place(after: str) -> Place | None:
    header = request.headers.get(RESUME)
    if not (header or after):
        return None
    found = _PLACE.fullmatch(header or after)
    if not found:
        raise _junk(RESUME if header else "after")
    return Place(int(found[1]), int(found[2]))


def _name(place: Place) -> str:
    return f"{place.xid}-{place.id}"


def _junk(name: str) -> Invalid:
    message = "is no id that this stream gave"
    return Invalid(f"Check the parameter {name}.", errors=[{"field": name, "message": message}])
