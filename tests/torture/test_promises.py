"""What a client was promised by a 201, and what the books of a run say of it."""

from uuid import UUID

import pytest

from models import db, ledger, lifecycle
from models.states import Status
from tests.models.stages import corrupt, drop_in, settled
from tests.support import person, submit
from web.cli.torture.promises import Promises

pytestmark = pytest.mark.usefixtures("database")


def broken(promises: Promises) -> list[str]:
    with db.transaction() as session:
        return list(promises.broken(session))


def handed_in(job_id: UUID) -> Promises:
    promises, who = Promises(), person()
    submit(who, job_id, "apple")
    promises.entry(job_id, who.id, "apple")
    return promises


@pytest.mark.parametrize("reason", [None, "no_submissions"])
def test_an_entry_that_was_taken_is_not_given_back_unseen(reason: str | None):
    job_id = drop_in(Status.OPEN)
    promises = handed_in(job_id)
    assert broken(promises) == []
    corrupt("ALTER TABLE jobs DISABLE TRIGGER jobs_guard")
    with db.transaction() as session:
        drop = lifecycle.lock(session, job_id)
        ledger.refund(session, drop)
        at = db.now(session)
        drop.failure_reason = reason  # last, for a query would flush a reason without its status
        lifecycle.move(session, drop, Status.FAILED if reason else Status.CANCELLED, at)
    assert [sentence.rpartition(" ")[2] for sentence in broken(promises)] == [reason or "cancelled"]


@pytest.mark.parametrize("min_grade", [None, "S"])
def test_an_entry_that_was_judged_was_seen(min_grade: str | None):
    job_id = drop_in(Status.OPEN, min_grade=min_grade)
    promises = handed_in(job_id)
    corrupt("UPDATE jobs SET status = 'ranking'")
    settled(job_id)
    assert broken(promises) == []
