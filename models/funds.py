"""Play money and real money: a database holds one of them, never both.

A bounty makes all cents alike, so play money that met real money could be won, and be withdrawn in earnest.
What counts is what came in or is on its way: play money over the sandbox or by `clorp admin`, real money over
Stripe. Who pays a checkout that was given up long ago is credited all the same: the money is theirs.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from models import ledger, locks
from models.errors import MixedMoney
from models.locks import Lock
from models.notices import RailName

_SENTENCES: dict[RailName, str] = {
    "stripe": "There is play money in this database, of the sandbox or of `clorp admin`, so no real money "
    "moves here: CLORP_PAYMENTS=stripe wants a database that never held any.",
    "sandbox": "There is real money in this database, so no play money comes in and nothing leaves over the "
    "sandbox: set CLORP_PAYMENTS=stripe, or use another database.",
}
_CAME_IN = text("""
    SELECT EXISTS (
        SELECT FROM transfers t LEFT JOIN payments p ON p.id = t.payment_id
        WHERE t.debit_id = :world AND t.kind = ANY(:incoming) AND coalesce(p.rail, 'sandbox') <> :rail)
    OR EXISTS (
        SELECT FROM payments WHERE kind = 'topup' AND state IN ('requested', 'pending') AND rail <> :rail)
""")


def trouble(session: Session, rail: RailName) -> str | None:
    """Why no money may move over `rail`, as a sentence; None where it may."""
    incoming = list(ledger.INCOMING)
    found = session.execute(_CAME_IN, {"world": ledger.WORLD, "incoming": incoming, "rail": rail})
    return _SENTENCES[rail] if found.scalar_one() else None


def require(session: Session, rail: RailName) -> None:
    """Nothing, where money may move over `rail`.

    Raises:
        MixedMoney: money of the other kind has come in.
    """
    if sentence := trouble(session, rail):
        raise MixedMoney(sentence)


def bring_in(session: Session, rail: RailName) -> None:
    """As `require`, for money that begins to come in: nobody else's does at the same time.

    Raises:
        MixedMoney: as `require`.
    """
    locks.hold(session, Lock.BRING_IN)
    require(session, rail)
