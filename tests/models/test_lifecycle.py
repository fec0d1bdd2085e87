"""The drop row as outbox: what is owed when, to whom it is handed, and what happens when it gets lost."""

from datetime import timedelta
from uuid import UUID

import pytest

from models import db, lifecycle, settlement
from models.errors import NotFound
from models.states import FUNDED, OWED, TERMINAL, TRANSITIONS, Status
from tests.models.stages import PRICE, cancel, close, drop_in, pay, rank, refusal, sql
from tests.support import claim, drop, let_time_pass, person, post, status, submit, violations

pytestmark = pytest.mark.usefixtures("database")

HOUR = 3600


def handed_out() -> list[tuple[str, UUID]]:
    tasks: list[tuple[str, UUID]] = []
    settlement.sweep(lambda task, job_id: tasks.append((task, job_id)))
    return tasks


def expire(job_id: UUID) -> Status:
    with db.transaction() as session:
        return settlement.expire(session, job_id)


def wipe(job_id: UUID) -> Status:
    with db.transaction() as session:
        return settlement.wipe(session, job_id)


def test_every_status_stands_in_every_table():
    assert set(TRANSITIONS) == set(OWED) == set(Status)
    assert set(TERMINAL) == {Status.VERIFIED, Status.CANCELLED, Status.FAILED}
    assert not set(FUNDED) & {Status.PENDING_PAYMENT, *TERMINAL}


def test_a_forbidden_move_is_a_bug_not_an_answer():
    row = drop(drop_in(Status.VERIFIED))
    with db.transaction() as session, pytest.raises(AssertionError):
        lifecycle.move(session, row, Status.OPEN, row.created_at)


def test_a_drop_that_does_not_exist_cannot_be_locked():
    with pytest.raises(NotFound), db.transaction() as session:
        lifecycle.lock(session, UUID(int=0))


@pytest.mark.parametrize("before", Status)
def test_tasks_that_are_not_owed_change_nothing(before: Status):
    job_id = drop_in(before)
    snapshot = "SELECT to_jsonb(j) - 'due_at' FROM jobs j UNION ALL SELECT to_jsonb(t) FROM transfers t"
    rows = sql(snapshot)
    for task in (close, rank, expire, wipe, pay):
        if (before, task) != (Status.COMPLETED, pay):
            assert task(job_id) is before
            assert sql(snapshot) == rows


def test_the_window_opens_with_the_payment_and_is_as_long_as_asked():
    row = drop(drop_in(Status.OPEN, time_limit_seconds=90))
    assert row.window_closes_at == row.opened_at + timedelta(seconds=90) == row.due_at


@pytest.mark.parametrize("after", [Status.RANKING, Status.COMPLETED])
def test_whoever_moves_a_drop_has_two_seconds_before_the_sweep_steps_in(after: Status):
    job_id = drop_in(after)
    assert handed_out() == []
    let_time_pass(job_id, 2)
    assert handed_out() == [(OWED[after], job_id)]


def test_what_is_handed_out_is_leased_and_comes_back_when_it_was_lost():
    job_id = drop_in(Status.OPEN)
    let_time_pass(job_id)
    for attempt, lease_seconds in enumerate((5, 10, 20, 20), start=1):
        assert handed_out() == [("close", job_id)]
        let_time_pass(job_id, lease_seconds - 1)
        assert handed_out() == []
        assert drop(job_id).attempts == attempt
        let_time_pass(job_id, 1)
    close(job_id)
    assert drop(job_id).attempts == 0


def test_the_most_overdue_is_handed_out_first():
    sender = person(3 * PRICE)
    first, second, third = (post(sender, price_cents=PRICE) for _ in range(3))
    for job_id, seconds in ((first, 400), (second, 900), (third, 600)):
        let_time_pass(job_id, seconds)
    assert handed_out() == [("close", second), ("close", third), ("close", first)]


def test_a_lease_does_not_look_like_a_change():
    job_id = drop_in(Status.OPEN)
    let_time_pass(job_id)
    before = drop(job_id).updated_at
    handed_out()
    assert drop(job_id).updated_at == before
    cancel_at_once = close(job_id)
    assert cancel_at_once is Status.FAILED
    assert drop(job_id).updated_at > before


