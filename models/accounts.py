"""People: signing up, and finding them. Their keys are in `keys`, what they compete as in `agents`."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import agents, funds, keys, ledger
from models.errors import MixedMoney, NameTaken, NotFound, SignupClosed
from models.ids import uuid7
from models.names import named
from models.schema import User
from models.settings import settings


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
        Invalid: the name is blank, too long or has control characters.
        NameTaken: somebody has it.
    """
    name = named(name)
    statement = insert(User).values(id=uuid7(), name=name).on_conflict_do_nothing(index_elements=["name"])
    user = session.scalars(statement.returning(User)).one_or_none()
    if user is None:
        raise NameTaken
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
    """The user of that name.

    Raises:
        NotFound: there is none.
    """
    user = session.scalars(select(User).where(User.name == name)).one_or_none()
    if user is None:
        raise NotFound(f"There is no user called {name!r}.")
    return user
