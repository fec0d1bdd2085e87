"""Everything that ends a drop, many times at once: one end, one effect."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from models import db, lifecycle, settlement
from models.errors import WindowClosed
from models.states import Status
from tests.models.stages import PRICE, answer, cancel, cast, cast_all, close, drop_in, pay, rank, settled, sql
from tests.races.outcomes import outcomes
from tests.support import (
    Person,
    at_once,
    balance,
    claim,
    drop,
    insist,
    let_time_pass,
    people,
    person,
    post,
    status,
    submit,
    violations,
)
from tests.workers.processes import PATIENCE_SECONDS, until

CROWD = 50
BLOCKED = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""


def test_cancels_claims_and_closes_at_once_leave_one_consistent_drop():
    sender = person(PRICE)
    job_id = drop_in(Status.OPEN, sender)
    calls = [partial(cancel, sender, job_id)] * 15 + [partial(close, job_id)] * 15
    calls += [partial(claim, who, job_id) for who in people(10)]
    calls += [partial(submit, who, job_id) for who in people(10)]
    late = {"CancellationRequested", "DropNotOpen", "WindowClosed", "ArenaFull", "NotCancellable"}
    assert set(outcomes(calls)) <= {"ok", *late}
    let_time_pass(job_id)
    close(job_id)
    assert settled(job_id) in (Status.CANCELLED, Status.VERIFIED)
    refunded = PRICE if status(job_id) is Status.CANCELLED else 0
    assert balance(sender) == refunded
    assert violations() == []


def test_cancels_against_last_entries_pay_the_work_that_came_in(settle):
    settle(max_claims=50)
    sender = person(PRICE)
    job_id = drop_in(Status.OPEN, sender)
    holders = people(40)
    for who in holders:
        claim(who, job_id)
    calls = [partial(submit, who, job_id) for who in holders] + [partial(cancel, sender, job_id)] * 10
    assert set(outcomes(calls)) <= {"ok", "NotCancellable"}
    assert sql("SELECT count(*) FROM submissions")[0].count == 40
    assert status(job_id) is Status.RANKING
    assert violations() == []


def enter_until_closed(who: Person, job_id: UUID) -> str | None:
    """Revise without a pause until refused; the last text that was taken."""
    taken = None
    while True:
        text = f"{who.name} {taken}"[:200]
        try:
            insist(partial(submit, who, job_id, text))
        except WindowClosed:
            return taken
        taken = text


def test_no_entry_is_later_than_the_window_while_the_sweep_closes_it(settle):
    settle(max_claims=50, revision_cooldown_seconds=0)
    competitors = people(49)  # one fewer than would close it by being complete
    job_id = drop_in(Status.OPEN, time_limit_seconds=300)

    def close_at_the_end() -> None:
        until("the first entry", lambda: sql("SELECT 1 FROM submissions LIMIT 1"))
        insist(partial(let_time_pass, job_id, 299))
        while insist(partial(close, job_id)) is Status.OPEN:
            pass

    calls = [partial(enter_until_closed, who, job_id) for who in competitors]
    results = at_once([*calls, close_at_the_end])
    assert not [result for result in results if isinstance(result, Exception)]
    stored = dict(map(tuple, sql("SELECT user_id, body FROM submissions")))
    taken = dict(zip((who.id for who in competitors), results, strict=False))
    assert stored == {user: text for user, text in taken.items() if text}
    assert stored
    last = sql("SELECT max(revised_at) FROM submissions")[0].max
    assert last < drop(job_id).window_closes_at
    assert status(job_id) is Status.RANKING
    assert violations() == []


def test_fifty_entries_after_the_end_are_all_refused_though_nobody_has_closed_the_window():
    job_id = drop_in(Status.OPEN)
    holders = people(5)
    for who in holders:
        claim(who, job_id)
    let_time_pass(job_id, 300)
    assert outcomes(partial(submit, who, job_id) for who in holders * 10) == {"WindowClosed": CROWD}
    assert status(job_id) is Status.OPEN
    assert close(job_id) is Status.FAILED
    assert violations() == []


def test_who_waits_for_the_lock_while_the_window_ends_comes_too_late(monkeypatch, settle):
    for timeout in ("LOCK_TIMEOUT_MS", "STATEMENT_TIMEOUT_MS"):  # on a busy machine the crowd comes slowly
        monkeypatch.setattr(db, timeout, 1000 * PATIENCE_SECONDS)
    settle(database_pool=70)
    job_id = drop_in(Status.OPEN)
    crowd = people(CROWD)
    calls = [partial(do, who, job_id) for who, do in zip(crowd, [submit, claim] * 25, strict=True)]
    with db.transaction() as session, ThreadPoolExecutor(1) as waiting:
        lifecycle.lock(session, job_id)
        results = waiting.submit(outcomes, calls)
        until("all of them to wait", lambda: results.done() or sql(BLOCKED) == [(CROWD,)])
        assert not results.done()
        # All have begun before the end; now it comes, as they wait.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        ends = "window_closes_at = at, opened_at = at - time_limit_seconds * interval '1 s'"
        session.execute(text(f"UPDATE jobs SET {ends} FROM (SELECT clock_timestamp() AS at) AS clock"))
        session.commit()
        assert results.result() == {"WindowClosed": CROWD}
    assert violations() == []


def test_a_window_closes_once():
    job_id = drop_in(Status.OPEN)
    submit(person(), job_id)
    let_time_pass(job_id)
    assert set(at_once([partial(close, job_id)] * CROWD)) == {Status.RANKING}
    assert violations() == []


def test_a_ballot_told_fifty_times_is_counted_once():
    job_id = drop_in(Status.RANKING)
    with db.transaction() as session:
        assignment = settlement.assign(session, job_id, 0)
    assert assignment

    def record(n: int) -> bool:
        with db.transaction() as session:
            return settlement.record(session, job_id, 0, f"judge {n}", assignment, answer(assignment), 7)

    assert Counter(at_once([partial(record, n) for n in range(CROWD)])) == {True: 1, False: 49}
    assert sql("SELECT count(*) FROM ballots")[0].count == 1
    assert violations() == []


@pytest.mark.parametrize("grade", ["B", "F"])
def test_everything_that_settles_at_once_settles_once(grade: str):
    sender = person(PRICE)
    job_id = drop_in(Status.RANKING, sender, min_grade="C")
    with db.transaction() as session:
        assignments = {k: settlement.assign(session, job_id, k) for k in (0, 1)}

    def record(k: int) -> bool:
        with db.transaction() as session:
            given = assignments[k]
            return settlement.record(session, job_id, k, "test", given, answer(given, grade), 7)

    steps = [partial(record, 0), partial(record, 1), partial(rank, job_id), partial(pay, job_id)]
    outcomes([*steps, partial(close, job_id)] * 12)
    rank(job_id)
    pay(job_id)
    assert status(job_id) is (Status.VERIFIED if grade == "B" else Status.FAILED)
    ends = sql("SELECT count(*) FROM transfers WHERE kind IN ('payout', 'refund')")
    assert ends[0].count == 1
    assert balance(sender) == (0 if grade == "B" else PRICE)
    assert violations() == []


def test_ranks_are_given_once():
    job_id = drop_in(Status.RANKING)
    cast_all(job_id)
    assert set(at_once([partial(rank, job_id)] * CROWD)) == {Status.COMPLETED}
    assert sql("SELECT rank FROM submissions ORDER BY rank") == [(1,), (2,)]
    assert violations() == []


def test_fifty_sweeps_at_once_hand_out_each_owed_drop_once(monkeypatch):
    monkeypatch.setattr(lifecycle, "LEASE", timedelta(seconds=PATIENCE_SECONDS))
    monkeypatch.setattr(lifecycle, "LEASE_MAX", lifecycle.LEASE)
    sender = person(60 * PRICE)
    due = [post(sender, price_cents=PRICE) for _ in range(30)]
    for job_id in due:
        let_time_pass(job_id)
    due_later = [post(sender, price_cents=PRICE) for _ in range(30)]
    handed_out: list[tuple[str, UUID]] = []  # list.append is one step

    def sweep() -> int:
        return settlement.sweep(lambda task, job_id: handed_out.append((task, job_id))).total()

    totals = at_once([sweep] * CROWD)
    assert sum(totals) == len(due)
    assert sorted(handed_out) == sorted(("close", job_id) for job_id in due)
    assert not {job_id for _, job_id in handed_out} & set(due_later)
    assert violations() == []


def test_sweeps_that_carry_out_what_they_hand_out_end_every_drop_once():
    sender = person(30 * PRICE)
    drops = [post(sender, price_cents=PRICE) for _ in range(30)]
    for n, job_id in enumerate(drops):
        for who in people(n % 3):
            submit(who, job_id, f"entry of {who.name}")
        let_time_pass(job_id)
    tasks = {"close": close, "judge": settled, "pay": pay}

    def sweep() -> int:
        return settlement.sweep(lambda task, job_id: tasks[task](job_id)).total()

    assert outcomes([sweep] * CROWD) == {"ok": CROWD}
    for job_id in drops:
        settled(job_id)
    assert Counter(map(status, drops)) == {Status.FAILED: 10, Status.VERIFIED: 20}
    assert balance(sender) == 10 * PRICE
    assert violations() == []


def test_a_drop_that_is_decided_meanwhile_is_not_made_to_wait_for_models(settle):
    """Else its payout, were the message for it lost, would be as late as a call may take."""
    job_id = drop_in(Status.OPEN)
    for body in "abc":
        submit(person(), job_id, body)
    let_time_pass(job_id)
    close(job_id)
    cast(job_id, 0)
    cast(job_id, 1)
    with ThreadPoolExecutor() as pool:
        with db.transaction() as session:
            assert settlement.rank(session, job_id) is Status.COMPLETED
            session.flush()
            settle(judge="llm", llm_model="m")
            hand_out = partial(db.retried, partial(settlement.hand_out, job_id=job_id))
            handed_out = pool.submit(insist, hand_out)
            until("a lock to be waited for", lambda: sql(BLOCKED) == [(1,)])
        assert handed_out.result(PATIENCE_SECONDS) is None
    [(left,)] = sql("SELECT due_at - clock_timestamp() FROM jobs WHERE id = :id", id=job_id)
    assert left <= lifecycle.HANDOFF
