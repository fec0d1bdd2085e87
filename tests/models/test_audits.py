"""The audit that runs by itself: it keeps what it found, and says so once."""

import logging
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models import audits, db, locks
from models.locks import Lock
from models.schema import LatestAudit
from tests.support import age_audit, at_once, person, post, steal, violations
from workers import tasks

pytestmark = pytest.mark.usefixtures("database")


def audited() -> LatestAudit:
    """A minute later."""
    age_audit(60)
    found = audits.run()
    assert found
    return found


def kept() -> LatestAudit:
    with db.transaction() as session:
        latest = audits.latest(session)
    assert latest
    return latest


def test_what_was_found_is_kept():
    post(person(500))
    tasks.audit()
    assert (kept().violations, kept().rules, kept().examples) == (0, {}, [])
    assert kept().milliseconds < 10_000


def test_only_the_latest_is_kept_with_a_few_examples():
    thieves = [person(5) for _ in range(audits.EXAMPLES_MAX + 2)]
    assert audited().violations == 0
    for thief in thieves:
        steal(thief)
    assert audited().violations == len(violations())
    latest = kept()
    assert latest.rules == {"balance_drift": len(thieves), "sum_zero": 1}
    assert len(latest.examples) == audits.EXAMPLES_MAX
    assert all(rule in latest.rules and detail for rule, detail in latest.examples)


def test_each_change_is_logged_once(caplog, monkeypatch):
    monkeypatch.setattr(audits.logger, "disabled", False)  # a library of another test may have silenced it
    one, other = person(5), person(5)
    audited()
    assert caplog.records == []
    steal(one)
    audited()
    audited()
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "balance_drift 1" in record.getMessage()
    steal(other)
    audited()
    assert len(caplog.records) == 2
    steal(one, -1)
    steal(other, -1)
    audited()
    audited()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.ERROR, logging.WARNING]


def test_what_comes_at_once_is_one_audit():
    found = at_once([audits.run] * 20)
    assert not [error for error in found if isinstance(error, Exception)]
    assert len([audit for audit in found if audit]) >= 1
    assert audits.run() is None
    age_audit(60)
    assert audits.run()


def test_one_that_runs_keeps_others_from_running():
    with db.snapshot(audits.TIMEOUT_SECONDS) as session:
        assert locks.try_to_hold(session, Lock.AUDIT)
        assert audits.run() is None
    assert audits.run()


@pytest.mark.parametrize("other", sorted(set(Lock) - {Lock.AUDIT}))
def test_nobody_elses_work_keeps_it_from_running(other):
    with db.transaction() as session:
        locks.hold(session, other)
        assert audits.run()


def test_a_snapshot_sees_one_moment_and_changes_nothing():
    with db.snapshot(5) as session:
        ask = partial(session.scalar, text("SELECT count(*) FROM users"))
        assert ask() == 0
        person()
        assert ask() == 0
        with pytest.raises(DBAPIError, match="read-only"):
            session.execute(text("DELETE FROM audits"))


def test_a_snapshot_has_its_own_patience():
    with db.snapshot(0.05) as session, pytest.raises(DBAPIError, match="statement timeout"):
        session.execute(text("SELECT pg_sleep(5)"))
