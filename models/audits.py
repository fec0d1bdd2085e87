"""The audit that runs by itself: every promise over all rows, at one moment, and what it found, kept."""

import logging
import time
from collections import Counter
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import db, ledger, locks
from models.ledger import Violation
from models.locks import Lock
from models.schema import LatestAudit

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 50.0  # of the one long question: beat sends the next audit after 60
EXAMPLES_MAX = 5  # of the broken promises that are kept word for word; the view has all of them
# What was sent while no worker ran comes all at once, and once is enough.
PAUSE_SECONDS = 30
PAUSE_MIN_TIMES = 5  # as long as the last one took: on large books most of the time belongs to the drops
FRESH = timedelta(seconds=300)  # five times as long as beat waits between two


def run() -> LatestAudit | None:
    """Audit now, keep what was found, and log it as an error where it is not what was found before.

    Returns:
        What was found; None where another audit runs, or has just been.
    """
    begun = time.monotonic()
    with db.snapshot(TIMEOUT_SECONDS) as session:
        if _recent(session) or not locks.try_to_hold(session, Lock.AUDIT):
            logger.info("no audit: another one runs, or has just been")
            return None
        found = ledger.violations(session)
    milliseconds = round((time.monotonic() - begun) * 1000)

    def keep(session: Session) -> tuple[dict[str, int], LatestAudit]:
        before = latest(session)
        return before.rules if before else {}, _keep(session, found, milliseconds)

    told, audit = db.retried(keep)
    _log(told, audit)
    return audit


def latest(session: Session) -> LatestAudit | None:
    """What the last audit found; None before the first."""
    return session.scalars(select(LatestAudit)).one_or_none()


def violations(session: Session) -> int:
    """How many promises are broken, as the last audit found; counted now where that was long ago."""
    audit = latest(session)
    if audit and audit.finished_at > db.now(session) - FRESH:
        return audit.violations
    return len(ledger.violations(session))


def _recent(session: Session) -> bool:
    audit = latest(session)
    if audit is None:
        return False
    pause = max(PAUSE_SECONDS, PAUSE_MIN_TIMES * audit.milliseconds / 1000)
    return audit.finished_at > db.now(session) - timedelta(seconds=pause)


def _keep(session: Session, found: list[Violation], milliseconds: int) -> LatestAudit:
    values = {
        "finished_at": db.now(session),
        "milliseconds": milliseconds,
        "violations": len(found),
        "rules": dict(sorted(Counter(violation.rule for violation in found).items())),
        "examples": [[violation.rule, violation.detail] for violation in found[:EXAMPLES_MAX]],
    }
    statement = insert(LatestAudit).values(values)
    kept = statement.on_conflict_do_update(index_elements=["latest"], set_=values).returning(LatestAudit)
    return session.scalars(kept, execution_options={"populate_existing": True}).one()


def _log(told: dict[str, int], audit: LatestAudit) -> None:
    if audit.rules == told:
        return
    if audit.violations:
        counted = ", ".join(f"{rule} {times}" for rule, times in audit.rules.items())
        rule, detail = audit.examples[0]
        logger.error("promises about money are broken: %s; for one, %s: %s", counted, rule, detail)
    else:
        logger.warning("the audit is clean again")
