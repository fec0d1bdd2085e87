"""API keys: who a bearer speaks for and what it may do; making, rotating and revoking them.

Of a key only its SHA-256 is kept. Whatever is done to the keys of one user happens under that user's lock.
"""

import hashlib
import secrets
import string
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from models import db, users
from models.errors import (
    InsufficientScope,
    KeyRotated,
    LastKey,
    NotFound,
    TooManyKeys,
    Unauthenticated,
)
from models.names import named
from models.paging import Key, Page, Stretch, page
from models.schema import ApiKey

Scope = Literal["read", "work", "spend"]  # looking, competing, paying and managing keys

SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "clorp_"
RANDOM = 30  # base62 characters: 178 bits
CHECKSUM = 6  # tells a typo from a key without asking the database
SHOWN = 6  # random characters that the prefix in lists gives away, to tell keys apart

KEYS_MAX = 100  # live ones of a user: more than anybody deploys, few enough to look through
OVERLAP = timedelta(days=1)  # how long a rotated key lives beside its successor
OVERLAP_MAX = timedelta(days=7)

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LIVE = and_(
    ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp())
)


@dataclass(frozen=True)
class Identity:
    """Who a key speaks for, and what it may do."""

    user_id: UUID
    key_id: UUID
    scopes: frozenset[Scope]


def identify(session: Session, key: str) -> Identity:
    """Who a bearer key speaks for.

    Raises:
        Unauthenticated: malformed, unknown, revoked or run out; it is not said which.
    """
    if not _well_formed(key):
        raise Unauthenticated
    query = select(ApiKey.id, ApiKey.user_id, ApiKey.scopes).where(ApiKey.digest == _digest(key), _LIVE)
    found = session.execute(query).one_or_none()
    if found is None:
        raise Unauthenticated
    return Identity(found.user_id, found.id, frozenset(found.scopes))


def live(session: Session, user_id: UUID, stretch: Stretch) -> Page[ApiKey]:
    """The keys of a user that work, newest first."""
    query = select(ApiKey).where(ApiKey.user_id == user_id, _LIVE)
    return page(session, query, [Key(ApiKey.id, descending=True)], stretch, lambda row: row)


def issue(session: Session, user_id: UUID, name: str, scopes: Collection[str] = SCOPES) -> tuple[ApiKey, str]:
    """A new key of the user.

    Returns:
        The row, and the key in clear: the only time it exists outside its owner's hands.

    Raises:
        Invalid: the name breaks the rule for names.
        TooManyKeys: the user has as many as allowed.
    """
    name = named(name)
    users.lock(session, user_id)
    count = select(func.count()).select_from(ApiKey).where(ApiKey.user_id == user_id, _LIVE)
    if session.scalars(count).one() >= KEYS_MAX:
        raise TooManyKeys(limit=KEYS_MAX)
    body = PREFIX + "".join(secrets.choice(_BASE62) for _ in range(RANDOM))
    key = body + _checksum(body)
    row = ApiKey(
        user_id=user_id,
        name=name,
        prefix=key[: len(PREFIX) + SHOWN],
        digest=_digest(key),
        scopes=[scope for scope in SCOPES if scope in scopes],
    )
    session.add(row)
    session.flush()
    return row, key


def create(
    session: Session, caller: Identity, name: str, scopes: Collection[Scope] | None = None
) -> tuple[ApiKey, str]:
    """A further key for who asks; with their own scopes, or with some of these.

    Returns, raises:
        As `issue`, and InsufficientScope: more was asked for than the caller may do.
    """
    _take_turn(session, caller)
    wanted = caller.scopes if scopes is None else scopes
    _require_within(caller, wanted)
    return issue(session, caller.user_id, name, wanted)


def rotate(
    session: Session, caller: Identity, key_id: UUID, overlap: timedelta = OVERLAP
) -> tuple[ApiKey, str]:
    """A successor of a key, with its name and scopes; the key itself ends after `overlap`.

    With no overlap the key ends now, which is how a leaked last key is replaced.

    Returns, raises:
        As `issue`, and NotFound: no live key of the caller's user.
        InsufficientScope: the key may do more than the caller.
        KeyRotated: it has a successor already; so two rotations at once make one.
    """
    _take_turn(session, caller)
    old = _own(session, caller, key_id)
    _require_within(caller, old.scopes)
    if old.expires_at is not None:
        raise KeyRotated
    old.expires_at = db.now(session) + overlap
    session.flush()  # what ends now makes room for its successor
    return issue(session, caller.user_id, old.name, old.scopes)


def revoke(session: Session, caller: Identity, key_id: UUID) -> None:
    """End a key at once; the caller's own, too, but none that can do more than the caller.

    There is no password to come back with, so the last key that may do something cannot be revoked, only
    rotated, as payment services do it with their secret keys: of those that stay and have no end, one has
    to be able to do all that this one can. The first key of a user can do everything, so there is always
    one that can.

    Raises:
        NotFound: no live key of the caller's user.
        InsufficientScope: the key may do more than the caller.
        LastKey: no other key could take its place.
    """
    _take_turn(session, caller)
    key = _own(session, caller, key_id)
    _require_within(caller, key.scopes)  # its own always are
    if key.expires_at is None and not _replaceable(session, key):  # a rotated one has its successor
        raise LastKey
    key.revoked_at = db.now(session)


def revoke_others(session: Session, caller: Identity) -> int:
    """End every key of the caller's user but the caller's own, at once; return how many those are.

    A key that leaked may have made others, which its rotation leaves.

    Raises:
        InsufficientScope: one of them may do more than the caller; none is ended.
        LastKey: the caller's own key was rotated: with the others its successor would end.
    """
    _take_turn(session, caller)
    if _own(session, caller, caller.key_id).expires_at is not None:
        raise LastKey("This key was rotated and ends soon: revoke the others with a key that stays.")
    query = select(ApiKey).where(ApiKey.user_id == caller.user_id, ApiKey.id != caller.key_id, _LIVE)
    others = session.scalars(query.order_by(ApiKey.id)).all()
    _require_within(caller, {scope for key in others for scope in key.scopes})
    at = db.now(session)
    for key in others:
        key.revoked_at = at
    return len(others)


def _take_turn(session: Session, caller: Identity) -> None:
    """Lock the user. A key that was revoked as the request came in must not make itself a successor."""
    users.lock(session, caller.user_id)
    if session.scalars(select(ApiKey.id).where(ApiKey.id == caller.key_id, _LIVE)).one_or_none() is None:
        raise Unauthenticated


def _own(session: Session, caller: Identity, key_id: UUID) -> ApiKey:
    query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == caller.user_id, _LIVE)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def _require_within(caller: Identity, scopes: Collection[str]) -> None:
    if beyond := [scope for scope in SCOPES if scope in scopes and scope not in caller.scopes]:
        raise InsufficientScope(
            "A key gives, replaces and ends no key that can do more: `required` is missing.", required=beyond
        )


def _replaceable(session: Session, key: ApiKey) -> bool:
    others = select(ApiKey.scopes).where(
        ApiKey.user_id == key.user_id,
        ApiKey.id != key.id,
        ApiKey.revoked_at.is_(None),
        ApiKey.expires_at.is_(None),
    )
    return any(set(key.scopes) <= set(scopes) for scopes in session.scalars(others))


def _well_formed(key: str) -> bool:
    body, checksum = key[:-CHECKSUM], key[-CHECKSUM:]
    return (
        key.isascii()
        and key.startswith(PREFIX)
        and len(body) == len(PREFIX) + RANDOM
        and secrets.compare_digest(checksum, _checksum(body))
    )


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM):
        value, digit = divmod(value, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
