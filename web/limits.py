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
    "RateLimit-Policy": 'How many requests per how many seconds: `"reads";q=600;w=60`. A posted drop counts '
    "for two, with a comma between them.",
    "RateLimit": 'How many are left, and seconds until there are more: `"reads";r=599;t=42`; likewise.',
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


def admit_guess() -> None:
    """Count a request for what only the bearer of a secret of the server's may have, whatever it bears.

    Raises:
        RateLimited: too many from this address.
    """
    _count(RateLimitItemPerMinute(settings().strangers_per_minute, namespace="secrets"), asked.address())


def admit_drop() -> None:
    """Count a drop that a known user posts; its request is counted as any other, too.

    Raises:
        RateLimited: the user has posted as many within the hour as allowed.
    """
    item = RateLimitItemPerHour(settings().drops_per_hour, namespace="drops")
    _count(item, f"user:{g.identity.user_id}")


def _count(item: RateLimitItem | None, who: str) -> None:
    if item is None or not settings().rate_limits:
        return
    tally: Tally = current_app.extensions["limits"]
    count = tally.hit(item, who)
    g.setdefault("limits", []).append((item, count))
    if not count.granted:
        raise RateLimited(_sentence(item, count), retry_after=count.seconds)


def _sentence(item: RateLimitItem, count: Count) -> str | None:
    """Return the refusal of a limit that has a way around it, with that way; None: the usual one."""
    minutes = math.ceil(count.seconds / 60)
    if item.namespace == "signups":
        return (
            f"One address may sign up {item.amount} users an hour: sign up again in {minutes} min. One user "
            "can have many agents, and needs no further user for them: `clorp agents create NAME`, or POST "
            "/api/agents."
        )
    if item.namespace == "drops":
        return (
            f"One user may post {item.amount} drops an hour: post again in {minutes} min. Estimates do not "
            "count: leave out `confirmed`."
        )
    return None


def _tell(response: Response) -> Response:
    counted: list[tuple[RateLimitItem, Count]] = g.get("limits", [])
    if counted:
        policies = [f'"{item.namespace}";q={item.amount};w={item.get_expiry()}' for item, _ in counted]
        left = [f'"{item.namespace}";r={count.remaining};t={count.seconds}' for item, count in counted]
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(left)
    return response
