"""Reading notices: what Stripe's events, and the sandbox's in the same form, say about a payment of ours.

A payment may be told of by several events (a checkout page and the card payment behind it); each says the
same, in any order, and the first one counts.
"""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from models import ids
from models.errors import Invalid
from models.notices import Notice

Outcome = Literal["succeeded", "failed"] | None


class _Metadata(BaseModel):
    payment_id: str = ""
    automatic: str = ""


class _Error(BaseModel):
    code: str | None = None


class _Object(BaseModel):
    """The fields we look at; which of them there are depends on the event."""

    id: str = Field(max_length=255)
    metadata: _Metadata | None = None
    currency: str | None = None
    amount: int | None = None
    amount_total: int | None = None
    amount_received: int | None = None
    payment_status: str | None = None
    reversed: bool = False
    customer: str | None = None
    payment_method: str | None = None
    setup_future_usage: str | None = None
    last_payment_error: _Error | None = None


class _Data(BaseModel):
    object: _Object


class _Event(BaseModel):
    id: str = Field(min_length=1, max_length=255)
    type: str
    data: _Data


class _Envelope(BaseModel):
    type: str


def read(body: bytes) -> Notice | None:
    """What a signed event says; None where it is not about a payment of ours.

    Raises:
        Invalid: it is of a kind that we know, and has another form.
    """
    try:
        if _Envelope.model_validate_json(body).type not in _KINDS:
            return None
        event = _Event.model_validate_json(body)
    except ValidationError:
        raise Invalid("This is not an event in Stripe's form.") from None
    payment_id = ids.parse((event.data.object.metadata or _Metadata()).payment_id)
    return _notice(event, payment_id) if payment_id else None


def _notice(event: _Event, payment_id: UUID) -> Notice:
    about, outcome = event.data.object, _outcome(event)
    checkout = event.type.startswith("checkout.")
    received = about.amount_received if outcome == "succeeded" else None
    cents = about.amount_total if checkout else about.amount if received is None else received
    if cents is None or about.currency is None:
        raise Invalid("This event names no amount.")
    saved = event.type == "payment_intent.succeeded" and about.setup_future_usage == "off_session"
    return Notice(
        id=event.id,
        kind=event.type,
        payment_id=payment_id,
        outcome=outcome,
        amount_cents=cents,
        currency=about.currency,
        reference=about.id,
        reason=_reason(event) if outcome == "failed" else None,
        customer=about.customer if saved else None,
        payment_method=about.payment_method if saved else None,
    )


# Events of these kinds are about money of ours, and say that it moved, or that it will not.
_KINDS: dict[str, Outcome] = {
    "checkout.session.completed": None,  # paid or not: see `_outcome`
    "checkout.session.async_payment_succeeded": "succeeded",
    "checkout.session.async_payment_failed": "failed",
    "checkout.session.expired": "failed",
    "payment_intent.succeeded": "succeeded",
    "payment_intent.payment_failed": None,  # on a checkout page one may try another card
    "payment_intent.canceled": "failed",
    "transfer.created": "succeeded",
    "transfer.reversed": None,
}


def _outcome(event: _Event) -> Outcome:
    about = event.data.object
    if event.type == "checkout.session.completed":
        return "succeeded" if about.payment_status == "paid" else None  # a slow method reports later
    if event.type == "payment_intent.payment_failed":
        return "failed" if about.metadata and about.metadata.automatic == "true" else None
    if event.type == "transfer.reversed":
        return "failed" if about.reversed else None  # a part of it is for an operator to sort out
    return _KINDS[event.type]


def _reason(event: _Event) -> str:
    error = event.data.object.last_payment_error
    return (error and error.code) or event.type.rpartition(".")[2]
