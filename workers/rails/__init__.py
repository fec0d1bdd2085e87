"""Rails: how money crosses between a wallet and the world, and how a rail's word is believed.

Pure I/O: a rail is handed an order and speaks to its provider; what that means for money is decided in
`models.remittance`. Never called inside a transaction, except a rail that is `immediate`.
"""

import time
from functools import lru_cache

from models.errors import Unavailable
from models.notices import Notice, RailName
from models.settings import settings
from workers.rails import notices, signature
from workers.rails.protocol import Checkout, Delivery, Payee, Rail, RailDown, Refused, Sent
from workers.rails.sandbox import Sandbox

__all__ = [
    "Checkout", "Delivery", "Payee", "Rail", "RailDown", "Refused", "Sent", "chosen", "named", "read",
]  # fmt: skip


def chosen() -> Rail:
    """The rail that new payments take.

    Raises:
        Unavailable: as `named`.
    """
    return named(settings().payments)


def named(name: RailName) -> Rail:
    """The rail of that name.

    Raises:
        Unavailable: it is not configured here.
    """
    if name == "sandbox":
        return Sandbox()
    rules = settings()
    if not rules.stripe_secret_key:
        raise Unavailable("This server has no STRIPE_SECRET_KEY, so no money can move over Stripe.")
    return _stripe(rules.stripe_secret_key, rules.stripe_api_url, rules.public_url)


def read(delivery: Delivery) -> Notice | None:
    """What a rail tells; None where it is not about a payment of ours.

    Raises:
        BadSignature: it was not the rail that said so, or too long ago.
        Invalid: it is signed, and still not what a rail would say.
        Unavailable: nothing is configured that it could be checked against.
    """
    signature.verify(delivery, signature.secret(), int(time.time()))
    return notices.read(delivery.body)


@lru_cache(maxsize=1)  # keeps its connections
def _stripe(secret_key: str, api_url: str | None, public_url: str | None) -> Rail:
    try:
        from workers.rails.stripe import Stripe
    except ImportError:
        raise Unavailable("This server lacks the package `stripe`; tell its operator.") from None
    return Stripe(secret_key, api_url, public_url)
