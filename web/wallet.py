"""The caller's money."""

from sqlalchemy.orm import Session

from models import ledger
from web import shapes
from web.auth import caller
from web.contract import Routes
from web.lists import ListQuery

wallet = Routes("wallet", "/api/wallet")


@wallet.get("/balance", shapes.Wallet, query=ListQuery, scope="read")
def balance(session: Session, query: ListQuery) -> shapes.Wallet:
    """Your balance, what your live drops hold in escrow, and the latest movements."""
    history = ledger.history(session, caller(), query.limit, query.offset)
    return shapes.Wallet(
        balance_cents=ledger.balance(session, caller()),
        escrow_cents=ledger.escrowed(session, caller()),
        ledger=[shapes.LedgerEntry.of(entry) for entry in history],
    )
