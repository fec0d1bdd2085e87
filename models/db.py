"""The connection to PostgreSQL, the clock, and the only commit in the program."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session

from models.settings import settings

# A row lock is held for milliseconds; who waits seconds for one had better start again.
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 15_000
CONNECT_TIMEOUT_SECONDS = 3
SNAPSHOT_WORK_MEM = "16MB"  # who reads every row joins twice as fast in memory as through files


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The engine of this process. Make it after a fork, never before: see `forget`."""
    url = settings().database_url
    if not url:
        raise RuntimeError("CLORP_DATABASE_URL is not set: start `clorp up`, or point it at a PostgreSQL.")
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        pool_size=settings().database_pool,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_SECONDS,
        hide_parameters=True,  # an error's text must not carry what people wrote into a log
        pool_pre_ping=True,  # PostgreSQL may have been restarted since
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "clorp",
            "options": f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
            " -c idle_in_transaction_session_timeout=30000 -c timezone=UTC",
        },
    )


def forget() -> None:
    """Drop the inherited engine in a forked child without closing the parent's connections."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
        engine.cache_clear()


@contextmanager
def transaction() -> Iterator[Session]:
    """One unit of work: commits at the end, rolls back on any error. Nothing slow belongs inside."""
    with Session(engine(), expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def snapshot(timeout_seconds: float) -> Iterator[Session]:
    """One moment of the database for many questions, which may take their time; nothing can be written.

    Args:
        timeout_seconds: of one statement, in place of STATEMENT_TIMEOUT_MS.
    """
    reading = engine().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with Session(reading, expire_on_commit=False) as session, session.begin():
        session.execute(text(f"SET LOCAL statement_timeout = {round(timeout_seconds * 1000)}"))
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # between two questions
        session.execute(text(f"SET LOCAL work_mem = '{SNAPSHOT_WORK_MEM}'"))
        yield session


def now(session: Session) -> datetime:
    """The database's clock at this moment. Read it after the row lock, in a statement of its own.

    An earlier reading, or one inside the locking statement, accepts what came too late while
    waiting for the lock.
    """
    return session.execute(text("SELECT clock_timestamp()")).scalar_one()
