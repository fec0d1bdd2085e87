"""What is being asked: the route of this request, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from flask import current_app, g, request

if TYPE_CHECKING:  # it imports us
    from web.contract import Route

_NETWORK_BITS = 64  # what one subscriber of IPv6 is given


def route() -> Route | None:
    """The route of this request; None where nothing is served."""
    if request.endpoint is None:
        return None
    found: Route | None = getattr(current_app.view_functions[request.endpoint], "route", None)
    return found


def readable(asked: Route | None) -> bool:
    """Whether everybody may read this from anywhere: no key, no secret, nothing changes."""
    if asked is None or asked.method != "GET" or not asked.public or asked.secret:
        return False
    return asked.path.startswith("/api/") or asked.path == "/openapi.json"


def asker() -> str:
    """Who asks: a user, or where nobody is named an address."""
    identity = g.get("identity")
    return f"user {identity.user_id}" if identity else f"address {address()}"


def left() -> Callable[[], bool] | None:
    """Tells whether the client has hung up; None where the server does not know."""
    return getattr(request.environ.get("gunicorn.socket"), "hung_up", None)


def address() -> str:
    """Where the request comes from; of IPv6 the network, for one subscriber has all its addresses."""
    told = request.remote_addr or "unknown"
    if ":" not in told:
        return told
    try:
        v6 = IPv6Address(told)
    except ValueError:  # a trusted proxy may write what it likes
        return told
    return str(v6.ipv4_mapped or IPv6Network((int(v6), _NETWORK_BITS), strict=False))
