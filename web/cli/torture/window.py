"""Holding a drop's lock across the end of its window, and noting what was in it when the lock was let go.

Whoever waited for the lock comes too late, whatever the clock said when they began to wait.
"""

import threading
from uuid import UUID

import psycopg2

from web.cli.torture.target import Frozen, Missing, Target

BEFORE_SECONDS, AFTER_SECONDS = 0.6, 0.3  # of the window's end; below the time that anyone waits for a lock

# The next one to close that is not too near to lock in time.
_NEXT = """
    SELECT id, extract(epoch FROM window_closes_at - clock_timestamp())::float8 FROM jobs
    WHERE status = 'open' AND cancel_requested_at IS NULL
        AND window_closes_at > clock_timestamp() + %s * interval '1 second'
    ORDER BY window_closes_at LIMIT 1"""
_LOCK = "SELECT status FROM jobs WHERE id = %s FOR NO KEY UPDATE"
_PAST_THE_END = """
    SELECT pg_sleep(greatest(0, extract(epoch FROM window_closes_at - clock_timestamp())::float8 + %s))
    FROM jobs WHERE id = %s"""
_ENTRIES = "SELECT id::text || '/' || revision FROM submissions WHERE job_id = %s"


def hold(target: Target) -> None:
    """Hold the next drop's lock across the end of its window; `target.frozen` gets what was seen then.

    Raises:
        Missing: no drop is about to close.
    """
    with target.postgres() as connection, connection.cursor() as cursor:
        cursor.execute(_NEXT, (BEFORE_SECONDS,))
        found = cursor.fetchone()
    if found is None:
        raise Missing("a drop that is about to close")
    threading.Timer(max(0.0, found[1] - BEFORE_SECONDS), _hold, (target, found[0])).start()


def _hold(target: Target, job_id: str) -> None:
    try:
        with target.postgres() as connection, connection.cursor() as cursor:
            connection.autocommit = False
            cursor.execute(_LOCK, (job_id,))
            if cursor.fetchone() != ("open",):
                return
            cursor.execute(_PAST_THE_END, (AFTER_SECONDS, job_id))
            cursor.execute(_ENTRIES, (job_id,))
            entries = frozenset(entry for (entry,) in cursor)
            target.frozen.append(Frozen(UUID(job_id), entries))
    except psycopg2.Error:
        return  # another fault came in between, and there is nothing to hold it against
