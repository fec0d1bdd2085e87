"""The connection to PostgreSQL, the clock, and the only commit in the program."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from models import connecting, patience
from models.errors import OutcomeUnknown
from models.outages import Outage
from models.settings import settings

logger = logging.getLogger(__name__)
T = TypeVar("T")

# A row lock is held for milliseconds. Who waits for this long is told: to begin anew would cost their place.
LOCK_TIMEOUT_MS = 3_500
STATEMENT_TIMEOUT_MS = 15_000
IDLE_TIMEOUT_MS = 30_000  # in a transaction
CHECK_INTERVAL_MS = 1_000  # whether the client is still there: one that lost patience must not hold locks
# Locks and constraints keep apart what must not meet; serializable transactions would fail where it does.
ISOLATION = "read committed"
SNAPSHOT_WORK_MEM = "16MB"  # who reads every row joins twice as fast in memory as through files

# With PostgreSQL away everybody hears of it within five seconds: two tries to connect, of two seconds each,
# and the pause between them fit.
CONNECT_SECONDS = 2.0
TRIES_MAX = 5
RETRY_SECONDS = 2.5  # no try is begun later
TOTAL_SECONDS = 4.3  # and none goes on for longer
PAUSE_SECONDS = 0.1  # at most before the second try, then twice as much each time
OUTCOME_SECONDS = 0.05  # between two looks whether a commit that is under way has come to its end

# What PostgreSQL broke off through no fault of the statement: serialization, deadlock, lock timeout.
_BROKEN_OFF = {"40001", "40P01", "55P03"}
_READ_ONLY, _NO_RIGHT = "25006", "42501"

_outage = Outage("PostgreSQL")


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The engine of this process. Make it after a fork, never before: see `forget`."""
    url = settings().database_url
    if not url:
        raise RuntimeError("CLORP_DATABASE_URL is not set: start `clorp up`, or point it at a PostgreSQL.")
    return connecting.engine(
        url,
        session_defaults(),
        pool_size=settings().database_pool,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,  # an error's text must not carry what people wrote into a log
        pool_pre_ping=True,  # PostgreSQL may have been restarted since
    )


def session_defaults() -> dict[str, str]:
    """Return what each session is to begin with, in PostgreSQL's own units."""
    return {
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_TIMEOUT_MS),
        "client_connection_check_interval": str(CHECK_INTERVAL_MS),
        "default_transaction_isolation": ISOLATION,
        "TimeZone": "UTC",
    }


