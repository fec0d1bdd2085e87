"""Money over Stripe, played by a double: whatever fails in between, it moves once or not at all."""

import os
import time
from urllib.parse import urlsplit

import pytest
from redis import Redis
from stripe import WebhookSignature

from models import db, payments, remittance
from tests.models.stages import sql
from tests.payments import SECRET, event, let_payments_age, paid, pay_in, row, state, tell
from tests.stripe_double import Double
from tests.support import balance, person, unchanged, violations
from tests.web.answers import ok, refused
from tests.workers.processes import until
from workers import rails, tasks
from workers.rails import signature
from workers.rails import stripe as stripe_rail

DOWN = (500, {"error": {"type": "api_error", "message": "down"}})
BUSY = (409, {"error": {"type": "idempotency_error", "message": "in use"}})
SLOW_DOWN = (429, {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "slow down"}})
NO_KEY = (401, {"error": {"type": "invalid_request_error", "message": "no such key"}})
NO_MONEY = (
    400,
    {"error": {"type": "invalid_request_error", "code": "balance_insufficient"}},
)
DECLINED = (402, {"error": {"type": "card_error", "code": "card_declined", "message": "no"}})


@pytest.fixture(autouse=True)
def stripe(double, settle) -> Double:
    settle(payments="stripe", public_url="https://clorp.test/")
    return double


@pytest.fixture
def payee():
    """A user with money whom Stripe can pay out to."""
    who = pay_in(person())
    with db.transaction() as session:
        payments.know(session, who.id, payout_account="acct_1", payout_ready=True)
    return who


def withdraw(api, who, cents=2000):
    return ok(api.post(who, "/api/wallet/withdraw", amount_cents=cents), 201)["id"]


# In --------------------------------------------------------------------------------------------


def test_a_topup_is_paid_on_stripes_page_and_credited_when_stripe_says_so(api, stripe):
    who = person()
    payment = ok(api.post(who, "/api/wallet/topup", amount_cents=2000), 201)
    assert (payment["status"], payment["rail"]) == ("pending", "stripe")
    assert urlsplit(payment["checkout_url"]).hostname == "stripe.test"
    (call,) = stripe.calls
    assert (call.path, call.key) == ("/v1/checkout/sessions", payment["id"])
    assert call.form["line_items[0][price_data][unit_amount]"] == "2000"
    assert call.form["line_items[0][price_data][currency]"] == "usd"
    assert call.form["payment_intent_data[metadata][payment_id]"] == payment["id"]
    assert call.form["success_url"] == "https://clorp.test/wallet/done"
    assert "setup_future_usage" not in str(call.form)
    assert balance(who) == 0
    ok(tell(api.http, paid(payment["id"])))
    assert (state(payment["id"]), balance(who)) == ("succeeded", 2000)
    assert violations() == []


def test_a_page_that_is_done_without_money_credits_nothing_until_it_comes(api):
    who = person()
    payment = ok(api.post(who, "/api/wallet/topup", amount_cents=2000), 201)["id"]
    ok(tell(api.http, event("checkout.session.completed", payment, payment_status="unpaid")))
    assert (state(payment), balance(who)) == ("pending", 0)
    ok(tell(api.http, event("checkout.session.async_payment_succeeded", payment)))
    assert (state(payment), balance(who)) == ("succeeded", 2000)


def test_a_declined_card_on_the_page_leaves_another_try(api):
    payment = ok(api.post(person(), "/api/wallet/topup", amount_cents=2000), 201)["id"]
    ok(tell(api.http, event("payment_intent.payment_failed", payment)))
    assert state(payment) == "pending"


def test_a_page_nobody_paid_expires_and_late_money_still_counts(api):
    who = person()
    payment = ok(api.post(who, "/api/wallet/topup", amount_cents=2000), 201)["id"]
    tasks.remit_owed()
    assert state(payment) == "pending"
    let_payments_age(26)
    tasks.remit_owed()
    assert (row(payment).state, row(payment).failure_reason) == ("failed", "expired")
    ok(tell(api.http, paid(payment)))
    assert (state(payment), balance(who)) == ("succeeded", 2000)
    assert violations() == []


