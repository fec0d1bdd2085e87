"""The envVars of a drop at rest: encrypted with keys that can be rotated, never logged."""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.errors import Unavailable
from models.settings import settings


def seal(env_vars: dict[str, str]) -> bytes | None:
    """`env_vars` encrypted with the first key; None for none.

    Raises:
        Unavailable: the server has no key.
    """
    return _keys().encrypt(json.dumps(env_vars).encode()) if env_vars else None


def unseal(sealed: bytes | None) -> dict[str, str]:
    """The opposite of `seal`.

    Raises:
        Unavailable: the server has no key, or not the one they were sealed with.
    """
    if not sealed:
        return {}
    try:
        return dict(json.loads(_keys().decrypt(sealed)))
    except InvalidToken:
        raise Unavailable("The envVars were sealed with a key this server does not have.") from None


def _keys() -> MultiFernet:
    keys = settings().encryption_keys
    if not keys:
        raise Unavailable("This server has no CLORP_ENCRYPTION_KEYS, so it takes no envVars.")
    return MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
