"""Payments in tests: what Stripe would tell, rows by name, and time that passes."""

import json
import time
from typing import Any
from uuid import UUID, uuid4

from werkzeug.test import TestResponse

from models import db, payments, remittance
from models.notices import CURRENCY, Notice, RailName
from models.schema import Payment
from tests.models.stages import sql
from tests.stripe_double import SECRET
from tests.support import Person
from workers.rails import signature

HOOK = "/api/stripe/webhook"


def event(kind: str, payment: str | UUID, cents: int | None = 2000, **fields: Any) -> dict[str, Any]:
    """An event in Stripe's form about one of our payments."""
    named = "amount_total" if kind.startswith("checkout.") else "amount"
    about = {"id": "obj_1", "currency": "usd", named: cents, "metadata": {"payment_id": str(payment)}}
    return {"id": f"evt_{uuid4().hex}", "type": kind, "data": {"object": {**about, **fields}}}


def tell(http: Any, document: dict[str, Any], *, age: int = 0, secret: str = SECRET) -> TestResponse:
    """Deliver an event, signed so many seconds ago."""
    delivery = signature.sign(json.dumps(document).encode(), secret, int(time.time()) - age)
    return http.post(
        HOOK,
        data=delivery.body,
        content_type="application/json; charset=utf-8",
        headers={"Stripe-Signature": delivery.signature},
    )


def paid(payment: str | UUID, cents: int = 2000) -> dict[str, Any]:
    return event("checkout.session.completed", payment, cents, payment_status="paid")


def pay_in(who: Person, cents: int = 2000, rail: RailName = "stripe") -> Person:
    """Money that has come in over a rail."""
    with db.transaction() as session:
        order = payments.draft_topup(session, who.id, cents, rail)
        payments.begin_topup(session, order, "obj_1", None)
        told = (f"evt_{uuid4().hex}", "paid", order.payment_id, "succeeded", cents, CURRENCY, "obj_1")
        assert remittance.receive(session, Notice(*told))
    return who


def row(payment_id: str | UUID) -> Payment:
    with db.transaction() as session:
        return session.get_one(Payment, UUID(str(payment_id)))


def state(payment_id: str | UUID) -> str:
    return row(payment_id).state


def let_payments_age(hours: float) -> None:
    shift = f"{hours} hours"
    for change in (
        "UPDATE payments SET due_at = due_at - CAST(:by AS interval)",
        "UPDATE payments SET created_at = created_at - CAST(:by AS interval)",
        "UPDATE auto_topups SET rests_until = rests_until - CAST(:by AS interval)",
    ):
        sql(change, by=shift)
