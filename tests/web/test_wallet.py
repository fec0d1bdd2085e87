"""Money in and out over HTTP: the sandbox moves it at once, and refuses what no rail would take."""

import pytest

from models.payments import TOPUP_MAX_CENTS
from tests.models.stages import sql
from tests.payments import HOOK, SECRET, event, let_payments_age, paid, row, state, tell
from tests.support import balance, person, unchanged, violations
from tests.web.answers import hidden, ok, refused
from workers import tasks

PAYMENT_KEYS = {
    "id", "kind", "status", "amount_cents", "rail", "automatic", "checkout_url", "failure_reason",
    "created_at", "updated_at",
}  # fmt: skip


@pytest.fixture(autouse=True)
def secret(monkeypatch, settle):
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    settle()


def topup(api, who, cents=2000):
    return ok(api.post(who, "/api/wallet/topup", amount_cents=cents), 201)


def withdraw(api, who, cents=2000):
    return ok(api.post(who, "/api/wallet/withdraw", amount_cents=cents), 201)


# In --------------------------------------------------------------------------------------------


def test_a_topup_in_the_sandbox_is_in_the_wallet_at_once(api):
    who = person()
    payment = topup(api, who, 500)
    assert payment.keys() == PAYMENT_KEYS
    assert (payment["kind"], payment["status"], payment["amount_cents"]) == ("topup", "succeeded", 500)
    assert (payment["checkout_url"], payment["failure_reason"], payment["automatic"]) == (None, None, False)
    (line,) = ok(api.get(who, "/api/wallet/balance"))["ledger"]
    assert (line["delta"], line["reason"], balance(who)) == (500, "topup", 500)
    assert violations() == []


