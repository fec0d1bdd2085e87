"""Automatic top-ups with localstripe: its answers, its declined cards, and webhooks that it signs itself."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from models import db, payments
from tests import foreign_stripe
from tests.buckets import PROXIES
from tests.foreign_stripe import CARD, DECLINED_CARD, ForeignStripe
from tests.models.stages import sql
from tests.payments import HOOK, SECRET, row, state
from tests.serving import serving
from tests.support import Person, balance, person, violations
from tests.workers.processes import until
from web.app import create_app
from web.client import Client
from workers import tasks

ASKED = {"enabled": True, "threshold_cents": 1000, "amount_cents": 2000}


@dataclass(frozen=True)
class Market:
    """A server of ours, and the Stripe that tells it what happens."""

    url: str
    stripe: ForeignStripe

    def saver(self, number: str) -> Person:
        """A user whose wallet fills itself from a card of this number."""
        who, (customer, method) = person(), self.stripe.customer(number)
        with db.transaction() as session:
            payments.know(session, who.id, customer=customer, payment_method=method)
        with Client(self.url, who.key) as client:
            client.auto_topup(**ASKED)
        return who

    def charges(self) -> list[tuple[int, str, str]]:
        """What it was asked to charge: the amount, for which of our payments, and how that is."""
        intents = self.stripe.get("/v1/payment_intents")["data"]
        return [(found["amount"], found["metadata"]["payment_id"], found["status"]) for found in intents]


@pytest.fixture
def market(settle, monkeypatch) -> Iterator[Market]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_ours")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    with foreign_stripe.running() as stripe:
        settle(payments="stripe", stripe_api_url=stripe.url, public_url="https://clorp.test")
        with serving(create_app()) as url:
            stripe.tells(f"{url}{HOOK}", SECRET)
            yield Market(url, stripe)


def begun(who: Person) -> str:
    """The automatic payment that the sweep begins and a worker tells to Stripe."""
    tasks.remit_owed()
    ((payment,),) = sql("SELECT id::text FROM payments WHERE automatic AND user_id = :id", id=who.id)
    tasks.remit(payment)
    return str(payment)


def test_a_wallet_fills_itself_when_stripe_says_so_by_its_own_signature(market):
    who = market.saver(CARD)
    payment = begun(who)
    assert market.charges() == [(2000, payment, "succeeded")]
    until("its webhook", lambda: state(payment) == "succeeded")
    assert (balance(who), violations()) == (2000, [])
    ((kind,),) = sql("SELECT kind FROM payment_notices")
    assert kind == "payment_intent.succeeded"


def test_a_card_that_is_declined_credits_nothing(market):
    who = market.saver(DECLINED_CARD)
    payment = begun(who)
    assert (row(payment).state, row(payment).failure_reason) == ("failed", "card_declined")
    until("its webhook", lambda: len(sql("SELECT 1 FROM payment_notices")) == 2)  # the refusal is noted, too
    assert (state(payment), balance(who), violations()) == ("failed", 0, [])
