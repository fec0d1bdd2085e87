"""Statements of account: a wallet's history for its owner, and the sum of everything for everybody."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from models import audits, db, ledger
from models.ledger import Entry
from models.paging import Key, Page, Stretch, page
from models.schema import Account, Payment, Transfer


@dataclass(frozen=True)
class Trust:
    """All the money there is, in cents, and what the audit says of it."""

    wallets_cents: int
    escrow_cents: int
    fees_cents: int
    came_in_cents: int
    went_out_cents: int
    violations: int
    transfers: int
    at: datetime

    @property
    def balanced(self) -> bool:
        """Whether what is here is what came in and did not go out."""
        here = self.wallets_cents + self.escrow_cents + self.fees_cents
        return here == self.came_in_cents - self.went_out_cents


def history(session: Session, user_id: UUID, stretch: Stretch) -> Page[Entry]:
    """The movements of a user's wallet, newest first."""
    wallet = session.scalars(select(Account.id).where(Account.user_id == user_id)).one()
    query = select(Transfer).where(or_(Transfer.debit_id == wallet, Transfer.credit_id == wallet))
    return page(session, query, [Key(Transfer.id, True)], stretch, lambda row: ledger.entry(row, wallet))


def payments(session: Session, user_id: UUID, stretch: Stretch) -> Page[Payment]:
    """A user's top-ups and withdrawals, newest first."""
    query = select(Payment).where(Payment.user_id == user_id)
    return page(session, query, [Key(Payment.id, True)], stretch, lambda row: row)


# One statement sees one state of the books, however busy they are.
_SUMS = text("""
    SELECT 'account ' || kind AS name, sum(balance_cents)::bigint AS cents, count(*) AS rows
    FROM audit_accounts GROUP BY kind
    UNION ALL
    SELECT kind, sum(amount_cents)::bigint, count(*) FROM transfers GROUP BY kind
""")


def trust(session: Session) -> Trust:
    """Sum up all rows, beside the last audit: seconds on large books, so not for each who asks."""
    rows = session.execute(_SUMS).all()
    cents = {row.name: row.cents for row in rows}
    came_in = sum(cents.get(kind, 0) for kind in ledger.INCOMING)
    return Trust(
        wallets_cents=cents.get("account wallet", 0),
        escrow_cents=cents.get("account escrow", 0),
        fees_cents=cents.get("account fees", 0),
        came_in_cents=came_in,
        went_out_cents=cents.get("withdrawal", 0) - cents.get("withdrawal_return", 0),
        violations=audits.violations(session),
        transfers=sum(row.rows for row in rows if not row.name.startswith("account ")),
        at=db.now(session),
    )
