"""The caller's money: what there is, how more comes in, how it goes out, and what the rails tell of it."""

from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from models import autotopup, db, funds, ledger, payments, remittance, statements
from models.errors import (
    BadSignature,
    FundsTooLow,
    MixedMoney,
    NotFound,
    PaymentMethodMissing,
    PaymentMismatch,
    PayoutAccountMissing,
    TooManyPayments,
    Unavailable,
)
from models.notices import Order
from models.payments import AMOUNT_MIN_CENTS, TOPUP_MAX_CENTS, WITHDRAWAL_MAX_CENTS
from models.schema import Payment, PaymentProfile
from models.settings import settings
from web import lists, shapes
from web.auth import caller
from web.contract import Routes
from web.handoff import offer_payment
from web.inputs import ForeignFields
from web.lists import CursorQuery, ListQuery, listed
from workers import rails
from workers.rails import Checkout, Delivery, Rail

wallet = Routes("wallet", "/api/wallet")
notices = Routes("notices")


class TopupBody(BaseModel):
    """How much is to come in."""

    model_config = ConfigDict(strict=True, extra="ignore")

    amount_cents: int = Field(ge=AMOUNT_MIN_CENTS, le=TOPUP_MAX_CENTS, examples=[2000])
    save_card: bool = Field(False, description="Whether `auto-topup` may charge this card again.")


class WithdrawBody(BaseModel):
    """How much is to go out."""

    model_config = ConfigDict(strict=True, extra="ignore")

    amount_cents: int = Field(ge=AMOUNT_MIN_CENTS, le=WITHDRAWAL_MAX_CENTS, examples=[2000])


class AutoTopupBody(BaseModel):
    """When the wallet fills itself, and by how much. What is left out stays as it was."""

    model_config = ConfigDict(strict=True, extra="ignore")

    enabled: bool
    threshold_cents: int | None = Field(
        None, ge=1, le=TOPUP_MAX_CENTS, description="It fills itself when it holds less.", examples=[500]
    )
    amount_cents: int | None = Field(None, ge=AMOUNT_MIN_CENTS, le=TOPUP_MAX_CENTS, examples=[2000])


@wallet.get("/balance", shapes.Wallet, query=ListQuery, scope="read")
def balance(session: Session, query: ListQuery) -> shapes.Wallet:
    """Your balance, what your live drops hold in escrow, and the latest movements."""
    history = ledger.history(session, caller(), query.limit, query.offset)
    return shapes.Wallet(
        balance_cents=ledger.balance(session, caller()),
        escrow_cents=ledger.escrowed(session, caller()),
        ledger=[shapes.LedgerEntry.of(entry) for entry in history],
    )


@wallet.get("/ledger", list[shapes.LedgerEntry], query=CursorQuery, scope="read", headers=lists.HEADERS)
def movements(session: Session, query: CursorQuery) -> object:
    """Every movement of your wallet, newest first."""
    page = statements.history(session, caller(), query.stretch)
    return listed(page, query, lambda rows: [shapes.LedgerEntry.of(entry) for entry in rows])


@wallet.get("/payments", list[shapes.Payment], query=CursorQuery, scope="read", headers=lists.HEADERS)
def payments_made(session: Session, query: CursorQuery) -> object:
    """Your top-ups and withdrawals, newest first."""
    page = statements.payments(session, caller(), query.stretch)
    return listed(page, query, lambda rows: [shapes.Payment.of(row) for row in rows])


@wallet.get("/payments/<uuid:payment_id>", shapes.Payment, scope="read", refuses=[NotFound])
def payment(session: Session, payment_id: UUID) -> shapes.Payment:
    """One of your top-ups or withdrawals, and how it fares."""
    return shapes.Payment.of(payments.payment(session, caller(), payment_id))


# In ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """A top-up that the rail has been told of, and not yet stored."""

    order: Order
    checkout: Checkout


def _open_page(body: TopupBody) -> Page:
    """Tell the rail first: if we die before the row is stored, nobody has the page's address to pay there."""
    rail = rails.chosen()
    order = db.retried(lambda s: payments.draft_topup(s, caller(), body.amount_cents, rail.name))
    try:
        return Page(order, rail.checkout(order, body.save_card))
    except rails.Refused as refusal:
        raise _refused(refusal) from None