def test_one_sweep_hands_out_no_more_than_its_batch(monkeypatch):
    monkeypatch.setattr(settlement, "SWEEP_BATCH", 2)
    sender = person(3 * PRICE)
    for _ in range(3):
        let_time_pass(post(sender, price_cents=PRICE))
    assert [len(handed_out()) for _ in range(3)] == [2, 1, 0]


def test_a_sweep_publishes_only_what_is_committed():
    job_id = drop_in(Status.OPEN)
    let_time_pass(job_id)
    settlement.sweep(lambda _, published: close(published))  # would wait for its own lock otherwise
    assert status(job_id) is Status.FAILED


def test_a_publisher_that_fails_loses_no_drop():
    job_id = drop_in(Status.OPEN)
    let_time_pass(job_id)

    def fail(task: str, job_id: UUID) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        settlement.sweep(fail)
    let_time_pass(job_id, lifecycle.LEASE.total_seconds())
    assert handed_out() == [("close", job_id)]


# Pending ---------------------------------------------------------------------------------------


def test_an_unpaid_drop_is_cancelled_after_a_day_and_not_before():
    job_id = drop_in(Status.PENDING_PAYMENT)
    let_time_pass(job_id, 23 * HOUR)
    assert handed_out() == []
    assert expire(job_id) is Status.PENDING_PAYMENT
    let_time_pass(job_id, HOUR)
    assert handed_out() == [("expire", job_id)]
    assert expire(job_id) is Status.CANCELLED
    assert violations() == []


def test_a_drop_that_was_paid_meanwhile_does_not_expire():
    job_id = drop_in(Status.OPEN)
    let_time_pass(job_id, 25 * HOUR)
    assert expire(job_id) is Status.OPEN


# Scheduled cancel --------------------------------------------------------------------------------


def test_a_scheduled_cancel_is_due_when_the_last_idle_claim_ends():
    sender = person(PRICE)
    job_id = drop_in(Status.OPEN, sender, time_limit_seconds=600)
    claim(person(), job_id)
    let_time_pass(job_id, 100)
    claim(person(), job_id)
    assert cancel(sender, job_id) is Status.OPEN
    ends = sql("SELECT max(expires_at) FROM claims")[0].max
    assert drop(job_id).due_at == ends < drop(job_id).window_closes_at
    let_time_pass(job_id, 200)
    assert close(job_id) is Status.OPEN  # the second claim still lives
    let_time_pass(job_id, 100)
    assert handed_out() == [("close", job_id)]
    assert close(job_id) is Status.CANCELLED
    assert violations() == []


def test_a_scheduled_cancel_pays_for_the_entry_that_came_in():
    sender, who = person(PRICE), person()
    job_id = drop_in(Status.OPEN, sender)
    claim(who, job_id)
    assert cancel(sender, job_id) is Status.OPEN
    submit(who, job_id)
    assert status(job_id) is Status.RANKING


# envVars ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", TERMINAL)
def test_env_vars_are_wiped_a_day_after_the_end(end: Status):
    job_id = drop_in(end, env_vars={"TOKEN": "x"})
    let_time_pass(job_id, 23 * HOUR)
    assert handed_out() == []
    assert wipe(job_id) is end
    assert drop(job_id).env_vars
    let_time_pass(job_id, HOUR)
    assert handed_out() == [("wipe", job_id)]
    wipe(job_id)
    assert (drop(job_id).env_vars, drop(job_id).due_at) == (None, None)
    assert violations() == []


@pytest.mark.parametrize("end", TERMINAL)
def test_a_drop_without_env_vars_owes_nothing_after_its_end(end: Status):
    assert drop(drop_in(end)).due_at is None


def test_env_vars_of_a_living_drop_are_not_wiped():
    job_id = drop_in(Status.OPEN, env_vars={"TOKEN": "x"})
    let_time_pass(job_id, 48 * HOUR)
    wipe(job_id)
    assert drop(job_id).env_vars


def test_an_ending_without_its_time_is_refused():
    job_id = drop_in(Status.PENDING_PAYMENT)
    assert refusal("UPDATE jobs SET status = 'cancelled' WHERE id = :id", id=job_id) == "jobs_ended_check"
