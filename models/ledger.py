"""Money: double entry, append-only, whole cents. The only module that builds transfers.

Every transfer has a deterministic key (`payout:<drop id>`), so that the same reason can never
move money twice. Balances are kept by PostgreSQL; what they may be is refused there too.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.errors import InsufficientBalance
from models.ids import uuid7
from models.schema import Account, Drop, Payment, Transfer

WORLD = UUID("00000000-0000-7000-8000-000000000001")
FEES = UUID("00000000-0000-7000-8000-000000000002")
INCOMING = ("credit", "topup")  # kinds of transfers that bring money in from outside


@dataclass(frozen=True)
class Violation:
    """A broken promise: the rule, and which row breaks it how."""

    rule: str
    detail: str


@dataclass(frozen=True)
class Audit:
    """The state of all money: `totals` in cents by kind of account, `transfers` their number."""

    violations: list[Violation]
    totals: dict[str, int]
    transfers: int


@dataclass(frozen=True)
class Entry:
    """One line of a wallet's history; `delta` in cents, negative when money left."""

    transfer: Transfer
    delta: int


def open_wallet(session: Session, user_id: UUID) -> None:
    """The empty wallet of a new user."""
    session.add(Account(kind="wallet", user_id=user_id, balance_cents=0))


def balance(session: Session, user_id: UUID) -> int:
    """Cents in the user's wallet."""
    return session.scalars(select(Account.balance_cents).where(Account.user_id == user_id)).one() or 0


def escrowed(session: Session, user_id: UUID) -> int:
    """Cents that the user's live drops hold in escrow."""
    query = select(func.coalesce(func.sum(Account.balance_cents), 0)).join(Drop, Drop.id == Account.job_id)
    return int(session.scalars(query.where(Drop.sender_id == user_id)).one() or 0)


def history(session: Session, user_id: UUID, limit: int, offset: int = 0) -> list[Entry]:
    """The wallet's transfers, newest first."""
    wallet = session.scalars(select(Account.id).where(Account.user_id == user_id)).one()
    query = (
        select(Transfer)
        .where((Transfer.debit_id == wallet) | (Transfer.credit_id == wallet))
        .order_by(Transfer.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [entry(transfer, wallet) for transfer in session.scalars(query)]


def entry(transfer: Transfer, wallet: UUID) -> Entry:
    """A transfer as this wallet sees it."""
    came_in = transfer.credit_id == wallet
    return Entry(transfer, transfer.amount_cents if came_in else -transfer.amount_cents)


def credit(session: Session, user_id: UUID, cents: int, key: str) -> bool:
    """Bring money in from outside. False where `key` was credited before: nothing moves then."""
    return _transfer(session, key, "credit", WORLD, _wallet(session, user_id), cents)


def available(session: Session, user_id: UUID) -> int:
    """Cents in the wallet, which stays locked: nobody else spends them before the commit."""
    query = select(Account).where(Account.user_id == user_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one().balance_cents or 0


def hold(session: Session, drop: Drop) -> None:
    """Move the bounty from the sender's wallet into the drop's escrow.

    Raises:
        InsufficientBalance: the wallet holds less; nothing moved.
    """
    funds = available(session, drop.sender_id)
    if funds < drop.price_cents:
        raise InsufficientBalance(drop.id, required=drop.price_cents, available=funds)
    escrow = Account(id=uuid7(), kind="escrow", job_id=drop.id, balance_cents=0)
    session.add(escrow)
    session.flush()
    _transfer(
        session,
        f"hold:{drop.id}",
        "hold",
        _wallet(session, drop.sender_id),
        escrow.id,
        drop.price_cents,
        drop.id,
    )


def refund(session: Session, drop: Drop) -> None:
    """Give the whole bounty back to the sender."""
    _leave_escrow(session, drop, "refund", _wallet(session, drop.sender_id), drop.price_cents)


def release(session: Session, drop: Drop, winner_id: UUID) -> None:
    """Pay the bounty: the fee to the house, all the rest to the winner."""
    _leave_escrow(session, drop, "payout", _wallet(session, winner_id), drop.price_cents - drop.fee_cents)
    if drop.fee_cents:
        _leave_escrow(session, drop, "fee", FEES, drop.fee_cents)


def bring_in(session: Session, payment: Payment) -> None:
    """Credit a top-up that has succeeded."""
    _cross(session, "topup", payment, WORLD, _wallet(session, payment.user_id))


def send_out(session: Session, payment: Payment) -> None:
    """Debit a withdrawal: its money is out of the wallet before any rail hears of it."""
    _cross(session, "withdrawal", payment, _wallet(session, payment.user_id), WORLD)


def bring_back(session: Session, payment: Payment) -> None:
    """Return a withdrawal that has failed."""
    _cross(session, "withdrawal_return", payment, WORLD, _wallet(session, payment.user_id))


def balances(session: Session) -> dict[str, int]:
    """Cents by owner; the escrows of all drops together, fees and the world by their kind."""
    rows = session.execute(
        text("""SELECT coalesce(owner, kind), sum(balance_cents)::bigint FROM audit_accounts
            GROUP BY coalesce(owner, kind), kind ORDER BY kind = 'wallet' DESC, min(id::text)""")
    )
    return {owner: cents for owner, cents in rows}  # noqa: C416


def violations(session: Session) -> list[Violation]:
    """What breaks a promise about money, over all rows; an empty list is the good news."""
    rows = session.execute(text("SELECT rule, detail FROM audit_violations"))
    return [Violation(rule, detail) for rule, detail in rows]


def audit(session: Session) -> Audit:
    """Check every promise about money, and sum up all accounts."""
    totals = session.execute(
        text("SELECT kind, sum(balance_cents)::bigint FROM audit_accounts GROUP BY kind")
    )
    return Audit(
        violations=violations(session),
        totals={kind: cents for kind, cents in totals},  # noqa: C416
        transfers=session.scalars(select(func.count()).select_from(Transfer)).one(),
    )


def _wallet(session: Session, user_id: UUID) -> UUID:
    return session.scalars(select(Account.id).where(Account.user_id == user_id)).one()


def _leave_escrow(session: Session, drop: Drop, kind: str, to: UUID, cents: int) -> None:
    escrow = session.scalars(select(Account.id).where(Account.job_id == drop.id)).one()
    _transfer(session, f"{kind}:{drop.id}", kind, escrow, to, cents, drop.id)


def _cross(session: Session, kind: str, payment: Payment, debit: UUID, credit_to: UUID) -> None:
    key = f"{kind}:{payment.id}"
    _transfer(session, key, kind, debit, credit_to, payment.amount_cents, payment_id=payment.id)


def _transfer(
    session: Session,
    key: str,
    kind: str,
    debit: UUID,
    credit_to: UUID,
    cents: int,
    job_id: UUID | None = None,
    payment_id: UUID | None = None,
) -> bool:
    """Post one transfer; False where its key has been posted before."""
    statement = insert(Transfer).values(
        id=uuid7(),
        key=key,
        kind=kind,
        job_id=job_id,
        debit_id=debit,
        credit_id=credit_to,
        amount_cents=cents,
        payment_id=payment_id,
    )
    once = statement.on_conflict_do_nothing(index_elements=["key"]).returning(Transfer.id)
    return session.execute(once).one_or_none() is not None
