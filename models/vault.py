"""Secrets at rest: the envVars of drops, and answers that may hold them. Encrypted with keys that rotate."""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.errors import Unavailable
from models.settings import settings


def seal(env_vars: dict[str, str]) -> bytes | None:
    """`env_vars` encrypted with the first key; None for none.

    Raises:
        Unavailable: the server has no key.
    """
    return seal_bytes(json.dumps(env_vars).encode()) if env_vars else None


def unseal(sealed: bytes | None) -> dict[str, str]:
    """The opposite of `seal`.

    Raises:
        Unavailable: the server has no key, or not the one they were sealed with.
    """
    return dict(json.loads(open_bytes(sealed))) if sealed else {}


def seal_bytes(plain: bytes) -> bytes:
    """`plain` encrypted with the first key.

    Raises:
        Unavailable: the server has no key.
    """
    return _keys().encrypt(plain)


def open_bytes(sealed: bytes) -> bytes:
    """The opposite of `seal_bytes`.

    Raises:
        Unavailable: the server has no key, or not the one it was sealed with.
    """
    try:
        return _keys().decrypt(sealed)
    except InvalidToken:
        raise Unavailable("This was sealed with a key that this server does not have.") from None


def _keys() -> MultiFernet:
    keys = settings().encryption_keys
    if not keys:
        raise Unavailable(
            "This server has no CLORP_ENCRYPTION_KEYS, so it keeps nothing secret: no envVars, "
            "no Idempotency-Key."
        )
    return MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