@pytest.mark.parametrize("path", ["topup", "withdraw"])
@pytest.mark.parametrize("cents", [499, 0, -500, 500.5, "500", True, None, 10**18, [500]])
def test_a_wrong_amount_moves_nothing(api, path, cents):
    who = person(1000)
    with unchanged():
        answer = api.post(who, f"/api/wallet/{path}", amount_cents=cents)
        problem = refused(answer, 400, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == ["amount_cents"]


def test_a_topup_has_a_limit(api):
    refused(api.post(person(), "/api/wallet/topup", amount_cents=TOPUP_MAX_CENTS + 1), 400, "invalid_request")
    assert topup(api, person(), TOPUP_MAX_CENTS)["status"] == "succeeded"


def test_a_topup_that_is_repeated_under_one_key_comes_in_once(api):
    who = person()
    headers = {**who.auth, "Idempotency-Key": "once"}
    first, again = (
        api.http.post("/api/wallet/topup", json={"amount_cents": 700}, headers=headers) for _ in "ab"
    )
    assert ok(first, 201) == ok(again, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert balance(who) == 700


@pytest.mark.parametrize("path", ["topup", "withdraw", "auto-topup"])
def test_moving_money_needs_the_scope_for_it(api, path):
    who = person(1000)
    sql("UPDATE api_keys SET scopes = '{read,work}' WHERE user_id = :id", id=who.id)
    refused(api.post(who, f"/api/wallet/{path}", amount_cents=500), 403, "insufficient_scope")


# Out -------------------------------------------------------------------------------------------


def test_a_withdrawal_in_the_sandbox_is_out_at_once(api):
    who = person(2500)
    payment = withdraw(api, who)
    assert (payment["kind"], payment["status"], balance(who)) == ("withdrawal", "succeeded", 500)
    assert violations() == []


def test_more_than_there_is_cannot_be_withdrawn(api):
    who = person(600)
    with unchanged():
        answer = api.post(who, "/api/wallet/withdraw", amount_cents=601)
        problem = refused(answer, 402, "insufficient_balance")
    assert (problem["required"], problem["available"]) == (601, 600)


def test_a_withdrawal_that_comes_back_is_in_the_wallet_again_once(api):
    who = person(2000)
    payment = withdraw(api, who)
    back = event("transfer.reversed", payment["id"], reversed=True)
    for document in (back, back, event("transfer.reversed", payment["id"], reversed=True)):
        ok(tell(api.http, document))
    found = ok(api.get(who, f"/api/wallet/payments/{payment['id']}"))
    assert (found["status"], found["failure_reason"], balance(who)) == ("failed", "reversed", 2000)
    assert violations() == []


def test_a_transfer_that_comes_back_in_part_is_left_to_an_operator(api):
    payment = withdraw(api, person(2000))
    with unchanged():
        ok(tell(api.http, event("transfer.reversed", payment["id"], amount_reversed=100)))


# Reading ---------------------------------------------------------------------------------------


def test_payments_and_movements_are_listed_newest_first_and_go_by_cursor(api):
    who = person()
    for cents in (500, 600, 700):
        topup(api, who, cents)
    withdraw(api, who, 900)
    for path, field, values in (
        ("payments", "amount_cents", [900, 700, 600, 500]),
        ("ledger", "delta", [-900, 700, 600, 500]),
    ):
        first = api.get(who, f"/api/wallet/{path}", limit=3)
        rest = api.get(who, f"/api/wallet/{path}", limit=3, cursor=first.headers["X-Next-Cursor"])
        assert [line[field] for line in ok(first) + ok(rest)] == values
        assert first.headers["X-Total-Count"] == "4"
    assert ok(api.get(person(), "/api/wallet/payments")) == []
    assert ok(api.get(person(), "/api/wallet/ledger")) == []


def test_a_payment_is_shown_to_its_owner_alone(api):
    payment = topup(api, person())
    hidden(api.get(person(), f"/api/wallet/payments/{payment['id']}"))


# Notices ---------------------------------------------------------------------------------------


def test_what_is_not_signed_or_too_old_changes_nothing(api):
    payment = withdraw(api, person(2000))
    document = event("transfer.reversed", payment["id"], reversed=True)
    with unchanged():
        for answer in (
            tell(api.http, document, secret="whsec_of_a_thief"),
            tell(api.http, document, age=301),
            tell(api.http, document, age=-301),
            api.http.post(HOOK, json=document),
            api.http.post(HOOK, json=document, headers={"Stripe-Signature": "t=1,v1=é"}),
            api.http.post(HOOK, json=document, headers={"Stripe-Signature": "v1=00"}),
            api.http.post(HOOK, json=document, headers={"Stripe-Signature": "t=9" + "9" * 5000 + ",v1=0"}),
        ):
            refused(answer, 400, "invalid_signature")
    ok(tell(api.http, document, age=299))
    assert state(payment["id"]) == "failed"


def test_without_a_secret_nobody_can_sign_for_the_sandbox(api, monkeypatch, settle):
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET")
    settle()
    payment = topup(api, person())
    refused(tell(api.http, paid(payment["id"])), 400, "invalid_signature")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"id": "evt_1"},
        {"id": "evt_1", "type": "transfer.created"},
        {"id": "evt_1", "type": "transfer.created", "data": {"object": 5}},
    ],
)
def test_what_is_signed_and_still_no_event_is_refused(api, document):
    refused(tell(api.http, document), 400, "invalid_request")


@pytest.mark.parametrize(
    "document",
    [
        {"id": "evt_1", "type": "invoice.paid", "data": {"object": {}}},
        paid("019dbf3e-6f00-7c3a-9d51-0242ac120002"),
        paid("order 66 of another shop"),
        event("transfer.created", "", metadata=None),
    ],
)
def test_what_is_not_about_our_payments_is_taken_and_means_nothing(api, document):
    with unchanged():
        assert ok(tell(api.http, document)) == {"received": True}


@pytest.mark.parametrize("wrong", [{"amount": 1999}, {"amount": 2001}, {"currency": "eur"}])
def test_another_amount_or_currency_than_the_payments_moves_nothing(api, wrong):
    payment = withdraw(api, person(2000))
    document = event("transfer.reversed", payment["id"], **{"reversed": True, **wrong})
    with unchanged():
        refused(tell(api.http, document), 400, "payment_mismatch")


def test_a_topup_told_again_by_any_event_is_credited_once(api):
    who = person()
    payment = topup(api, who)
    succeeded = event("payment_intent.succeeded", payment["id"], amount_received=2000)
    for document in (
        paid(payment["id"]), succeeded, succeeded,
        event("checkout.session.expired", payment["id"]),
        event("payment_intent.canceled", payment["id"]),
        event("checkout.session.async_payment_succeeded", payment["id"]),
    ):  # fmt: skip
        ok(tell(api.http, document))
    assert (state(payment["id"]), balance(who)) == ("succeeded", 2000)
    assert violations() == []


