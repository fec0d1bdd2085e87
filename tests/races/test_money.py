"""Many hands on the same money: it moves once, and no wallet is overdrawn."""

from functools import partial
from itertools import chain
from uuid import UUID

from models import db, ledger, market
from models.states import Status
from tests.models.stages import PRICE, cancel, close, drop_in, pay, settled, sql
from tests.races.outcomes import outcomes
from tests.support import (
    Person,
    at_once,
    balance,
    let_time_pass,
    people,
    person,
    post,
    status,
    submit,
    violations,
)

CROWD = 50


def fund(sender: Person, job_id: UUID) -> Status:
    with db.transaction() as session:
        return market.pay(session, sender.id, job_id).status


def credit(who: Person, cents: int) -> None:
    with db.transaction() as session:
        ledger.credit(session, who.id, cents, f"test:{who.id}")


def test_a_pending_drop_is_paid_once():
    sender = person()
    job_id = post(sender, price_cents=PRICE)
    credit(sender, 3 * PRICE)
    assert outcomes([partial(fund, sender, job_id)] * CROWD) == {"ok": CROWD}
    assert (status(job_id), balance(sender)) == (Status.OPEN, 2 * PRICE)
    assert violations() == []


def test_one_credit_told_fifty_times_counts_once():
    who = person()
    assert outcomes([partial(credit, who, 5)] * CROWD) == {"ok": CROWD}
    assert balance(who) == 5
    assert violations() == []


def test_a_wallet_for_three_opens_three_of_fifty_drops():
    sender = person(3 * PRICE + PRICE // 2)
    posted = outcomes([partial(post, sender, price_cents=PRICE)] * CROWD)
    assert posted == {"ok": 3 + 20, "TooManyPending": 27}
    statuses = dict(map(tuple, sql("SELECT status, count(*) FROM jobs GROUP BY status")))
    assert statuses == {"open": 3, "pending_payment": 20}
    assert balance(sender) == PRICE // 2
    assert violations() == []


def test_a_bounty_is_refunded_once():
    sender = person(PRICE)
    job_id = drop_in(Status.OPEN, sender)
    let_time_pass(job_id)
    calls = [partial(close, job_id)] * 25 + [partial(cancel, sender, job_id)] * 25
    assert set(outcomes(calls)) <= {"ok", "NotCancellable"}
    assert status(job_id) in (Status.FAILED, Status.CANCELLED)
    assert balance(sender) == PRICE
    assert sql("SELECT count(*) FROM transfers WHERE kind = 'refund'")[0].count == 1
    assert violations() == []


def test_a_cancel_returns_the_bounty_once():
    sender = person(PRICE)
    job_id = drop_in(Status.OPEN, sender)
    assert outcomes([partial(cancel, sender, job_id)] * CROWD) == {"ok": 1, "NotCancellable": CROWD - 1}
    assert (status(job_id), balance(sender)) == (Status.CANCELLED, PRICE)
    assert violations() == []


def test_paying_and_cancelling_a_pending_drop_at_once_leaves_no_money_behind():
    sender = person()
    job_id = post(sender, price_cents=PRICE)
    credit(sender, PRICE)
    calls = chain.from_iterable([(partial(fund, sender, job_id), partial(cancel, sender, job_id))] * 25)
    assert set(outcomes(calls)) <= {"ok", "DropEnded", "NotCancellable"}
    assert (status(job_id), balance(sender)) == (Status.CANCELLED, PRICE)
    assert violations() == []


def test_a_winner_is_paid_once():
    job_id = drop_in(Status.COMPLETED)
    assert set(at_once([partial(pay, job_id)] * CROWD)) == {Status.VERIFIED}
    assert sql("SELECT count(*) FROM transfers WHERE kind = 'payout'")[0].count == 1
    assert violations() == []


def test_users_who_pay_and_win_from_each_other_at_once_never_deadlock(settle):
    settle(max_claims=1, platform_fee_bps=1000)
    circle = [person(2 * PRICE) for _ in range(20)]
    drops = [post(sender, price_cents=PRICE) for sender in circle]
    for n, job_id in enumerate(drops):
        submit(circle[n - 1], job_id)  # full, so it is being ranked
    calls = [partial(settled, job_id) for job_id in drops * 2]
    calls += [partial(post, sender, price_cents=PRICE) for sender in circle]
    assert outcomes(calls) == {"ok": 60}
    assert {balance(who) for who in circle} == {PRICE - PRICE // 10}
    assert violations() == []


def test_refunds_and_payouts_to_one_wallet_at_once_all_arrive():
    sender = person(CROWD * PRICE)
    drops = [post(sender, price_cents=PRICE) for _ in range(CROWD)]
    assert balance(sender) == 0
    assert outcomes(partial(cancel, sender, job_id) for job_id in drops) == {"ok": CROWD}
    assert balance(sender) == CROWD * PRICE
    assert violations() == []


def test_fifty_winners_of_one_sender_are_paid_at_once(settle):
    settle(max_claims=1)
    sender, winners = person(CROWD * PRICE), people(CROWD)
    drops = [post(sender, price_cents=PRICE) for _ in range(CROWD)]
    for winner, job_id in zip(winners, drops, strict=True):
        submit(winner, job_id)
    assert outcomes(partial(settled, job_id) for job_id in drops) == {"ok": CROWD}
    assert {balance(winner) for winner in winners} == {PRICE}
    assert violations() == []
