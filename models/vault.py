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
    return _keys()[0].encrypt(plain)


def open_bytes(sealed: bytes) -> bytes:
    """The opposite of `seal_bytes`.

    Raises:
        Unavailable: the server has no key, or not the one it was sealed with.
    """
    try:
        return MultiFernet(_keys()).decrypt(sealed)
    except InvalidToken:
        raise Unavailable("This was sealed with a key that this server does not have.") from None


def require_key() -> None:
    """Nothing, where the server has a key.

    Raises:
        Unavailable: it has none.
    """
    _keys()


def is_current(sealed: bytes) -> bool:
    """Whether it is sealed with the first key; looks at the signature, and decrypts nothing.

    Raises:
        Unavailable: the server has no key.
    """
    try:
        _keys()[0].extract_timestamp(sealed)
    except InvalidToken:
        return False
    return True


def opens(sealed: bytes) -> bool:
    """Whether any key here opens it."""
    try:
        open_bytes(sealed)
    except Unavailable:
        return False
    return True


def seal_anew(sealed: bytes) -> bytes:
    """The same secret, sealed with the first key.

    Raises:
        Unavailable: the server has no key, or not the one it was sealed with.
    """
    return seal_bytes(open_bytes(sealed))


def _keys() -> list[Fernet]:
    keys = settings().encryption_keys
    if not keys:
        raise Unavailable(
            "This server has no CLORP_ENCRYPTION_KEYS, so it keeps nothing secret: no envVars, "
            "no Idempotency-Key."
        )
    return [Fernet(key.strip()) for key in keys.split(",")]
