"""Who is asking, and what their key may do: every route wants one unless it says that it is public."""

import hmac
from uuid import UUID

from flask import Flask, current_app, g, request

from models import db, keys
from models.errors import InsufficientScope, Unauthenticated
from models.keys import Identity
from web import limits


def install(app: Flask) -> None:
    """Identify the caller before each route that is not public, and count the request."""
    app.before_request(_identify)


def identity() -> Identity:
    """The user this request acts for, and what the key may do."""
    found: Identity = g.identity
    return found


def caller() -> UUID:
    """The id of the user this request acts for."""
    return identity().user_id


def bearer() -> str:
    """The token of the Authorization header.

    Raises:
        Unauthenticated: there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return token.strip()


def require_bearer(secret: str) -> None:
    """Require this secret of the server's as the token of the Authorization header.

    Every request is counted before its token is compared: beyond the limit a right guess is refused like a
    wrong one.

    Raises:
        RateLimited: too many requests from this address.
        Unauthenticated: the token is another one, or missing.
    """
    limits.admit_guess()
    if not hmac.compare_digest(bearer().encode(), secret.encode()):
        raise Unauthenticated


def _identify() -> None:
    if request.endpoint is None or request.method == "OPTIONS":  # Flask answers those by itself
        return
    route = getattr(current_app.view_functions[request.endpoint], "route")  # noqa: B009
    if not route.public:
        try:
            key = bearer()
            g.identity = db.retried(lambda session: keys.identify(session, key))
        except Unauthenticated:
            limits.admit_stranger()
            raise
    limits.admit(route)
    if not route.public and not g.identity.scopes.intersection(route.scopes):
        raise InsufficientScope(required=list(route.scopes))
