"""Slots of a drop over time: taken, refreshed, run out, taken by another."""

import pytest

from models.errors import (
    ArenaFull,
    CancellationRequested,
    ClaimCooldown,
    DropNotOpen,
    RevisionCooldown,
    TooManyOpenClaims,
    WindowClosed,
)
from models.states import Status
from tests.models.stages import PRICE, cancel, drop_in, sql
from tests.support import claim, drop, let_time_pass, people, person, post, submit, violations

pytestmark = pytest.mark.usefixtures("database")


def live() -> list[int]:
    return [
        row.slot for row in sql("SELECT slot FROM claims WHERE state IN ('held', 'submitted') ORDER BY 1")
    ]


def test_an_expired_claim_frees_its_slot_without_a_sweep(settle):
    settle(max_claims=2)
    job_id = drop_in(Status.OPEN, time_limit_seconds=600)
    for who in people(2):
        claim(who, job_id)
    with pytest.raises(ArenaFull):
        claim(person(), job_id)
    let_time_pass(job_id, 300)
    for who in people(2):
        submit(who, job_id)
    assert live() == [1, 2]
    assert sql("SELECT count(*) FROM claims WHERE state = 'expired'")[0].count == 2
    assert violations() == []


def test_the_lowest_free_slot_is_taken():
    job_id = drop_in(Status.OPEN, time_limit_seconds=600)
    claim(person(), job_id)
    let_time_pass(job_id, 200)
    claim(person(), job_id)
    let_time_pass(job_id, 100)
    claim(person(), job_id)
    assert live() == [1, 2]


def test_a_claim_never_outlives_the_window():
    job_id, who = drop_in(Status.OPEN, time_limit_seconds=400), person()
    claim(who, job_id)
    let_time_pass(job_id, 200)
    claim(who, job_id)
    assert sql("SELECT expires_at FROM claims") == [(drop(job_id).window_closes_at,)]


def test_a_refresh_keeps_the_slot_in_a_full_arena(settle):
    settle(max_claims=1)
    job_id, who = drop_in(Status.OPEN, time_limit_seconds=1000), person()
    claim(who, job_id)
    let_time_pass(job_id, 200)
    before = sql("SELECT id, expires_at FROM claims")[0]
    claim(who, job_id)
    after = sql("SELECT id, expires_at FROM claims")[0]
    assert after.id == before.id
    assert after.expires_at > before.expires_at


def test_a_claim_after_submitting_changes_nothing():
    job_id, who = drop_in(Status.OPEN), person()
    submit(who, job_id)
    before = sql("SELECT to_jsonb(c) FROM claims c")
    claim(who, job_id)
    assert sql("SELECT to_jsonb(c) FROM claims c") == before


def test_a_scheduled_cancel_takes_nobody_new_and_refreshes_nobody():
    sender, holder = person(PRICE), person()
    job_id = drop_in(Status.OPEN, sender)
    claim(holder, job_id)
    cancel(sender, job_id)
    for who in (holder, person()):
        with pytest.raises(CancellationRequested):
            claim(who, job_id)
    with pytest.raises(CancellationRequested):
        submit(person(), job_id)


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.OPEN, Status.PENDING_PAYMENT)])
def test_a_drop_that_is_not_open_takes_no_claims(status: Status):
    with pytest.raises(DropNotOpen):
        claim(person(), drop_in(status))


def test_a_window_that_is_over_takes_nothing_though_nobody_has_closed_it():
    job_id, who = drop_in(Status.OPEN), person()
    claim(who, job_id)
    let_time_pass(job_id, 300)
    with pytest.raises(WindowClosed):
        claim(who, job_id)
    with pytest.raises(WindowClosed):
        submit(who, job_id)


def test_revisions_count_up_wait_and_ignore_what_is_the_same(settle):
    settle(revision_cooldown_seconds=10)
    job_id, who = drop_in(Status.OPEN), person()
    submit(who, job_id, "one")
    assert submit(who, job_id, "one").revision == 1
    with pytest.raises(RevisionCooldown) as refused:
        submit(who, job_id, "two")
    assert 1 <= refused.value.details["retry_after"] <= 10
    let_time_pass(job_id, 10)
    assert submit(who, job_id, "two").revision == 2


def test_idle_claims_are_counted_over_all_drops_and_entries_are_not(settle):
    settle(max_idle_claims=2)
    sender, who = person(4 * PRICE), person()
    drops = [post(sender, price_cents=PRICE) for _ in range(4)]
    claim(who, drops[0])
    claim(who, drops[1])
    with pytest.raises(TooManyOpenClaims):
        claim(who, drops[2])
    submit(who, drops[0])
    claim(who, drops[2])
    let_time_pass(drops[1], 200)
    with pytest.raises(TooManyOpenClaims) as refused:
        claim(who, drops[3])
    assert 90 <= refused.value.details["retry_after"] <= 101  # until the first of them runs out


def test_no_shows_bring_a_pause_and_entries_and_time_end_it(settle):
    settle(no_show_limit=2)
    sender, who = person(4 * PRICE), person()
    missed = [post(sender, price_cents=PRICE) for _ in range(2)]
    fresh = post(sender, price_cents=PRICE)
    for job_id in missed:
        claim(who, job_id)
        let_time_pass(job_id, 300)
    with pytest.raises(ClaimCooldown) as refused:
        claim(who, fresh)
    assert 590 <= refused.value.details["retry_after"] <= 601
    claim(person(), fresh)  # nobody else pays for it
    for job_id in missed:
        let_time_pass(job_id, 600)
    claim(who, fresh)


def test_no_show_limit_zero_switches_the_pause_off(settle):
    settle(no_show_limit=0)
    sender, who = person(4 * PRICE), person()
    for _ in range(4):
        job_id = post(sender, price_cents=PRICE)
        claim(who, job_id)
        let_time_pass(job_id, 300)
