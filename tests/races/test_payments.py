"""Many hands on payments: whatever is told, asked or withdrawn at once, the money moves once."""

from functools import partial
from uuid import UUID, uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models import autotopup, db, payments, remittance
from models.notices import Notice
from tests.models.stages import sql
from tests.payments import SECRET, event, let_payments_age, paid, state, tell
from tests.races.outcomes import outcomes
from tests.support import Person, at_once, balance, person, violations
from web.app import create_app
from workers import tasks

CROWD = 50


@pytest.fixture
def app(monkeypatch, crowd, settle) -> Flask:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    settle(database_pool=70)
    return create_app()


def begin_topup(who: Person) -> UUID:
    with db.transaction() as session:
        order = payments.draft_topup(session, who.id, 2000, "sandbox")
        return payments.begin_topup(session, order, "page", None).id


def withdraw(who: Person, cents: int) -> UUID:
    with db.transaction() as session:
        return payments.begin_withdrawal(session, who.id, cents, "sandbox").id


def hear(payment_id: UUID, outcome: str, name: str) -> None:
    with db.transaction() as session:
        notice = Notice(name, "test", payment_id, outcome, 2000, "usd", "x", "test")
        remittance.receive(session, notice)


def test_fifty_deliveries_of_one_event_are_one_credit(app):
    who = person()
    payment_id = begin_topup(who)
    document = paid(payment_id)
    answers = at_once([lambda: tell(app.test_client(), document)] * CROWD)
    assert {answer.status_code for answer in answers} == {200}
    assert (state(payment_id), balance(who)) == ("succeeded", 2000)
    assert sql("SELECT count(*) FROM payment_notices")[0].count == 1
    assert violations() == []


def test_fifty_events_about_one_payment_are_one_credit(app):
    who = person()
    payment_id = begin_topup(who)
    kinds = ["checkout.session.completed", "payment_intent.succeeded", "checkout.session.expired"]
    documents = [event(kinds[n % 3], payment_id, payment_status="paid") for n in range(CROWD)]
    answers = at_once([partial(tell, app.test_client(), document) for document in documents])
    assert {answer.status_code for answer in answers} == {200}
    assert (state(payment_id), balance(who)) == ("succeeded", 2000)
    assert violations() == []


def test_one_of_fifty_withdrawals_of_everything_goes_out(app):
    who = person(2000)

    def ask() -> TestResponse:
        return app.test_client().post("/api/wallet/withdraw", json={"amount_cents": 2000}, headers=who.auth)

    answers = at_once([ask] * CROWD)
    assert sorted(answer.status_code for answer in answers) == [201] + [402] * (CROWD - 1)
    assert balance(who) == 0
    assert violations() == []


def test_a_withdrawal_comes_back_once_whoever_says_so():
    who = person(2000)
    payment_id = withdraw(who, 2000)
    calls = [partial(hear, payment_id, "failed", str(uuid4())) for _ in range(25)]
    calls += [partial(hear, payment_id, "succeeded", str(uuid4())) for _ in range(25)]
    assert outcomes(calls) == {"ok": CROWD}
    assert (state(payment_id), balance(who)) == ("failed", 2000)
    assert violations() == []


def test_a_payment_told_to_its_rail_fifty_times_goes_out_once():
    who = person(2000)
    payment_id = withdraw(who, 2000)
    assert outcomes([partial(tasks.remit.run, str(payment_id))] * CROWD) == {"ok": CROWD}
    assert (state(payment_id), balance(who), violations()) == ("succeeded", 0, [])


def test_holds_withdrawals_and_topups_at_once_never_overdraw():
    from tests.support import post

    who = person(1000)
    calls = [partial(withdraw, who, 500)] * 10 + [partial(post, who, price_cents=100)] * 10
    topups = [begin_topup(who) for _ in range(5)]
    calls += [partial(hear, payment_id, "succeeded", str(uuid4())) for payment_id in topups * 4]
    assert set(outcomes(calls)) <= {"ok", "FundsTooLow"}
    assert balance(who) >= 0
    assert violations() == []


def test_fifty_sweeps_fill_each_wallet_once(monkeypatch):
    monkeypatch.setattr(remittance, "BACKOFF", remittance.BACKOFF_MAX)  # however long they take
    crowd = [person() for _ in range(5)]
    for who in crowd:
        with db.transaction() as session:
            autotopup.set_wish(session, who.id, "sandbox", True, 1000, 2000)
    begun = at_once([partial(autotopup.sweep, "sandbox")] * CROWD)
    assert sum(begun) == len(crowd)
    let_payments_age(0.01)
    handed_out: list[UUID] = []
    at_once([partial(remittance.sweep, lambda _, payment_id: handed_out.append(payment_id))] * CROWD)
    assert len(set(handed_out)) == len(handed_out) == len(crowd)
    sweeps = [partial(autotopup.sweep, "sandbox")] * 25
    assert outcomes([partial(tasks.remit.run, str(found)) for found in handed_out * 5] + sweeps) == {
        "ok": CROWD
    }
    assert {balance(who) for who in crowd} == {2000}
    assert violations() == []