@pytest.mark.parametrize("trouble", [DOWN, "hang up", NO_KEY, SLOW_DOWN, NO_MONEY])
def test_a_topup_that_stripe_does_not_take_stores_nothing(api, stripe, trouble):
    stripe.trouble = [trouble]
    who = person()
    with unchanged():
        answer = api.post(who, "/api/wallet/topup", amount_cents=2000)
        refused(answer, 503, "unavailable")
    assert ok(api.get(who, "/api/wallet/payments")) == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"id": "cs_1"},
        {"id": None, "url": "https://stripe.test/1"},
        {"id": "x" * 256, "url": "https://stripe.test/1"},
        {"id": "cs_1", "url": "javascript:alert(1)"},
        {"id": "cs_1", "url": ["https://stripe.test/1"]},
    ],
)
def test_an_answer_of_another_form_is_not_believed(api, stripe, answer):
    stripe.trouble = [(200, answer)]
    who = person()
    with unchanged():
        refused(api.post(who, "/api/wallet/topup", amount_cents=2000), 503, "unavailable")
    assert ok(api.get(who, "/api/wallet/payments")) == []


def test_a_slow_stripe_holds_a_request_no_longer_than_it_may(api, stripe, monkeypatch):
    monkeypatch.setattr(stripe_rail, "TIMEOUT_SECONDS", (0.2, 0.2))
    rails._stripe.cache_clear()
    stripe.trouble = ["slow"]
    refused(api.post(person(), "/api/wallet/topup", amount_cents=2000), 503, "unavailable")


def test_a_repeated_topup_asks_stripe_once_even_when_stripe_is_away(api, stripe):
    headers = {**person().auth, "Idempotency-Key": "once"}
    first = api.http.post("/api/wallet/topup", json={"amount_cents": 2000}, headers=headers)
    stripe.trouble = [DOWN]
    again = api.http.post("/api/wallet/topup", json={"amount_cents": 2000}, headers=headers)
    assert ok(first, 201) == ok(again, 201)
    assert len(stripe.calls) == 1


def test_twenty_pages_may_wait_to_be_paid(api, stripe):
    who = person()
    for _ in range(payments.OPEN_TOPUPS_MAX):
        ok(api.post(who, "/api/wallet/topup", amount_cents=2000), 201)
    refused(api.post(who, "/api/wallet/topup", amount_cents=2000), 429, "too_many_payments")
    assert len(stripe.calls) == payments.OPEN_TOPUPS_MAX


@pytest.mark.parametrize("path", ["topup", "withdraw"])
def test_without_a_key_of_stripes_no_money_moves(api, monkeypatch, settle, path):
    monkeypatch.delenv("STRIPE_SECRET_KEY")
    settle(payments="stripe")
    who = person(2000)
    with unchanged():
        refused(api.post(who, f"/api/wallet/{path}", amount_cents=2000), 503, "unavailable")


def test_without_a_secret_of_stripes_nothing_is_believed(api, monkeypatch, settle):
    payment = ok(api.post(person(), "/api/wallet/topup", amount_cents=2000), 201)["id"]
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET")
    settle(payments="stripe")
    with unchanged():
        refused(tell(api.http, paid(payment)), 503, "unavailable")


# Wallets that fill themselves --------------------------------------------------------------------


@pytest.fixture
def saver(api, stripe):
    """A user with a saved card whose empty wallet is to fill itself, and the payment it has begun."""
    who = person()
    first = ok(api.post(who, "/api/wallet/topup", amount_cents=500, save_card=True), 201)["id"]
    assert stripe.calls[-1].form["customer_creation"] == "always"
    assert stripe.calls[-1].form["payment_intent_data[setup_future_usage]"] == "off_session"
    card = {"customer": "cus_1", "payment_method": "pm_1", "setup_future_usage": "off_session"}
    ok(tell(api.http, event("payment_intent.succeeded", first, 500, **card)))
    asked = {"enabled": True, "threshold_cents": 1000, "amount_cents": 2000}
    ok(api.post(who, "/api/wallet/auto-topup", **asked))
    stripe.calls.clear()
    return who


def automatic() -> str:
    tasks.remit_owed()
    (found,) = sql("SELECT id FROM payments WHERE automatic ORDER BY id DESC LIMIT 1")
    return str(found.id)