@wallet.post(
    "/topup",
    shapes.Payment,
    status=201,
    body=TopupBody,
    scope="spend",
    prepare=lambda body: nullcontext(_open_page(body)),
    refuses=[TooManyPayments, MixedMoney],
)
def topup(session: Session, prepared: Page) -> shapes.Payment:
    """Bring money in: a person pays at `checkout_url`; in the sandbox it is there at once."""
    checkout = prepared.checkout
    row = payments.begin_topup(session, prepared.order, checkout.reference, checkout.url)
    return _answer(session, row, checkout.told)


@wallet.get("/auto-topup", shapes.AutoTopup, scope="read")
def auto_topup(session: Session) -> shapes.AutoTopup:
    """Whether your wallet fills itself. It does not, unless you asked for it."""
    return shapes.AutoTopup.of(autotopup.wish(session, caller()))


@wallet.post(
    "/auto-topup", shapes.AutoTopup, body=AutoTopupBody, scope="spend", refuses=[PaymentMethodMissing]
)
def set_auto_topup(session: Session, body: AutoTopupBody) -> shapes.AutoTopup:
    """Let your wallet fill itself when it runs low, or no longer.

    One top-up at a time, ten a day. After a failure it rests for an hour, after three in a row it is off.
    """
    rail, asked = settings().payments, (body.enabled, body.threshold_cents, body.amount_cents)
    return shapes.AutoTopup.of(autotopup.set_wish(session, caller(), rail, *asked))


# Out -----------------------------------------------------------------------------------------


def _require_payee() -> Rail:
    """The rail, once it knows where to pay the caller out to; it is asked only until it does."""
    rail = rails.chosen()

    def look(session: Session) -> PaymentProfile:
        funds.require(session, rail.name)  # or an account would be made at the rail, only to be refused
        return payments.profile(session, caller())

    known = db.retried(look)
    if rail.immediate or known.payout_ready:
        return rail
    try:
        payee = rail.payee(caller(), known.payout_account)
    except rails.Refused as refusal:
        raise _refused(refusal) from None
    told: dict[str, str | bool] = {"payout_account": payee.account, "payout_ready": payee.ready}
    db.retried(lambda session: payments.know(session, caller(), **told))
    if not payee.ready:
        raise PayoutAccountMissing(onboarding_url=payee.url)
    return rail


@wallet.post(
    "/withdraw",
    shapes.Payment,
    status=201,
    body=WithdrawBody,
    scope="spend",
    prepare=lambda _: nullcontext(_require_payee()),
    refuses=[FundsTooLow, PayoutAccountMissing, MixedMoney],
)
def withdraw(session: Session, body: WithdrawBody, prepared: Rail) -> shapes.Payment:
    """Take money out. It leaves the wallet now, and comes back if the transfer fails."""
    row = payments.begin_withdrawal(session, caller(), body.amount_cents, prepared.name)
    if not prepared.immediate:
        offer_payment(session, row.id)
        return _answer(session, row, None)
    return _answer(session, row, prepared.carry_out(payments.order(session, row)).told)


def _answer(session: Session, row: Payment, told: Delivery | None) -> shapes.Payment:
    """A payment, after what its rail may have told of it already."""
    if told:
        remittance.receive(session, rails.read(told))
    session.flush()
    session.refresh(row)
    return shapes.Payment.of(row)


def _refused(refusal: rails.Refused) -> Unavailable:
    reason = refusal.reason
    return Unavailable(f"The payment provider refused this: {reason}.", cause=reason)


# What the rails tell -------------------------------------------------------------------------


@notices.post(
    "/api/stripe/webhook",
    shapes.Received,
    body=ForeignFields,
    refuses=[BadSignature, PaymentMismatch],
)
def hear(session: Session) -> shapes.Received:
    """What Stripe tells of payments, signed in `Stripe-Signature`. Each event counts once, in any order."""
    delivery = Delivery(request.get_data(), request.headers.get("Stripe-Signature", ""))
    remittance.receive(session, rails.read(delivery))
    return shapes.Received(received=True)


@notices.get("/wallet/done", media_type="text/plain")
def done() -> Response:
    """Where the payment provider sends people back to."""
    return Response(
        "Thank you. Your wallet follows as soon as the payment is confirmed.\n", mimetype="text/plain"
    )
