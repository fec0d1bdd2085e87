"""Transactions that PostgreSQL breaks off, and commits that it gives no answer to."""

import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models import accounts, db, patience
from models.errors import OutcomeUnknown
from tests.models.stages import sql
from tests.postgres_proxy import proxied
from tests.support import at_once, person
from tests.workers.processes import PATIENCE_SECONDS, until

LONG = 3600  # seconds: nobody waits for that

# One of these resets statistics of the whole server, which others here look at.
pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.xdist_group("commits")]


def sign_up(session):
    return accounts.create_user(session, "ada")[0].id


def users() -> int:
    return sql("SELECT count(*) FROM users")[0][0]


@contextmanager
def held(statement: str):
    """A lock that somebody else holds while the block runs."""
    with db.transaction() as session:
        session.execute(text(statement))
        yield


def test_of_a_deadlock_both_come_through():
    first, second = person().name, person().name
    met = threading.Barrier(2)
    tries = []

    def lock(*names):
        def work(session):
            tries.append(names)
            for name in names:
                session.execute(text("SELECT 1 FROM users WHERE name = :n FOR UPDATE"), {"n": name})
                if len(tries) <= 2 and not met.broken and name == names[0]:
                    met.wait(PATIENCE_SECONDS)
            return names

        return lambda: db.retried(work)

    assert at_once([lock(first, second), lock(second, first)]) == [(first, second), (second, first)]
    assert len(tries) > 2


def test_a_connection_that_is_lost_underway_is_replaced():
    tries = []

    def work(session):
        tries.append(sign_up(session))
        session.flush()
        if len(tries) == 1:
            sql("SELECT pg_terminate_backend(:p)", p=session.scalar(text("SELECT pg_backend_pid()")))
        return session.scalar(text("SELECT count(*) FROM users"))

    assert (db.retried(work, once=True), len(tries), users()) == (1, 2, 1)


def test_a_refusal_is_not_tried_again():
    tries = []

    def work(session):
        tries.append(1)
        session.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        db.retried(work)
    assert len(tries) == 1


def test_who_waits_for_a_lock_is_told_in_time():
    name = person().name
    lock = f"SELECT 1 FROM users WHERE name = '{name}' FOR UPDATE"
    begun = time.monotonic()
    with held(lock), pytest.raises(DBAPIError):
        db.retried(lambda session: session.execute(text(lock)))
    assert time.monotonic() - begun > db.LOCK_TIMEOUT_MS / 1000
    assert db.LOCK_TIMEOUT_MS / 1000 < db.TOTAL_SECONDS < 5


def test_a_statement_that_does_not_come_back_is_left_in_time_and_ends_on_the_server(monkeypatch):
    monkeypatch.setattr(db, "TOTAL_SECONDS", 0.3)
    monkeypatch.setattr(db, "STATEMENT_TIMEOUT_MS", 1000 * LONG)
    db.engine().dispose()
    db.engine.cache_clear()
    with pytest.raises(DBAPIError):
        db.retried(lambda session: session.execute(text(f"SELECT pg_sleep({LONG})")))
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(%'"
    until("its end on the server", lambda: sql(running) == [(0,)])
    assert sql("SELECT 1") == [(1,)]


def test_inside_another_the_earlier_end_counts():
    with patience.within(0.2), patience.within(3600):
        assert patience.left() <= 0.2
        with pytest.raises(DBAPIError):
            sql("SELECT pg_sleep(5)")


# The lost answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("cut", "tries_wanted"), [("after", 1), ("before", 2)])
def test_a_lost_answer_to_a_commit_is_found_out(cut, tries_wanted):
    tries, told = [], []

    def work(session):
        tries.append(1)
        db.after_commit(session, lambda: told.append(len(tries)))
        return sign_up(session)

    with proxied() as proxy:
        proxy.cut, proxy.cuts = cut, 1
        made = db.retried(work, once=True)
        assert proxy.cut_off == 1
    assert sql("SELECT id FROM users") == [(made,)]
    assert (len(tries), told) == (tries_wanted, [tries_wanted])


def test_what_changed_nothing_needs_no_answer_to_its_commit():
    tries = []
    with proxied() as proxy:
        proxy.cuts = 1
        assert db.retried(lambda session: tries.append(db.now(session)), once=True) is None
    assert len(tries) == 1


def test_what_may_run_twice_does():
    tries = []
    name = person().name
    with proxied() as proxy:
        proxy.cuts = 1
        bump = text("UPDATE users SET name = name WHERE name = :n")
        db.retried(lambda session: (tries.append(1), session.execute(bump, {"n": name})))
    assert len(tries) == 2


def test_while_the_server_stays_away_nobody_knows():
    told = []

    def work(session):
        db.after_commit(session, lambda: told.append(1))
        return sign_up(session)

    with proxied() as proxy:
        proxy.cuts, proxy.shut = 1, True
        with pytest.raises(OutcomeUnknown):
            db.retried(work, once=True)
    assert (users(), told) == (1, [])


def test_after_a_crash_a_number_says_nothing():
    # A server that crashed has begun its statistics anew: here they are reset, which looks the same.
    def work(session):
        sql("SELECT pg_stat_reset_shared('wal')")
        proxy.cuts = 1
        return sign_up(session)

    with proxied() as proxy, pytest.raises(OutcomeUnknown):
        db.retried(work, once=True)


def test_a_number_that_the_server_has_not_come_to_was_lost_in_a_crash():
    with db.transaction() as session:
        sign_up(session)
        ahead = db.transaction_id(session) + 1_000
    assert db._was_committed(ahead, time.monotonic()) is False
