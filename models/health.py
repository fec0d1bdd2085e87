"""Whether a drop could be settled now: database, schema, a live worker on each queue. And the last audit."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from models import audits, calls, db, lifecycle, migrate, panel, patience
from models.schema import Base
from models.settings import settings
from models.states import Status

QUEUES = ("money", "judge")
SILENCE_MAX_SECONDS = 15  # a queue that was not heard of for so long is not served
OVERDUE_MAX_SECONDS = 30  # a drop whose task is due for so long is stuck
TURN = timedelta(seconds=60)  # what judging and paying may take, with their wait behind other drops
AUDIT_AGE_MAX_SECONDS = audits.FRESH.total_seconds()
_BEGUN = time.monotonic()

# Each lease puts off when a task is due, so that one which always fails would never be late. What no lease
# moves is when the drop came to its status, or when its window closed.
_LATE = text("""
    SELECT count(*) FILTER (WHERE seconds >= 0) AS overdue, coalesce(max(seconds), 0) AS oldest FROM (
        SELECT extract(epoch FROM clock_timestamp() - least(due_at, CASE status
            WHEN 'pending_payment' THEN created_at + :pending
            WHEN 'open' THEN window_closes_at
            WHEN 'ranking' THEN updated_at + :judging
            WHEN 'completed' THEN updated_at + :turn
            ELSE ended_at + :sealed END)) AS seconds
        FROM jobs WHERE due_at IS NOT NULL
    ) late""")


@dataclass(frozen=True)
class Check:
    """The result of one check of the system.

    Attributes:
        name: of what was checked, such as `redis`.
        ok: whether it works.
        detail: what was found, as a sentence for people.
        needed: whether drops are settled only while it works.
        reason: the words of a server that refused. They may name hosts and roles: `/readyz` leaves them out.
    """

    name: str
    ok: bool
    detail: str
    needed: bool = True
    reason: str = ""


def checks() -> list[Check]:
    """Every check; never raises: a database that is away is an answer too."""
    try:
        with patience.within(db.TOTAL_SECONDS):
            schema = _schema()
            return [_answers(), schema, *(_work() if schema.ok else [])]
    except (DBAPIError, PoolTimeout) as error:
        if isinstance(error, DBAPIError) and db.refuses(error):
            detail = "PostgreSQL answers, and refuses clorp's tables to this role"
        else:
            detail = f"PostgreSQL does not answer ({type(error).__name__})"
        return [Check("database", False, detail, reason=db.reason(error))]


@dataclass(frozen=True)
class Load:
    """How much there is to do, and how much was done."""

    drops: dict[str, float]  # by status
    overdue: int
    oldest_seconds: float
    silence_seconds: dict[str, float]  # by queue
    violations: int | None  # that the last audit found; None before the first
    audit_age_seconds: float | None
    payouts: int
    payouts_cents: int


def load() -> Load:
    """The numbers of this moment; raises what SQLAlchemy does where the database is away."""
    with patience.within(db.TOTAL_SECONDS), db.transaction() as session:
        counted = session.execute(text("SELECT status, count(*) FROM jobs GROUP BY status"))
        drops = {status.value: 0.0 for status in Status} | {status: float(n) for status, n in counted}
        overdue, oldest = _late(session)
        paid = session.execute(
            text("SELECT count(*), coalesce(sum(amount_cents), 0) FROM transfers WHERE kind = 'payout'")
        )
        payouts, cents = paid.one()
        audit = _audited(session)
        return Load(
            drops=drops,
            overdue=overdue,
            oldest_seconds=max(oldest, 0.0),
            silence_seconds=_silence(session),
            violations=audit and audit[0],
            audit_age_seconds=audit and audit[1],
            payouts=payouts,
            payouts_cents=int(cents),
        )


def signs() -> dict[str, tuple[datetime, int]]:
    """By queue, something that changes as long as it is served, whatever the clocks do.

    Raises what SQLAlchemy does where the database is away. A judge that works off a long backlog gets
    to its heartbeat late, but casts ballots.
    """
    with db.transaction() as session:
        of_owed = text(
            "SELECT count(*) FROM ballots JOIN jobs ON id = job_id WHERE due_at IS NOT NULL"
        )  # few at any time, and by an index
        cast = session.execute(of_owed).scalar_one()
        rows = session.execute(text("SELECT queue, beat_at FROM heartbeats"))
        return {queue: (beat_at, cast if queue == "judge" else 0) for queue, beat_at in rows}


@lru_cache(maxsize=1)
def _head() -> str | None:
    return migrate.head()


def _answers() -> Check:
    asked = text("""SELECT current_setting('server_version'), current_setting('transaction_read_only') = 'on',
        pg_is_in_recovery()""")
    with db.transaction() as session:
        version, read_only, standby = session.execute(asked).one()
    if read_only or standby:
        why = "it is a standby" if standby else "default_transaction_read_only is on"
        return Check("database", False, f"PostgreSQL {version} takes no changes: {why}")
    return Check("database", True, f"PostgreSQL {version}")


def _schema() -> Check:
    current = migrate.current()
    if current == _head():
        return Check("schema", True, f"at {current}")
    return Check("schema", False, f"at {current or 'nothing'}, this code wants {_head()}: run clorp migrate")


def _work() -> list[Check]:
    with db.transaction() as session:
        silence, (_, oldest), audit = _silence(session), _late(session), _audited(session)
    return [*(_queue(queue, silence.get(queue)) for queue in QUEUES), _backlog(oldest), _audit(audit)]


def _silence(session: Session) -> dict[str, float]:
    """Seconds since each queue was last heard of."""
    rows = session.execute(
        text("SELECT queue, extract(epoch FROM clock_timestamp() - beat_at) FROM heartbeats")
    )
    return {queue: float(seconds) for queue, seconds in rows}


def _late(session: Session) -> tuple[int, float]:
    """How many owed tasks are late, and how many seconds the oldest; below zero, nothing is."""
    overdue, oldest = session.execute(_LATE, _spans()).one()
    return overdue, float(oldest)


def _spans() -> dict[str, timedelta]:
    """How long a drop may be in a status before it is late."""
    heard = calls.lease() * panel.PATIENCE * panel.ROUNDS if settings().models else timedelta()
    return {
        "pending": lifecycle.PENDING_LIFE,
        "judging": TURN + heard,
        "turn": TURN,
        "sealed": lifecycle.ENV_VARS_LIFE,
    }


def _queue(queue: str, seconds: float | None) -> Check:
    name = f"{queue} queue"
    if seconds is None:
        return Check(name, False, "no worker has been heard of yet")
    if seconds < -SILENCE_MAX_SECONDS:
        return Check(name, False, f"heard of {-seconds:.0f} s from now: the clock was set back")
    return Check(name, seconds <= SILENCE_MAX_SECONDS, f"heard of {max(seconds, 0):.1f} s ago")


def differing(session: Session) -> list[str]:
    """Return the parameters of this session that differ from `db.session_defaults`, as `name value`."""
    wanted = db.session_defaults()
    query = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
    rows = session.execute(query, {"names": list(wanted)})
    return [f"{name} {setting}" for name, setting in rows if setting != wanted[name]]


_LACKING = text("""
    SELECT 'CREATE in schema ' || quote_ident(nspname) FROM pg_namespace
    WHERE nspname = 'public' AND :making AND NOT has_schema_privilege(oid, 'CREATE')
    UNION ALL
    SELECT verb || ' on ' || relname FROM pg_class
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS verb
    WHERE relnamespace = 'public'::regnamespace AND relname = ANY(:tables) AND relkind = 'r'
    AND NOT has_table_privilege(pg_class.oid, verb)""")


def lacking(session: Session, making: bool) -> list[str]:
    """Return the rights that this session's role lacks; with `making` those for `clorp migrate`, too."""
    parameters = {"making": making, "tables": list(Base.metadata.tables)}
    return list(session.scalars(_LACKING, parameters))


