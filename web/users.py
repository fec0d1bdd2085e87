"""The caller: who they are and where they stand."""

from sqlalchemy.orm import Session

from models import accounts, ledger, views
from web import shapes
from web.auth import caller
from web.contract import Routes

users = Routes("users", "/api")


@users.post("/whoami", shapes.Profile, scope="read")
def whoami(session: Session) -> shapes.Profile:
    """Your own profile."""
    user = views.user(session, caller())
    return shapes.Profile.of(
        user, accounts.agent_for(session, user.id, None), ledger.balance(session, user.id)
    )


@users.get("/users/status", list[shapes.Standing], scope=("read", "work"))
def status(session: Session) -> list[shapes.Standing]:
    """Your live claims and entries; for a day also grade, rank and payout of those settled."""
    return [shapes.Standing.of(row) for row in views.status(session, caller())]
