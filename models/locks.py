"""The numbers of PostgreSQL's advisory locks. All of a database share them, so they stand in one place."""

from enum import IntEnum, unique

from sqlalchemy import text
from sqlalchemy.orm import Session


@unique
class Lock(IntEnum):
    """What only one transaction at a time does."""

    MIGRATE = 7_203_110_441
    RATE = 7_203_110_442
    AUDIT = 7_203_110_443
    BRING_IN = 7_203_110_444  # the first money decides of which kind all is
    SPEND = 7_203_110_445  # what a day may cost is counted by one at a time


def hold(session: Session, lock: Lock) -> None:
    """Wait until nobody else holds it, and hold it until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(lock)})


def try_to_hold(session: Session, lock: Lock) -> bool:
    """The same without waiting; whether it is held now."""
    asked = session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": int(lock)})
    return bool(asked.scalar_one())
