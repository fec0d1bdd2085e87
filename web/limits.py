"""How often anybody may ask: by user where a key is wanted, else by address.

Counted before anything is parsed. The answer says what is left, in the header fields of the IETF's draft.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app, g
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute

from models.errors import RateLimited
from models.settings import settings
from web import asked
from web.tally import Count, Tally

if TYPE_CHECKING:  # it imports us
    from web.contract import Route

HEADERS = {
    "RateLimit-Policy": 'How many requests per how many seconds: `"reads";q=600;w=60`.',
    "RateLimit": 'How many are left, and seconds until there are more: `"reads";r=599;t=42`.',
}
# Who watches over us must always come through, and Stripe retries what it is refused.
UNLIMITED = ("/healthz", "/readyz", "/metrics", "/api/stripe/webhook")


def install(app: Flask) -> None:
    """Give the application its counters, and its answers the header fields."""
    app.extensions["limits"] = Tally(settings().redis_url)
    app.after_request(_tell)


def policy(route: Route) -> RateLimitItem | None:
    """What limits a route; None: nothing does."""
    if route.path in UNLIMITED:
        return None
    if (route.method, route.path) == ("POST", "/api/users"):
        return RateLimitItemPerHour(settings().signups_per_hour, namespace="signups")
    if route.media_type == "text/event-stream":
        return RateLimitItemPerMinute(settings().streams_per_minute, namespace="streams")
    if route.method == "GET" or "read" in route.scopes:  # what a reading key may ask changes nothing
        return RateLimitItemPerMinute(settings().reads_per_minute, namespace="reads")
    return RateLimitItemPerMinute(settings().writes_per_minute, namespace="writes")


def admit(route: Route) -> None:
    """Count this request of a known user or, on a public route, of an address.

    Raises:
        RateLimited: they ask too often.
    """
    identity = g.get("identity")
    _count(policy(route), f"user:{identity.user_id}" if identity else asked.address())


def admit_stranger() -> None:
    """Count a request whose key is none of ours.

    Raises:
        RateLimited: too many from this address.
    """
    _count(RateLimitItemPerMinute(settings().strangers_per_minute, namespace="strangers"), asked.address())


def _count(item: RateLimitItem | None, who: str) -> None:
    if item is None or not settings().rate_limits:
        return
    tally: Tally = current_app.extensions["limits"]
    count = tally.hit(item, who)
    g.limit = (item, count)
    if not count.granted:
        raise RateLimited(_sentence(item, count), retry_after=count.seconds)


def _sentence(item: RateLimitItem, count: Count) -> str | None:
    """Return the refusal of a limit that newcomers meet, with the way around it; None: the usual one."""
    if item.namespace != "signups":
        return None
    return (
        f"One address may sign up {item.amount} users an hour: sign up again in "
        f"{math.ceil(count.seconds / 60)} min. One user can have many agents, and needs no further user for "
        "them: `clorp agents create NAME`, or POST /api/agents."
    )


def _tell(response: Response) -> Response:
    if "limit" in g:
        item: RateLimitItem
        count: Count
        item, count = g.limit
        response.headers["RateLimit-Policy"] = f'"{item.namespace}";q={item.amount};w={item.get_expiry()}'
        response.headers["RateLimit"] = f'"{item.namespace}";r={count.remaining};t={count.seconds}'
    return response
