"""Rotating the encryption keys: what is sealed with an older key is sealed anew with the first one.

It may run at any time, twice, at once, and again after it was killed: each row is looked at once more under
its own lock and committed by itself, and what is under the first key already is left alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, inspect, literal, select, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from models import db, vault
from models.errors import Unavailable
from models.schema import Drop, IdempotencyKey

BATCH = 100  # rows of one look, between two reports of progress
GLANCE = 5_000  # rows that `outstanding` looks at of each kind: a tenth of a second

Key = tuple[Any, ...]  # a primary key's values


@dataclass(frozen=True)
class Sealed:
    """A column that the vault encrypts, and what its rows are called."""

    name: str
    column: InstrumentedAttribute[Any]

    @property
    def keys(self) -> tuple[Any, ...]:
        """The primary key's columns."""
        return inspect(self.column.class_).primary_key


# All of them: tests/rules holds every other column of bytes against a list of hashes.
SEALED = (Sealed("drops", Drop.env_vars), Sealed("answers", IdempotencyKey.body))


@dataclass
class Tally:
    """How many rows of a kind were looked at, and of these changed their key or have none we know."""

    seen: int = 0
    rotated: int = 0
    unreadable: int = 0


def rotate(told: Callable[[str, Tally], object] = lambda name, tally: None) -> dict[str, Tally]:
    """Seal everything anew that is not under the first key yet.

    To begin once every process has the new list of keys: those that have not go on sealing with the old one.

    Args:
        told: called after each batch with the name of its kind and how far it is.

    Returns:
        The outcome by kind. Nothing `unreadable`: the older keys are needed no more.

    Raises:
        Unavailable: the server has no key.
    """
    vault.require_key()
    tallies = {sealed.name: Tally() for sealed in SEALED}
    for sealed in SEALED:
        tally = tallies[sealed.name]
        for batch in _batches(sealed):
            for row in batch:
                tally.seen += 1
                if not vault.is_current(row[-1]):
                    _count(tally, sealed, tuple(row[:-1]))
            told(sealed.name, tally)
    return tallies


def reseal(session: Session, sealed: Sealed, key: Key) -> Literal["rotated", "unreadable", "settled"]:
    """Seal one row anew. Settled: wiped or forgotten meanwhile, or sealed anew by somebody else."""
    where = [column == value for column, value in zip(sealed.keys, key, strict=True)]
    # NO KEY, as every lock here; waits for who is about to wipe it, and then sees that.
    locked = select(sealed.column).where(*where).with_for_update(key_share=True)
    value = session.execute(locked).scalar_one_or_none()
    if value is None or vault.is_current(value):
        return "settled"
    try:
        anew = vault.seal_anew(value)
    except Unavailable:
        return "unreadable"
    session.execute(update(sealed.column.class_).where(*where).values({sealed.column.key: anew}))
    return "rotated"


def outstanding(session: Session) -> tuple[int, int, int]:
    """How many rows an older key opens, how many none, and among how many looked at: not all, if many."""
    found = [
        value for sealed in SEALED for value in session.scalars(_stored(sealed, sealed.column).limit(GLANCE))
    ]
    others = [value for value in found if not vault.is_current(value)]
    unreadable = sum(not vault.opens(value) for value in others)
    return len(others) - unreadable, unreadable, len(found)


def _count(tally: Tally, sealed: Sealed, key: Key) -> None:
    with db.transaction() as session:
        outcome = reseal(session, sealed, key)
    tally.rotated += outcome == "rotated"
    tally.unreadable += outcome == "unreadable"


def _batches(sealed: Sealed) -> Iterator[list[Row[Any]]]:
    """Every row that has something sealed: its key, and what. None is locked."""
    after: Key | None = None
    while True:
        query = _stored(sealed, *sealed.keys, sealed.column).order_by(*sealed.keys).limit(BATCH)
        if after:
            begin = [literal(value, column.type) for value, column in zip(after, sealed.keys, strict=True)]
            query = query.where(tuple_(*sealed.keys) > tuple_(*begin))
        with db.transaction() as session:
            batch = list(session.execute(query))
        if not batch:
            return
        yield batch
        after = tuple(batch[-1][:-1])


def _stored(sealed: Sealed, *columns: Any) -> Any:
    return select(*columns).where(sealed.column.is_not(None))
