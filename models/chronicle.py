"""What is told while it happens: one drop's events to those who see it, the board's to everybody."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from models import access, events, views
from models.events import Kind, Place
from models.schema import Drop, Event
from models.states import TERMINAL
from models.views import BoardItem

# Whatever adds a row to the board, changes one or takes it off.
BOARD: tuple[Kind, ...] = (
    "drop.opened", "claim.created", "claim.released", "claim.expired", "submission.received",
    "drop.cancel_requested", "drop.ranking", "drop.completed", "drop.failed", "drop.cancelled",
)  # fmt: skip


@dataclass(frozen=True)
class Log:
    """A stretch of a drop's events. `full`: there may be more now; `over`: there will be no more."""

    rows: list[Event]
    full: bool
    over: bool


@dataclass(frozen=True)
class Change:
    """An event that changed the board, and the drop's row there as it is now."""

    event: Event
    item: BoardItem


@dataclass(frozen=True)
class Changes:
    """A stretch of what changed the board, up to a place. `full`: there may be more now."""

    rows: list[Change]
    place: Place
    full: bool


def log(session: Session, user_id: UUID, job_id: UUID, after: int) -> Log:
    """The events of a drop behind the one with the id `after`.

    Raises:
        NotFound: no such drop, or not (any more) this user's to see.
    """
    drop = access.require_sight(session, session.get(Drop, job_id), user_id)
    ended = drop.status in TERMINAL  # read before the events, so that none of them is missing then
    rows = events.of_job(session, job_id, after, events.STRETCH)
    full = len(rows) == events.STRETCH
    last = bool(rows) and rows[-1].kind in events.LAST
    return Log(rows, full, over=last or (ended and not full))


def board(session: Session, after: Place) -> Changes:
    """What changed the board behind `after`. Drops that were never paid for never were on it."""
    rows = events.of_all(session, after, BOARD, events.STRETCH)
    items = views.board_items(session, {event.job_id for event in rows})
    changes = [Change(event, items[event.job_id]) for event in rows if event.job_id in items]
    return Changes(changes, Place.of(rows[-1]) if rows else after, len(rows) == events.STRETCH)
