"""Payments and their rails: what a rail has to be told, and what it tells.

Nothing here speaks to a rail; `workers.tasks.remit` does, outside any transaction. A payment comes to an
end only in `receive`, or in `sweep` where nobody paid: so a wallet is credited in one place, and once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import db, ledger, payments
from models.errors import PaymentMismatch
from models.notices import CURRENCY, Kind, Notice, Order, State
from models.schema import AutoTopup, Payment, PaymentNotice

SWEEP_BATCH = 500

# An answer may take its rail ten seconds; who asks again sooner only meets himself.
BACKOFF = timedelta(seconds=30)
BACKOFF_MAX = timedelta(hours=1)
# A charge is not repeated once the rail may have forgotten its idempotency key, after 24 h.
CHARGE_LIFE = timedelta(hours=20)
WORD_LIFE = timedelta(days=4)  # a rail repeats what it has to tell for three days
# A card that fails is left alone for an hour, and after the third time in a row for good.
AUTO_REST = timedelta(hours=1)
AUTO_FAILURES_MAX = 3

# As in guards.sql. Money that comes late still counts, and a transfer may come back.
MOVES: dict[tuple[Kind, State], tuple[State, ...]] = {
    ("topup", "requested"): ("pending", "succeeded", "failed"),
    ("topup", "pending"): ("succeeded", "failed"),
    ("topup", "failed"): ("succeeded",),
    ("withdrawal", "requested"): ("pending", "succeeded", "failed"),
    ("withdrawal", "pending"): ("succeeded", "failed"),
    ("withdrawal", "succeeded"): ("failed",),
}


# Telling the rail ----------------------------------------------------------------------------


def owed(session: Session, payment_id: UUID) -> Order | None:
    """What the rail has to be asked now; None where nothing is owed. Counts as an attempt."""
    payment = _lock(session, payment_id)
    at = db.now(session)
    if payment is None or payment.state != "requested":
        return None
    if payment.automatic and payment.created_at + CHARGE_LIFE <= at:
        _settle(session, payment, "failed", "rail_unreachable", at)
        return None
    payment.due_at = at + min(BACKOFF * 2 ** min(payment.attempts, 10), BACKOFF_MAX)
    payment.attempts += 1
    return payments.order(session, payment)


def sent(session: Session, payment_id: UUID, reference: str) -> None:
    """Note that the rail has taken the order on. It may have told the outcome already."""
    payment = _lock(session, payment_id)
    if payment is None or payment.state != "requested":
        return
    payment.state = "pending"
    payment.reference = reference
    payment.due_at = db.now(session) + WORD_LIFE if payment.kind == "topup" else None


def refused(order: Order, reason: str) -> Notice:
    """The notice of a rail that answers an order with a final no."""
    return Notice(
        id=f"refused:{order.payment_id}",
        kind="refused",
        payment_id=order.payment_id,
        outcome="failed",
        amount_cents=order.amount_cents,
        currency=CURRENCY,
        reference="",
        reason=reason,
    )


# A lease, not a removal: what dies with the task comes back when the lease is over.
_TAKE = text("""
    UPDATE payments SET due_at = clock_timestamp() + :lease
    WHERE id = (
        SELECT id FROM payments WHERE due_at <= clock_timestamp()
        ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) RETURNING id, state
""")


def sweep(publish: Callable[[str, UUID], object]) -> int:
    """Hand out every payment whose rail has to be told, end the checkouts nobody paid; how many.

    As in `settlement.sweep` it ends where `publish` says False.
    """
    for count in range(SWEEP_BATCH):
        found = db.retried(_take)
        if found is None or (found.state == "requested" and publish("remit", found.id) is False):
            return count
    return SWEEP_BATCH


def _take(session: Session) -> Row[tuple[UUID, State]] | None:
    """Lease a payment that is due; one that nobody paid ends here."""
    found = session.execute(_TAKE, {"lease": BACKOFF}).one_or_none()
    if found and found.state == "pending":
        payment = _lock(session, found.id)
        assert payment is not None
        _settle(session, payment, "failed", "expired", db.now(session))
    return found


# Hearing from it -----------------------------------------------------------------------------


def receive(session: Session, notice: Notice | None) -> bool:
    """Let what a rail tells take effect: the only way that a payment comes to an end.

    Returns:
        Whether it was news. What is not about a payment of ours, or was told before, is none.

    Raises:
        PaymentMismatch: it tells of another amount or currency; nothing changed.
    """
    payment = _lock(session, notice.payment_id) if notice else None
    if notice is None or payment is None:
        return False
    if (notice.amount_cents, notice.currency) != (payment.amount_cents, CURRENCY):
        raise PaymentMismatch
    if not _note(session, notice):
        return False
    payment.reference = payment.reference or notice.reference or None
    if notice.customer and notice.payment_method:
        payments.know(
            session, payment.user_id, customer=notice.customer, payment_method=notice.payment_method
        )
    if notice.outcome:
        _settle(session, payment, notice.outcome, notice.reason, db.now(session))
    return True


def _note(session: Session, notice: Notice) -> bool:
    statement = insert(PaymentNotice).values(id=notice.id, payment_id=notice.payment_id, kind=notice.kind)
    once = statement.on_conflict_do_nothing(index_elements=["id"]).returning(PaymentNotice.id)
    return session.execute(once).one_or_none() is not None


def _settle(session: Session, payment: Payment, to: State, reason: str | None, at: datetime) -> None:
    """End a locked payment with the transfer that this means; nothing where it has ended otherwise."""
    kind = cast(Kind, payment.kind)
    if to not in MOVES.get((kind, cast(State, payment.state)), ()):
        return
    payment.state = to
    payment.failure_reason = (reason or "failed") if to == "failed" else None
    payment.due_at = None
    session.flush()
    if kind == "topup" and to == "succeeded":
        ledger.bring_in(session, payment)
    elif kind == "withdrawal" and to == "failed":
        ledger.bring_back(session, payment)
    if payment.automatic:
        _note_charge(session, payment, at)


def _note_charge(session: Session, payment: Payment, at: datetime) -> None:
    wish = session.get(AutoTopup, payment.user_id, with_for_update=True, populate_existing=True)
    if wish is None:
        return
    if payment.state == "succeeded":
        wish.failures, wish.rests_until = 0, None
        return
    wish.failures += 1
    wish.rests_until = at + AUTO_REST
    wish.enabled = wish.enabled and wish.failures < AUTO_FAILURES_MAX


def _lock(session: Session, payment_id: UUID) -> Payment | None:
    return session.get(Payment, payment_id, with_for_update={"key_share": True}, populate_existing=True)
