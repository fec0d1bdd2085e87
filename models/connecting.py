"""Connections to PostgreSQL that begin with the same session defaults, directly or through a pooler.

PostgreSQL itself takes the defaults with the connection. A pooler refuses that, or drops it, and lends one
session to many clients, so that nothing can be set in it; there the defaults of the role count, which
`models.migrate` stores. Either way no statement is spent on them.
"""

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import Dialect

logger = logging.getLogger(__name__)

APPLICATION = "clorp"  # what PostgreSQL knows our connections by
_REFUSED = "unsupported startup parameter"  # PgBouncer; an error while connecting has no code


class Pooler(Enum):
    """The kinds of pooler between this program and PostgreSQL: none, or one that lends whole sessions or only
    transactions.
    """

    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"


def engine(url: str, defaults: Mapping[str, str], **options: Any) -> Engine:
    """Return an engine whose sessions begin with these defaults.

    Args:
        url: of PostgreSQL or of a pooler.
        defaults: parameters of PostgreSQL and their values.
        options: of SQLAlchemy's engine.
    """
    escaped = {name: value.replace(" ", r"\ ") for name, value in defaults.items()}
    flags = " ".join(f"-c {name}={value}" for name, value in escaped.items())
    new_engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        connect_args={"application_name": APPLICATION, "options": flags},
        **options,
    )
    event.listen(new_engine, "do_connect", _Connecting())
    return new_engine


class _Connecting:
    """Connects with the options, until a pooler refuses them."""

    def __init__(self) -> None:
        self._pooled = False

    def __call__(self, dialect: Dialect, _record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        plain = {name: value for name, value in cparams.items() if name != "options"}
        if not self._pooled:
            try:
                return dialect.connect(*cargs, **cparams)
            except psycopg2.OperationalError as error:
                if _REFUSED not in str(error):
                    raise
                logger.info("a pooler takes no options: the defaults of the role count")
                self._pooled = True
        return dialect.connect(*cargs, **plain)


def pooler(url: str) -> Pooler:
    """Return the kind of pooler at a URL, told by which sessions of PostgreSQL two connections get.

    Two connections are made, and the second one gets the session of the first where that has gone back to
    the pool with its transaction.

    Raises:
        DBAPIError: PostgreSQL cannot be asked.
    """
    # Each query is a transaction of its own.
    unpooled = engine(url, {}, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with unpooled.connect() as first:
        announced = first.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        session = _session_of(first)
        if session == announced:
            return Pooler.NONE
        with unpooled.connect() as second:
            shared = _session_of(second) == session
        shared = shared or _session_of(first) != session
        return Pooler.TRANSACTION if shared else Pooler.SESSION


def isolation(url: str) -> str:
    """Return the isolation level of transactions whose program names none, as the role or the server has it.

    Raises:
        DBAPIError: PostgreSQL cannot be asked.
    """
    with engine(url, {}, poolclass=NullPool).connect() as connection:
        level: str = connection.scalar(text("SHOW default_transaction_isolation"))
        return level


def _session_of(connection: Connection) -> int:
    number: int = connection.scalar(text("SELECT pg_backend_pid()"))
    return number
