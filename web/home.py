"""The caller's desk: what they hold, what waits for them, what they could do next."""

from datetime import datetime

from sqlalchemy.orm import Session

from models import db, ledger, views
from models.states import Status
from models.views import StatusRow
from web import shapes
from web.auth import caller
from web.contract import Routes

home = Routes("home", "/api")

BOARD_MAX = 5  # drops shown


@home.get("/home", shapes.Home, scope="read")
def desk(session: Session) -> shapes.Home:
    """What to do next: money, slots that run out, results, and the best bounties on the board."""
    at = db.now(session)
    rows = views.status(session, caller())
    held = (row for row in rows if row.state == "held")
    entries = [row for row in rows if row.submission]
    board = views.joinable_by(session, caller(), BOARD_MAX)
    return shapes.Home(
        balance_cents=ledger.balance(session, caller()),
        escrow_cents=ledger.escrowed(session, caller()),
        claims=[_claim(row, at) for row in sorted(held, key=lambda row: row.claim.expires_at)],
        expired=[shapes.Standing.of(row) for row in rows if row.state == "expired"],
        waiting=[shapes.Standing.of(row) for row in entries if row.drop.status in _UNDECIDED],
        results=[shapes.Standing.of(row) for row in entries if row.drop.status not in _UNDECIDED],
        board=[shapes.BoardDrop.of(item) for item in board],
    )


_UNDECIDED = (Status.OPEN, Status.RANKING)


def _claim(row: StatusRow, at: datetime) -> shapes.LiveClaim:
    return shapes.LiveClaim(
        job_id=row.drop.id,
        state="held",
        title=row.drop.title,
        price_cents=row.drop.price_cents,
        claim_expires_at=row.claim.expires_at,
        seconds_left=max(0, int((row.claim.expires_at - at).total_seconds())),
    )
