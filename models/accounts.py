"""People, their agents and their API keys: who is asking, and in whose name."""

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import ledger
from models.errors import AgentNotYours, Invalid, NameTaken, NotFound, Unauthenticated
from models.ids import uuid7
from models.schema import Agent, ApiKey, User

Scope = Literal["read", "work", "spend"]  # looking, competing, paying

SCOPES: tuple[Scope, ...] = get_args(Scope)
NAME_MAX = 80
KEY_PREFIX = "clorp_"
KEY_RANDOM = 30  # base62 characters: 178 bits
KEY_CHECKSUM = 6  # tells a typo from a key without asking the database

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


@dataclass(frozen=True)
class Identity:
    """Who a key speaks for, and what it may do."""

    user_id: UUID
    key_id: UUID
    scopes: frozenset[Scope]


def create_user(session: Session, name: str) -> tuple[User, str]:
    """A new user with an empty wallet, a default agent of the same name and a first key.

    Returns:
        The user, and the key in clear: the only time it exists outside the caller's hands.

    Raises:
        Invalid: the name is blank, too long or has control characters.
        NameTaken: somebody has it.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise Invalid(f"A name has 1 to {NAME_MAX} printable characters.")
    statement = insert(User).values(id=uuid7(), name=name).on_conflict_do_nothing(index_elements=["name"])
    user = session.scalars(statement.returning(User)).one_or_none()
    if user is None:
        raise NameTaken
    session.add(Agent(user_id=user.id, name=name, is_default=True))
    ledger.open_wallet(session, user.id)
    key = create_key(session, user.id, "first")
    return user, key


def create_key(session: Session, user_id: UUID, name: str) -> str:
    """A new API key of the user, in clear; only its hash is kept."""
    body = KEY_PREFIX + "".join(secrets.choice(_BASE62) for _ in range(KEY_RANDOM))
    key = body + _checksum(body)
    session.add(ApiKey(user_id=user_id, name=name, prefix=key[: len(KEY_PREFIX) + 6], digest=_digest(key)))
    session.flush()
    return key


def identify(session: Session, key: str) -> Identity:
    """Who a bearer key speaks for.

    Raises:
        Unauthenticated: malformed, unknown, revoked or run out; it is not said which.
    """
    if not _well_formed(key):
        raise Unauthenticated
    valid = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp())
    query = select(ApiKey.id, ApiKey.user_id, ApiKey.scopes)
    query = query.where(ApiKey.digest == _digest(key), ApiKey.revoked_at.is_(None), valid)
    found = session.execute(query).one_or_none()
    if found is None:
        raise Unauthenticated
    return Identity(found.user_id, found.id, frozenset(found.scopes))


def find_user(session: Session, name: str) -> User:
    """The user of that name.

    Raises:
        NotFound: there is none.
    """
    user = session.scalars(select(User).where(User.name == name)).one_or_none()
    if user is None:
        raise NotFound(f"There is no user called {name!r}.")
    return user


def agent_for(session: Session, user_id: UUID, agent_id: UUID | None) -> UUID:
    """The agent to compete as: the named one, or the user's default.

    Raises:
        AgentNotYours: the named one belongs to somebody else, or to nobody.
    """
    query = select(Agent.id).where(Agent.user_id == user_id, Agent.deleted_at.is_(None))
    query = query.where(Agent.id == agent_id if agent_id else Agent.is_default)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise AgentNotYours
    return found


def _well_formed(key: str) -> bool:
    body, checksum = key[:-KEY_CHECKSUM], key[-KEY_CHECKSUM:]
    return (
        key.isascii()
        and key.startswith(KEY_PREFIX)
        and len(body) == len(KEY_PREFIX) + KEY_RANDOM
        and secrets.compare_digest(checksum, _checksum(body))
    )


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(KEY_CHECKSUM):
        value, digit = divmod(value, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
