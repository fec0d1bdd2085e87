"""Handing work to Celery after the commit. The only place in `web` that knows of a broker.

A request never waits for it: offers go through a small queue to one thread that publishes them,
best effort. What gets lost here the sweep finds in PostgreSQL a moment later.
"""

import logging
import queue
import threading
from uuid import UUID

from celery import Celery
from sqlalchemy.orm import Session

from models import crash, db, logs
from models.crash import Point
from models.schema import Drop
from models.states import OWED, Status

logger = logging.getLogger(__name__)

BACKLOG_MAX = 1_000  # offers waiting for a slow broker; more are left to the sweep

_app = Celery("clorp-web")
_app.config_from_object("celeryconfig")
_offers: queue.Queue[tuple[str, UUID, str | None]] = queue.Queue(BACKLOG_MAX)
_starting = threading.Lock()
_publisher: threading.Thread | None = None


def offer(session: Session, drop: Drop) -> None:
    """Offer the task that a drop owes now, as soon as this transaction has committed."""
    status, job_id = drop.status, drop.id
    if status in (Status.RANKING, Status.COMPLETED):
        db.after_commit(session, lambda: _hand_off(OWED[status], job_id))


def offer_payment(session: Session, payment_id: UUID) -> None:
    """Offer to tell the rail of a payment, as soon as this transaction has committed."""
    db.after_commit(session, lambda: _hand_off("remit", payment_id))


def _hand_off(task: str, row_id: UUID) -> None:
    crash.point(Point.HANDOFF)
    offer_task(task, row_id)


def offer_task(task: str, row_id: UUID) -> None:
    """Offer a task that is owed; nobody waits for the broker."""
    _ensure_publisher()
    try:
        _offers.put_nowait((task, row_id, logs.bound("request_id")))
    except queue.Full:
        logger.warning("the broker is slow; %s of %s is left to the sweep", task, row_id)


def _publish(task: str, row_id: UUID, request_id: str | None = None) -> None:
    """Send a task now, with the request that caused it. Best effort: an error is logged, never raised."""
    headers = {"request_id": request_id} if request_id else {}
    try:
        _app.send_task(f"workers.tasks.{task}", (str(row_id),), ignore_result=True, headers=headers)
    except Exception as error:
        logger.warning("could not send %s of %s: %s", task, row_id, error)


def _ensure_publisher() -> None:
    # Started on first use, so that it lives in the process that serves and not in one that forks.
    global _publisher
    with _starting:
        if _publisher is None or not _publisher.is_alive():
            _publisher = threading.Thread(target=_publish_offers, name="handoff", daemon=True)
            _publisher.start()


def _publish_offers() -> None:
    while True:
        _publish(*_offers.get())
