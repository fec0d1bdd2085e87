"""Payments: money between a wallet and the world, as users begin them. `remittance` brings them to an end."""

from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import db, funds, ledger
from models.errors import FundsTooLow, MixedMoney, NotFound, TooManyPayments
from models.ids import uuid7
from models.notices import Kind, Order, RailName
from models.schema import Payment, PaymentProfile

AMOUNT_MIN_CENTS = 500  # below, a rail's own fee eats too much of it
TOPUP_MAX_CENTS = 1_000_000  # ten of the largest bounties; a typo stays small
WITHDRAWAL_MAX_CENTS = 99_999_999  # what Stripe moves at once
OPEN_TOPUPS_MAX = 20  # checkouts of one user that nobody has paid yet
OPEN_RETRY_SECONDS = 60

# Whoever begins a payment also publishes its task; the sweep steps in when that got lost.
HANDOFF = timedelta(seconds=5)
CHECKOUT_LIFE = timedelta(hours=25)  # a checkout page lives for 24 h


# Beginning -----------------------------------------------------------------------------------


def draft_topup(session: Session, user_id: UUID, amount_cents: int, rail: RailName) -> Order:
    """A top-up as it will be asked of a rail. Stores nothing.

    Raises:
        MixedMoney: as `funds.require`.
        TooManyPayments: the user has left as many checkouts unpaid as allowed.
    """
    funds.require(session, rail)
    waiting = select(func.count()).select_from(Payment).where(Payment.user_id == user_id)
    waiting = waiting.where(Payment.kind == "topup", Payment.state == "pending")
    if session.scalars(waiting).one() >= OPEN_TOPUPS_MAX:
        raise TooManyPayments(retry_after=OPEN_RETRY_SECONDS)
    draft = Payment(id=uuid7(), user_id=user_id, kind="topup", rail=rail, amount_cents=amount_cents)
    return order(session, draft)


def begin_topup(session: Session, order: Order, reference: str, checkout_url: str | None) -> Payment:
    """Store a top-up whose rail was told already; it ends with what `receive` hears.

    Raises:
        MixedMoney: money of the other kind began to come in meanwhile; nobody has seen the checkout.
    """
    funds.bring_in(session, order.rail)
    payment = _new(session, order.user_id, "topup", order.rail, order.amount_cents, order.payment_id)
    payment.state = "pending"
    payment.reference = reference
    payment.checkout_url = checkout_url
    payment.due_at = db.now(session) + CHECKOUT_LIFE
    session.add(payment)
    session.flush()
    return payment


def begin_charge(session: Session, user_id: UUID, amount_cents: int, rail: RailName) -> UUID | None:
    """Store an automatic top-up, to be asked of its rail.

    None where one of this user is under way, or no money may move over this rail.
    """
    try:
        funds.bring_in(session, rail)
    except MixedMoney:
        return None
    statement = insert(Payment).values(
        id=uuid7(),
        user_id=user_id,
        kind="topup",
        state="requested",
        rail=rail,
        amount_cents=amount_cents,
        automatic=True,
        due_at=db.now(session) + HANDOFF,
    )
    once = statement.on_conflict_do_nothing(
        index_elements=["user_id"], index_where=text("automatic AND state IN ('requested', 'pending')")
    )
    return session.scalars(once.returning(Payment.id)).one_or_none()


def begin_withdrawal(session: Session, user_id: UUID, amount_cents: int, rail: RailName) -> Payment:
    """Take money out of the wallet, to be sent on by the rail.

    Raises:
        MixedMoney: as `funds.require`; nothing moved.
        FundsTooLow: the wallet holds less; nothing moved.
    """
    available = ledger.available(session, user_id)
    funds.require(session, rail)
    if available < amount_cents:
        raise FundsTooLow(required=amount_cents, available=available)
    payment = _new(session, user_id, "withdrawal", rail, amount_cents, uuid7())
    session.add(payment)
    session.flush()
    ledger.send_out(session, payment)
    return payment


def _new(
    session: Session, user_id: UUID, kind: Kind, rail: RailName, amount_cents: int, payment_id: UUID
) -> Payment:
    return Payment(
        id=payment_id,
        user_id=user_id,
        kind=kind,
        state="requested",
        rail=rail,
        amount_cents=amount_cents,
        due_at=db.now(session) + HANDOFF,
    )


# Reading -------------------------------------------------------------------------------------


def profile(session: Session, user_id: UUID) -> PaymentProfile:
    """What the rail calls this user; an empty one where it has never heard of them."""
    return session.get(PaymentProfile, user_id) or PaymentProfile(user_id=user_id, payout_ready=False)


def know(session: Session, user_id: UUID, **names: str | bool) -> None:
    """Keep what the rail calls this user: `customer`, `payment_method`, `payout_account`, `payout_ready`."""
    statement = insert(PaymentProfile).values(user_id=user_id, **names)
    session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=names))


def payment(session: Session, user_id: UUID, payment_id: UUID) -> Payment:
    """A payment of this user's own.

    Raises:
        NotFound: there is none.
    """
    found = session.get(Payment, payment_id)
    if found is None or found.user_id != user_id:
        raise NotFound
    return found


def order(session: Session, payment: Payment) -> Order:
    """A payment as its rail is asked for it."""
    known = profile(session, payment.user_id)
    return Order(
        payment_id=payment.id,
        user_id=payment.user_id,
        kind=cast(Kind, payment.kind),
        rail=cast(RailName, payment.rail),
        amount_cents=payment.amount_cents,
        retried=(payment.attempts or 0) > 1,
        customer=known.customer,
        payment_method=known.payment_method,
        payout_account=known.payout_account,
    )