# Wallets that fill themselves --------------------------------------------------------------------


def wish(api, who, **fields):
    return api.post(who, "/api/wallet/auto-topup", **fields)


def work():
    """What beat does, with the messages as calls."""
    tasks.remit_owed()
    let_payments_age(0.01)
    tasks.remit_owed()


@pytest.fixture
def carried_out(monkeypatch):
    monkeypatch.setattr(tasks, "publish", lambda task, row_id: getattr(tasks, task)(str(row_id)))


def test_a_wallet_does_not_fill_itself_unless_asked(api, carried_out):
    who = person()
    assert ok(api.get(who, "/api/wallet/auto-topup")) == {
        "enabled": False, "threshold_cents": None, "amount_cents": None, "failures": 0,
    }  # fmt: skip
    work()
    assert balance(who) == 0


def test_a_wallet_that_runs_low_fills_itself_once(api, carried_out):
    who = person(1200)
    asked = {"enabled": True, "threshold_cents": 1000, "amount_cents": 2000}
    assert ok(wish(api, who, **asked)) == {**asked, "failures": 0}
    work()
    assert balance(who) == 1200
    ok(api.post(who, "/api/jobs/run", prompt="x", price_cents=300, confirmed=True), 201)
    work()
    work()
    assert balance(who) == 2900
    (payment,) = ok(api.get(who, "/api/wallet/payments"))
    assert (payment["automatic"], payment["status"], payment["amount_cents"]) == (True, "succeeded", 2000)
    assert violations() == []


def test_switching_off_what_was_never_on_is_no_mistake(api):
    who = person()
    assert ok(wish(api, who, enabled=False)) == ok(api.get(who, "/api/wallet/auto-topup"))


def test_switched_off_it_keeps_what_was_asked_and_fills_nothing(api, carried_out):
    who = person()
    ok(wish(api, who, enabled=True, threshold_cents=1000, amount_cents=2000))
    assert ok(wish(api, who, enabled=False))["amount_cents"] == 2000
    work()
    assert balance(who) == 0
    assert ok(wish(api, who, enabled=True))["enabled"] is True
    work()
    assert balance(who) == 2000


def test_a_wallet_fills_itself_ten_times_a_day_at_most(api, carried_out):
    who = person()
    ok(wish(api, who, enabled=True, threshold_cents=100_000, amount_cents=500))
    for _ in range(12):
        work()
    assert balance(who) == 10 * 500
    let_payments_age(25)
    work()
    assert balance(who) == 11 * 500


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["enabled"]),
        ({"enabled": "yes"}, ["enabled"]),
        ({"enabled": True}, ["threshold_cents", "amount_cents"]),
        ({"enabled": True, "threshold_cents": 500, "amount_cents": 499}, ["amount_cents"]),
        ({"enabled": True, "threshold_cents": -1, "amount_cents": 500}, ["threshold_cents"]),
        ({"enabled": True, "threshold_cents": 1, "amount_cents": TOPUP_MAX_CENTS + 1}, ["amount_cents"]),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(api, fields, wrong):
    problem = refused(wish(api, person(), **fields), 400, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == wrong


def test_a_charge_that_fails_rests_for_an_hour_and_the_third_switches_it_off(api, monkeypatch):
    who = person()
    ok(wish(api, who, enabled=True, threshold_cents=1000, amount_cents=2000))
    begun: list[str] = []
    monkeypatch.setattr(tasks, "publish", lambda task, row_id: begun.append(str(row_id)))
    for failures in (1, 2, 3):
        work()
        assert len(set(begun)) == failures
        failed = {"metadata": {"payment_id": begun[-1], "automatic": "true"}}
        ok(tell(api.http, event("payment_intent.payment_failed", begun[-1], **failed)))
        assert ok(api.get(who, "/api/wallet/auto-topup"))["failures"] == failures
        work()
        assert len(set(begun)) == failures  # it rests
        let_payments_age(1.1)
    assert ok(api.get(who, "/api/wallet/auto-topup"))["enabled"] is False
    assert row(begun[0]).failure_reason == "payment_failed"
    assert (balance(who), violations()) == (0, [])