def test_a_saved_card_is_charged_and_the_wallet_filled_when_stripe_says_so(api, stripe, saver):
    payment = automatic()
    tasks.remit(payment)
    (call,) = stripe.calls
    assert (call.path, call.key) == ("/v1/payment_intents", payment)
    assert (call.form["customer"], call.form["payment_method"], call.form["amount"]) == (
        "cus_1",
        "pm_1",
        "2000",
    )
    assert (state(payment), balance(saver)) == ("pending", 500)
    assert automatic() == payment  # one at a time
    ok(tell(api.http, event("payment_intent.succeeded", payment, amount_received=2000)))
    assert (state(payment), balance(saver)) == ("succeeded", 2500)
    assert violations() == []


def test_a_declined_card_is_not_asked_again(stripe, saver):
    payment = automatic()
    stripe.trouble = [DECLINED]
    tasks.remit(payment)
    tasks.remit(payment)
    assert (row(payment).state, row(payment).failure_reason) == ("failed", "card_declined")
    assert (len(stripe.calls), balance(saver)) == (1, 500)
    assert automatic() == payment  # it rests


def test_a_charge_that_got_no_answer_for_a_day_is_given_up_not_repeated(api, stripe, saver):
    payment = automatic()
    stripe.trouble = ["lost"]
    tasks.remit(payment)
    let_payments_age(21)
    tasks.remit(payment)
    assert (row(payment).failure_reason, len(stripe.calls)) == ("rail_unreachable", 1)
    ok(tell(api.http, event("payment_intent.succeeded", payment, amount_received=2000)))
    assert (state(payment), balance(saver), violations()) == ("succeeded", 2500, [])


def test_without_a_saved_card_a_wallet_cannot_fill_itself(api):
    asked = {"enabled": True, "threshold_cents": 1000, "amount_cents": 2000}
    refused(api.post(person(), "/api/wallet/auto-topup", **asked), 409, "payment_method_missing")


# Out -------------------------------------------------------------------------------------------


def test_who_has_no_account_is_sent_to_make_one_and_then_paid_out(api, stripe):
    who = pay_in(person())
    stripe.ready = False
    for _ in "ab":
        with unchanged():
            problem = refused(
                api.post(who, "/api/wallet/withdraw", amount_cents=2000), 409, "payout_account_missing"
            )
        assert urlsplit(problem["onboarding_url"]).hostname == "stripe.test"
    assert len(stripe.made["accounts"]) == 1
    stripe.ready = True
    payment = withdraw(api, who)
    assert (state(payment), balance(who)) == ("requested", 0)
    tasks.remit(payment)
    assert stripe.made["transfers"][0]["destination"] == "accounts_1"


def test_an_account_is_made_once_whatever_happens_to_the_answer(api, stripe):
    who = pay_in(person())
    stripe.trouble = ["lost"]
    refused(api.post(who, "/api/wallet/withdraw", amount_cents=2000), 503, "unavailable")
    withdraw(api, who)
    assert len(stripe.made["accounts"]) == 1


def test_a_withdrawal_goes_out_once_and_succeeds_when_stripe_says_so(api, stripe, payee):
    payment = withdraw(api, payee)
    for _ in range(3):
        tasks.remit(payment)
    (call,) = stripe.calls
    assert (call.path, call.key, call.form["transfer_group"]) == ("/v1/transfers", payment, payment)
    assert (call.form["amount"], call.form["currency"]) == ("2000", "usd")
    assert (row(payment).state, row(payment).reference) == ("pending", "transfers_1")
    ok(tell(api.http, event("transfer.created", payment)))
    assert (state(payment), balance(payee)) == ("succeeded", 0)
    assert violations() == []


NONSENSE = (200, {"object": "transfer"})


@pytest.mark.parametrize("trouble", [DOWN, BUSY, SLOW_DOWN, NO_KEY, NONSENSE, "hang up", "lost"])
def test_what_got_no_answer_is_asked_again_with_the_same_key(api, stripe, payee, trouble):
    payment = withdraw(api, payee)
    stripe.trouble = [trouble]
    tasks.remit(payment)
    assert (state(payment), balance(payee)) == ("requested", 0)
    tasks.remit(payment)
    posted = [call for call in stripe.calls if call.method == "POST"]
    assert {call.key for call in posted} == {payment}
    assert len(stripe.made["transfers"]) == 1
    assert (state(payment), violations()) == ("pending", [])