def forget() -> None:
    """Drop the inherited engine in a forked child without closing the parent's connections."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
        engine.cache_clear()


@contextmanager
def transaction() -> Iterator[Session]:
    """One unit of work, tried once: commits at the end, rolls back on any error. Nothing slow belongs inside.

    For what only looks, and for scripts and tests; work that has to be done is a function for `retried`.
    """
    with Session(engine(), expire_on_commit=False) as session:
        yield session
        session.commit()
    _committed(session)


def retried(work: Callable[[Session], T], *, once: bool = False, slow: bool = False) -> T:
    """What `work` makes of a transaction, which is run again as a whole where PostgreSQL broke it off.

    Args:
        work: changes nothing outside of the session, for it may run several times.
        once: whether it must not be committed twice. Where the answer to a COMMIT was lost, PostgreSQL is
            then asked what became of it. Else the work simply runs again: it looks at what there is.
        slow: whether its statements may take as long as STATEMENT_TIMEOUT_MS lets them.

    Raises:
        OutcomeUnknown: it was to be done once, and nobody knows whether it was.
        DBAPIError: the database is away, or refuses; nothing was changed.
        PoolTimeout: all connections are in use, or the time of `patience.sharing` is over.
    """
    begun = time.monotonic()
    with nullcontext() if slow else patience.within(TOTAL_SECONDS):
        if patience.left() <= 0:
            raise PoolTimeout("the time of this request was over before it could ask")
        for number in range(TRIES_MAX):
            try:
                result = _try(work, once)
            except DBAPIError as error:
                pause = random.uniform(0, PAUSE_SECONDS * 2**number)  # noqa: S311  # full jitter
                late = pause > min(begun + RETRY_SECONDS - time.monotonic(), patience.left())
                if late or number == TRIES_MAX - 1 or not _broken_off(error):
                    raise
                if not _outage.lasting:
                    logger.info("tried again after %s", type(error.orig).__name__)
                time.sleep(pause)
            else:
                _outage.over()
                return result
    raise AssertionError("the last try returns or raises")


def away(error: DBAPIError) -> bool:
    """Whether it is PostgreSQL that cannot do it now, be the statement right or wrong."""
    return isinstance(error, OperationalError | InterfaceError) or _state(error) == _READ_ONLY


def noted(error: Exception) -> bool:
    """Whether this error says that PostgreSQL cannot be reached; that is logged once, until it is again."""
    gone = isinstance(error, DBAPIError) and (_lost(error) or _state(error) == _READ_ONLY)
    if gone or isinstance(error, PoolTimeout):
        _outage.notice(type(getattr(error, "orig", None) or error).__name__)
        return True
    return False


def refuses(error: DBAPIError) -> bool:
    """Whether it answers, and says that our role may not do this."""
    return _state(error) == _NO_RIGHT


def reason(error: Exception) -> str:
    """Return the first line of what PostgreSQL, or the way to it, said of an error."""
    words = str(getattr(error, "orig", None) or error).strip()
    return words.splitlines()[0] if words else type(error).__name__


def after_commit(session: Session, call: Callable[[], object]) -> None:
    """Have this called once the transaction is known to have been committed, and never otherwise."""
    session.info.setdefault(_AFTER, []).append(call)


def transaction_id(session: Session) -> int | None:
    """The number of this transaction; None as long as it has changed nothing."""
    session.flush()
    if _XID not in session.info:
        asked = session.connection().exec_driver_sql("SELECT pg_current_xact_id_if_assigned()")
        if (xid := asked.scalar_one()) is None:
            return None
        session.info[_XID] = int(xid)
    found: int = session.info[_XID]
    return found


@contextmanager
def snapshot(timeout_seconds: float) -> Iterator[Session]:
    """One moment of the database for many questions, which may take their time; nothing can be written.

    Args:
        timeout_seconds: of one statement, in place of STATEMENT_TIMEOUT_MS.
    """
    reading = engine().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    silence = timeout_seconds + patience.SILENCE_SECONDS
    with patience.with_silence(silence), Session(reading, expire_on_commit=False) as session:
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


_AFTER, _XID = "after_commit", "transaction_id"  # in a session's `info`


def _try(work: Callable[[Session], T], once: bool) -> T:
    begun = time.monotonic()
    with Session(engine(), expire_on_commit=False) as session:
        _connect(session)
        result = work(session)
        xid = transaction_id(session) if once else None
        unanswered = None
        try:
            session.commit()
        except DBAPIError as error:
            if not (once and _lost(error)):
                raise
            unanswered = error
    # The connection is back, so that there is one to ask with.
    if unanswered and xid and not _was_committed(xid, begun):
        raise unanswered
    _committed(session)
    return result


def _connect(session: Session) -> None:
    """Have a connection that answers, or an error, while there is time for another try."""
    with patience.within(CONNECT_SECONDS):
        session.connection()


def _committed(session: Session) -> None:
    for call in session.info.pop(_AFTER, ()):
        call()


def _broken_off(error: DBAPIError) -> bool:
    return _lost(error) or _state(error) in _BROKEN_OFF


def _lost(error: DBAPIError) -> bool:
    """Whether it was the connection that failed. During a COMMIT that says nothing of what became of it."""
    if error.connection_invalidated or _state(error).startswith(("08", "57P")):
        return True
    return isinstance(error, OperationalError | InterfaceError) and not _state(error)


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or ""


# After a crash PostgreSQL gives numbers out anew that nobody had seen on disk. A crash resets its statistics,
# so where those are older than the transaction, the number still means what it meant.
_OUTCOME = text("""
    SELECT pg_xact_status(CAST(CAST(:xid AS text) AS xid8)) AS status,
        coalesce(stats_reset < clock_timestamp() - CAST(:age AS interval), true) AS unbroken
    FROM pg_stat_wal
""")
_IN_FUTURE = "22023"  # this PostgreSQL has not yet come to that number: a crash took the transaction along


def _was_committed(xid: int, begun: float) -> bool:
    """Whether PostgreSQL carried out a COMMIT that it gave no answer to.

    Raises:
        OutcomeUnknown: it cannot be asked in time, or cannot know.
    """
    while True:
        try:
            if (outcome := _outcome(xid, time.monotonic() - begun)) is not None:
                return outcome
        except (DBAPIError, PoolTimeout) as error:
            if isinstance(error, DBAPIError) and _state(error) == _IN_FUTURE:
                return False
        if time.monotonic() > begun + RETRY_SECONDS:
            raise OutcomeUnknown
        time.sleep(OUTCOME_SECONDS)


def _outcome(xid: int, age_seconds: float) -> bool | None:
    """None while the transaction is still under way.

    Raises:
        OutcomeUnknown: the number may be another's by now, or too old.
    """
    with Session(engine()) as session:
        _connect(session)
        row = session.execute(_OUTCOME, {"xid": xid, "age": f"{age_seconds} seconds"}).one()
    if row.status == "aborted":
        return False
    if row.status == "in progress":
        return None
    if row.status == "committed" and row.unbroken:
        return True
    raise OutcomeUnknown
