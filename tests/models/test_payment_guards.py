"""What PostgreSQL refuses of payments, with the Python code bypassed."""

from uuid import UUID, uuid4

import pytest

from models import db, ledger, payments, remittance
from models.notices import Notice
from tests.models.stages import PRICE, refusal, sql
from tests.support import Person, person

pytestmark = pytest.mark.usefixtures("database")

PAID = """INSERT INTO transfers (id, key, kind, payment_id, debit_id, credit_id, amount_cents)
    VALUES (gen_random_uuid(), gen_random_uuid()::text, :kind, :payment, :debit, :credit, :cents)"""


def wallet(who: Person) -> UUID:
    return sql("SELECT id FROM accounts WHERE user_id = :id", id=who.id)[0].id


def begun(who: Person, kind: str) -> UUID:
    with db.transaction() as session:
        if kind == "withdrawal":
            return payments.begin_withdrawal(session, who.id, PRICE, "sandbox").id
        order = payments.draft_topup(session, who.id, PRICE, "sandbox")
        return payments.begin_topup(session, order, "page", None).id


def topped_up(who: Person) -> UUID:
    payment_id = begun(who, "topup")
    with db.transaction() as session:
        notice = Notice(str(uuid4()), "test", payment_id, "succeeded", PRICE, "usd", "page")
        assert remittance.receive(session, notice)
    return payment_id


def test_the_table_of_payments_is_the_one_in_remittance():
    rows = sql("SELECT kind, from_state, to_state FROM payment_transitions")
    moves = {(kind, before, after) for (kind, before), found in remittance.MOVES.items() for after in found}
    assert {tuple(row) for row in rows} == moves


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_no_payment_begins_with_its_end(state: str):
    reason = "'x'" if state == "failed" else "NULL"
    beginning = f"""INSERT INTO payments (id, user_id, kind, state, rail, amount_cents, failure_reason)
        VALUES (gen_random_uuid(), :id, 'topup', '{state}', 'sandbox', 5, {reason})"""
    assert refusal(beginning, id=person().id) == "payments_transition"


@pytest.mark.parametrize(
    "change", ["'requested', due_at = now()", "'pending'", "'failed', failure_reason = 'x'"]
)
def test_a_topup_that_came_in_never_leaves_that_state(change: str):
    topped_up(person())
    assert refusal(f"UPDATE payments SET state = {change}") == "payments_transition"


@pytest.mark.parametrize("change", ["amount_cents = 5", "user_id = :id", "kind = 'topup'", "rail = 'stripe'"])
def test_the_terms_of_a_payment_are_frozen(change: str):
    begun(person(PRICE), "withdrawal")
    other = {"id": person().id} if ":id" in change else {}
    assert refusal(f"UPDATE payments SET {change}", **other) == "payments_frozen"


@pytest.mark.parametrize(
    ("kind", "change"), [("topup", "'succeeded'"), ("withdrawal", "'failed', failure_reason = 'x'")]
)
def test_a_payment_does_not_end_without_its_transfer(kind: str, change: str):
    begun(person(PRICE), kind)
    assert refusal(f"UPDATE payments SET state = {change}") == "payment_agrees"


def test_a_transfer_agrees_with_the_payment_that_it_belongs_to():
    who = person(PRICE)
    topup, world = begun(who, "topup"), ledger.WORLD
    money = {"kind": "topup", "payment": topup, "debit": world, "credit": wallet(who), "cents": PRICE}
    assert refusal(PAID, **money) == "payment_agrees"
    assert refusal(PAID, **{**money, "cents": PRICE + 1}) == "transfers_route"
    assert refusal(PAID, **{**money, "credit": wallet(person())}) == "transfers_route"
    assert refusal(PAID, **{**money, "payment": None}) == "transfers_payment_check"
    assert refusal(PAID, **{**money, "kind": "credit"}) == "transfers_payment_check"


def test_a_payment_moves_its_money_once():
    who = person()
    payment_id = topped_up(who)
    money = {"debit": ledger.WORLD, "credit": wallet(who), "cents": PRICE}
    assert refusal(PAID, kind="topup", payment=payment_id, **money) == "transfers_of_payment"


def test_what_a_rail_told_is_kept_for_ever():
    topped_up(person())
    assert refusal("DELETE FROM payment_notices") == "payment_notices_append_only"
    assert refusal("UPDATE payment_notices SET kind = 'x'") == "payment_notices_append_only"


def test_one_wallet_fills_itself_once_at_a_time():
    who = person()
    with db.transaction() as session:
        assert payments.begin_charge(session, who.id, PRICE, "sandbox")
        assert payments.begin_charge(session, who.id, PRICE, "sandbox") is None
    again = """INSERT INTO payments (id, user_id, kind, state, rail, amount_cents, automatic)
        VALUES (gen_random_uuid(), :id, 'topup', 'pending', 'sandbox', 5, true)"""
    assert refusal(again, id=who.id) == "payments_one_automatic"
