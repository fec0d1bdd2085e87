"""Wallets that fill themselves: the wish, and the top-ups that it is time for."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models import db, payments
from models.errors import Invalid, PaymentMethodMissing
from models.notices import RailName
from models.schema import AutoTopup

PER_DAY_MAX = 10  # of one user; a wallet that empties faster asks for a human
SWEEP_BATCH = 500


def wish(session: Session, user_id: UUID) -> AutoTopup | None:
    """What the user has wished for; None where they never did."""
    return session.get(AutoTopup, user_id)


def set_wish(
    session: Session,
    user_id: UUID,
    rail: RailName,
    enabled: bool,
    threshold_cents: int | None,
    amount_cents: int | None,
) -> AutoTopup | None:
    """Switch it on or off; what is None stays as it was. Off before it was ever on is no wish at all.

    Raises:
        Invalid: it was never said when, or by how much.
        PaymentMethodMissing: nothing is known that could be charged.
    """
    if enabled and rail == "stripe" and not payments.profile(session, user_id).payment_method:
        raise PaymentMethodMissing
    found = session.get(AutoTopup, user_id, with_for_update=True)
    given = {"threshold_cents": threshold_cents, "amount_cents": amount_cents}
    kept = {name: getattr(found, name, None) if value is None else value for name, value in given.items()}
    missing = [name for name, value in kept.items() if value is None]
    if missing and not enabled:
        return None
    if missing:
        errors = [{"field": name, "message": "is needed the first time"} for name in missing]
        raise Invalid(f"The request is not valid: check {', '.join(missing)}.", errors=errors)
    values = {"enabled": enabled, **kept, "failures": 0, "rests_until": None}
    return session.merge(AutoTopup(user_id=user_id, **values))


def sweep(rail: RailName) -> int:
    """Begin every top-up that it is time for; how many. The sweep of payments hands them out."""
    for count in range(SWEEP_BATCH):
        if db.retried(lambda session: begin(session, rail)) is None:
            return count
    return SWEEP_BATCH


_DUE = """
    w.enabled AND a.balance_cents < w.threshold_cents
    AND coalesce(w.rests_until <= clock_timestamp(), true)
    AND NOT EXISTS (
        SELECT FROM payments p
        WHERE p.user_id = w.user_id AND p.automatic AND p.state IN ('requested', 'pending'))
    AND :per_day > (
        SELECT count(*) FROM payments p
        WHERE p.user_id = w.user_id AND p.automatic AND p.created_at > clock_timestamp() - interval '1 day')
"""
_LOCK = text(f"""
    SELECT w.user_id FROM auto_topups w JOIN accounts a USING (user_id) WHERE {_DUE}
    LIMIT 1 FOR NO KEY UPDATE OF w SKIP LOCKED
""")  # noqa: S608  # nothing in it is from outside
_STILL = text(f"""
    SELECT w.amount_cents FROM auto_topups w JOIN accounts a USING (user_id)
    WHERE w.user_id = :user_id AND {_DUE}
""")  # noqa: S608


def begin(session: Session, rail: RailName) -> UUID | None:
    """Begin the automatic top-up of one user whose wallet is too low; None where nobody's is."""
    user_id = session.execute(_LOCK, {"per_day": PER_DAY_MAX}).scalar_one_or_none()
    if user_id is None:
        return None
    # Another may have filled the wallet before the lock was held: a second look sees it.
    still = session.execute(_STILL, {"per_day": PER_DAY_MAX, "user_id": user_id}).scalar_one_or_none()
    return None if still is None else payments.begin_charge(session, user_id, still, rail)