def places(session: Session) -> int:
    """How many connections PostgreSQL takes from programs such as ours."""
    asked = text("""SELECT current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int""")
    return session.scalars(asked).one()


def _backlog(seconds: float) -> Check:
    detail = f"the oldest owed task is {seconds:.1f} s late" if seconds > 0 else "nothing is late"
    return Check("deadlines", seconds <= OVERDUE_MAX_SECONDS, detail)


def _audited(session: Session) -> tuple[int, float] | None:
    """What the last audit found, and how many seconds ago; None before the first."""
    asked = text("SELECT violations, extract(epoch FROM clock_timestamp() - finished_at) FROM audits")
    row = session.execute(asked).one_or_none()
    return (row[0], float(row[1])) if row else None


def _audit(found: tuple[int, float] | None) -> Check:
    """Tells and stops nothing: who takes a market off the net for its audit does not mend it."""
    if found is None:
        waited = time.monotonic() - _BEGUN  # by this process, which may have come first
        return Check("audit", waited <= AUDIT_AGE_MAX_SECONDS, "there was none yet", needed=False)
    violations, seconds = found
    said = f"{violations} broken promise{'s' * (violations > 1)}" if violations else "clean"
    ok = not violations and seconds <= AUDIT_AGE_MAX_SECONDS
    return Check("audit", ok, f"{said}, {max(seconds, 0):.0f} s ago", needed=False)