def test_a_transfer_is_found_again_after_stripe_has_forgotten_its_key(api, stripe, payee):
    payment = withdraw(api, payee)
    stripe.trouble = ["lost"]
    tasks.remit(payment)
    stripe.kept.clear()
    tasks.remit(payment)
    assert len(stripe.made["transfers"]) == 1
    assert (row(payment).state, row(payment).reference) == ("pending", "transfers_1")


def test_a_refused_transfer_brings_the_money_back_once(api, stripe, payee):
    payment = withdraw(api, payee)
    stripe.trouble = [NO_MONEY]
    for _ in range(3):
        tasks.remit(payment)
    assert (row(payment).state, row(payment).failure_reason) == ("failed", "balance_insufficient")
    assert (len(stripe.calls), balance(payee), violations()) == (1, 2000, [])


def test_a_worker_that_dies_after_stripe_has_paid_pays_no_second_time(api, stripe, payee, monkeypatch):
    payment = withdraw(api, payee)

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(remittance, "sent", die)
        with pytest.raises(Killed):
            tasks.remit(payment)
    assert state(payment) == "requested"
    tasks.remit(payment)
    assert (state(payment), len(stripe.made["transfers"]), violations()) == ("pending", 1, [])


def test_a_withdrawal_is_handed_to_the_workers_when_it_is_stored(api, payee):
    payment = withdraw(api, payee)
    with Redis.from_url(os.environ["CLORP_REDIS_URL"]) as redis:
        until(
            "its message",
            lambda: any(payment.encode() in message for message in redis.lrange("money", 0, -1)),
        )


def test_the_sweep_drives_on_a_withdrawal_whose_message_was_lost(api, stripe, payee, monkeypatch):
    payment = withdraw(api, payee)
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(tasks, "publish", lambda task, row_id: sent.append((task, str(row_id))))
    tasks.remit_owed()
    assert sent == []  # its own message has a few seconds
    let_payments_age(0.01)
    for _ in range(3):
        tasks.remit_owed()
    assert sent == [("remit", payment)]  # leased


def test_tries_come_at_ever_longer_intervals_up_to_an_hour(api, stripe, payee):
    payment = withdraw(api, payee)
    stripe.trouble = [DOWN] * 20
    waits = []
    for _ in range(9):
        tasks.remit(payment)
        (found,) = sql("SELECT due_at - clock_timestamp() AS wait FROM payments WHERE kind = 'withdrawal'")
        waits.append(round(found.wait.total_seconds(), -1))
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


@pytest.mark.parametrize("first", ["transfer.created", "transfer.reversed"])
def test_events_before_the_answer_and_in_any_order_end_the_same(api, stripe, payee, first):
    payment = withdraw(api, payee)
    created = event("transfer.created", payment)
    reversed_ = event("transfer.reversed", payment, reversed=True)
    in_order = [created, reversed_] if first == "transfer.created" else [reversed_, created]
    for document in in_order * 2:
        ok(tell(api.http, document))
    tasks.remit(payment)
    assert (state(payment), balance(payee), stripe.calls) == ("failed", 2000, [])
    assert violations() == []


def test_the_signature_is_the_one_of_stripes_library(api):
    body, now = b'{"a": "\xc3\xa9"}', int(time.time())
    delivery = signature.sign(body, SECRET, now)
    assert delivery.signature == WebhookSignature.generate_signature_header(body.decode(), SECRET, now)
    assert WebhookSignature.verify_header(body, delivery.signature, SECRET, tolerance=300)
    two = f"{delivery.signature},v1=0123"  # while a secret is rolled
    signature.verify(signature.Delivery(body, two), SECRET, now)


def test_without_a_public_address_nobody_can_be_sent_back(api, settle):
    settle(payments="stripe", public_url="")
    who = person()
    with unchanged():
        problem = refused(api.post(who, "/api/wallet/topup", amount_cents=2000), 503, "unavailable")
    assert "CLORP_PUBLIC_URL" in problem["error"]
