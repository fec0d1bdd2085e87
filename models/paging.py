"""Stretches of lists: by offset for people, by cursor for programs, which stays fast at any depth."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.errors import Invalid

T = TypeVar("T")

CURSOR_MAX = 500  # characters


@dataclass(frozen=True)
class Stretch:
    """Which rows of a list: `limit` of them, behind `offset` others or behind the one `cursor` names."""

    limit: int = 20
    offset: int = 0
    cursor: str | None = None


@dataclass(frozen=True)
class Key:
    """A column that a list is sorted by, and which way."""

    column: InstrumentedAttribute[Any]
    descending: bool = False

    @property
    def order(self) -> ColumnElement[Any]:
        """For ORDER BY."""
        return self.column.desc() if self.descending else self.column.asc()

    def behind(self, value: Any) -> ColumnElement[bool]:
        """The rows that come after `value`."""
        return self.column < value if self.descending else self.column > value


@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows of a list. `total` is how long all of it is, behind a cursor: was where the walk began;
    `following` leads on, if there is more."""

    rows: list[T]
    total: int
    following: str | None


def page(
    session: Session,
    query: Select[*tuple[Any, ...]],
    keys: Sequence[Key],
    stretch: Stretch,
    make: Callable[..., T],
) -> Page[T]:
    """A stretch of `query`.

    Args:
        session: to ask in.
        query: without order and limit; its first column is a row that has the keys' columns.
        keys: what it is sorted by; together they are unique.
        stretch: which rows.
        make: one row of the answer from the columns of the query.

    Raises:
        Invalid: the cursor is none of this list's.
    """
    ordered = query.order_by(*(key.order for key in keys)).limit(stretch.limit + 1)
    if stretch.cursor:
        last, total = _read(keys, stretch.cursor)
        ordered = ordered.where(_behind(keys, last))
    else:
        ordered = ordered.offset(stretch.offset)
        total = session.scalars(select(func.count()).select_from(query.subquery())).one()
    rows = session.execute(ordered).all()
    more = len(rows) > stretch.limit
    rows = rows[: stretch.limit]
    following = _write([getattr(rows[-1][0], key.column.key) for key in keys], total) if more else None
    return Page([make(*row) for row in rows], total, following)


def _behind(keys: Sequence[Key], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows after `values`: later by the first key, or equal there and later by the next."""
    found: ColumnElement[bool] = false()
    for key, value in reversed(list(zip(keys, values, strict=True))):
        found = or_(key.behind(value), and_(key.column == value, found))
    return found


def _write(values: Sequence[Any], total: int) -> str:
    """The place of the last row, and the total: counting anew for each stretch would not be fast."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    text = json.dumps([*(str(value) if isinstance(value, UUID) else value for value in plain), total])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(keys: Sequence[Key], cursor: str) -> tuple[list[Any], int]:
    kinds = [*(key.column.type.python_type for key in keys), int]
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        *last, total = [_as(kind, value) for kind, value in zip(kinds, values, strict=True)]
        if total < 0:
            raise ValueError("less than nothing")
        return last, total
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
        message = "is not one that this list gave"
        raise Invalid(
            "Check the parameter cursor.", errors=[{"field": "cursor", "message": message}]
        ) from None


def _as(kind: type, value: Any) -> Any:
    if kind in (datetime, UUID) and not isinstance(value, str):
        raise TypeError("not a text")
    if kind is datetime:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise ValueError("a time without a zone")
        return found.astimezone(UTC)  # PostgreSQL knows fewer zones than Python
    if kind is UUID:
        return UUID(value)
    if type(value) is not kind:
        raise TypeError("another type")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("beyond what the database counts")
    return value
