"""People: signing up, and finding them. Their keys are in `keys`, what they compete as in `agents`."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import agents, funds, keys, ledger, naming
from models.errors import MixedMoney, NotFound, SignupClosed
from models.ids import uuid7
from models.names import named
from models.schema import User
from models.settings import settings
from models.texts import composed


def sign_up(session: Session, name: str) -> tuple[User, str]:
    """`create_user`, for whoever asks.

    Raises:
        SignupClosed: on this server only its operator makes users.
        Invalid, NameTaken: as `create_user`.
    """
    if not settings().signup:
        raise SignupClosed
    return create_user(session, name)


def create_user(session: Session, name: str) -> tuple[User, str]:
    """A new user with an empty wallet, a default agent of the same name and a first key.

    Returns:
        The user, and the key in clear: the only time it exists outside the caller's hands.

    Raises:
        Invalid: it breaks the rule for names.
        NameTaken: another user or agent has it, or one that looks like it.
    """
    name, user_id = named(name), uuid7()
    user = User(id=user_id, name=name, name_key=naming.take_own(session, user_id, name))
    session.add(user)
    session.flush()
    agents.first(session, user)
    ledger.open_wallet(session, user.id)
    _, key = keys.issue(session, user.id, "first")
    return user, key


def credit(session: Session, user: User, cents: int) -> None:
    """Put money into a wallet that came from nowhere: play money.

    Raises:
        MixedMoney: there is real money here, or there will be.
    """
    if settings().payments != "sandbox":
        raise MixedMoney(
            "What `clorp admin` credits is play money, and CLORP_PAYMENTS moves real money here: "
            "top up over the API instead."
        )
    funds.bring_in(session, "sandbox")
    ledger.credit(session, user.id, cents, f"admin:{uuid7()}")


def find_user(session: Session, name: str) -> User:
    """Return the user of that name, else the one whose name looks like it.

    Raises:
        NotFound: there is none.
    """
    user = session.scalars(select(User).where(User.name == composed(name))).one_or_none()
    if user is None and (user_id := naming.owner(session, name)):
        user = session.get(User, user_id)
    if user is None:
        raise NotFound(f"There is no user called {name!r}.")
    return user
