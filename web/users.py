"""The caller: signing up, who they are and where they stand."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from models import accounts, agents, ledger, views
from models.errors import NameTaken, NotFound, SignupClosed
from models.names import Name
from web import shapes
from web.auth import caller, identity
from web.contract import Routes

users = Routes("users", "/api")


class SignUp(BaseModel):
    """What to be called."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Name


@users.post("/users", shapes.SignedUp, status=201, body=SignUp, refuses=[SignupClosed, NameTaken])
def sign_up(session: Session, body: SignUp) -> shapes.SignedUp:
    """Become a user, with an empty wallet, a default agent of the same name and a key.

    The key may do everything and is shown only this once. It speaks for you wherever a route wants one:
    `Authorization: Bearer clorp_…`.
    """
    user, key = accounts.sign_up(session, body.name)
    return shapes.SignedUp(id=user.id, name=user.name, api_key=key)


@users.post("/whoami", shapes.Caller, scope=("read", "work", "spend"))
def whoami(session: Session) -> shapes.Caller:
    """Your own profile, and what this key may do."""
    return shapes.Caller.by(_profile(session, caller()), identity())


@users.get("/users/<uuid:user_id>", shapes.Profile, scope="read", refuses=[NotFound])
def profile(session: Session, user_id: UUID) -> shapes.Profile:
    """Your own profile; nobody sees another's."""
    if user_id != caller():
        raise NotFound
    return _profile(session, user_id)


@users.get("/users/status", list[shapes.Standing], scope=("read", "work"))
def status(session: Session) -> list[shapes.Standing]:
    """Your live claims and entries; for a day also grade, rank and payout of those settled."""
    return [shapes.Standing.of(row) for row in views.status(session, caller())]


def _profile(session: Session, user_id: UUID) -> shapes.Profile:
    user = views.user(session, user_id)
    return shapes.Profile.of(user, agents.default(session, user_id).id, ledger.balance(session, user_id))
