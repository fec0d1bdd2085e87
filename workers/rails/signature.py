"""Signatures over notices, in Stripe's scheme `t=<seconds>,v1=<HMAC-SHA-256 of "seconds.body">`.

Written here because the sandbox signs too, and the package `stripe` is an extra.
"""

import hashlib
import hmac
import secrets

from models.errors import BadSignature, Unavailable
from models.settings import settings
from workers.rails.protocol import Delivery

TOLERANCE_SECONDS = 300  # as Stripe's own libraries; what is older may be a recording

_own = secrets.token_hex(32)  # the sandbox talks only to itself, within one process


def secret() -> str:
    """What notices are signed with.

    Raises:
        Unavailable: Stripe is in use and its secret is not set.
    """
    rules = settings()
    if rules.stripe_webhook_secret:
        return rules.stripe_webhook_secret
    if rules.payments == "stripe":
        raise Unavailable("This server has no STRIPE_WEBHOOK_SECRET, so it believes no notice.")
    return _own


def sign(body: bytes, key: str, at: int) -> Delivery:
    """A notice with its signature."""
    return Delivery(body, f"t={at},v1={_digest(body, key, at)}")


def verify(delivery: Delivery, key: str, now: int) -> None:
    """Pass, if one of the signatures fits and is not too old: while a secret is rolled there are two.

    Raises:
        BadSignature: none does, or it is.
    """
    parts = [part.strip().partition("=") for part in delivery.signature.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        raise BadSignature
    at = int(times[0])
    expected = _digest(delivery.body, key, at).encode()
    fits = [hmac.compare_digest(expected, value.encode()) for name, _, value in parts if name == "v1"]
    if not any(fits) or abs(now - at) > TOLERANCE_SECONDS:
        raise BadSignature


def _digest(body: bytes, key: str, at: int) -> str:
    return hmac.new(key.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
