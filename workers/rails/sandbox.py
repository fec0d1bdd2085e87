"""The sandbox: play money that arrives at once, told in Stripe's form and signed like Stripe's events."""

import json
import time
from typing import Any
from uuid import UUID

from models.notices import CURRENCY, Order, RailName
from workers.rails import signature
from workers.rails.protocol import Checkout, Delivery, Payee, Sent


class Sandbox:
    """Does no I/O, so that each order and its outcome can be one transaction."""

    name: RailName = "sandbox"
    immediate = True

    def checkout(self, order: Order, save_card: bool) -> Checkout:
        """Paid already: nobody has to open a page."""
        fields = {"amount_total": order.amount_cents, "payment_status": "paid"}
        told = _tell("checkout.session.completed", order, **fields)
        return Checkout(_reference(order), None, told)

    def carry_out(self, order: Order) -> Sent:
        """Done already."""
        kind = "transfer.created" if order.kind == "withdrawal" else "payment_intent.succeeded"
        return Sent(_reference(order), _tell(kind, order, amount=order.amount_cents))

    def payee(self, user_id: UUID, account: str | None) -> Payee:
        """Everybody can be paid out."""
        return Payee(account or f"sandbox_{user_id}", ready=True, url=None)

    def try_out(self) -> None:
        """Do nothing: there is nobody to be asked."""


def _reference(order: Order) -> str:
    return f"sandbox_{order.payment_id}"


def _tell(kind: str, order: Order, **fields: Any) -> Delivery:
    about = {"id": _reference(order), "currency": CURRENCY, "metadata": {"payment_id": str(order.payment_id)}}
    # The id derives from the payment: told twice, it is the same event.
    event = {"id": f"{kind}:{order.payment_id}", "type": kind, "data": {"object": {**about, **fields}}}
    return signature.sign(json.dumps(event).encode(), signature.secret(), int(time.time()))
