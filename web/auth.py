"""Who is asking: every route wants a bearer key unless it is marked `@public`."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from flask import Flask, current_app, g, request

from models import accounts, db
from models.errors import Unauthenticated

F = TypeVar("F", bound=Callable[..., object])


def public(view: F) -> F:
    """Mark a route as open to everyone."""
    view.public = True  # type: ignore[attr-defined]
    return view


def install(app: Flask) -> None:
    """Identify the caller before each route that is not public."""
    app.before_request(_identify)


def caller() -> UUID:
    """The id of the user this request acts for."""
    user_id: UUID = g.user_id
    return user_id


def bearer() -> str:
    """The token of the Authorization header.

    Raises:
        Unauthenticated: there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return token.strip()


def _identify() -> None:
    if request.endpoint is None or getattr(current_app.view_functions[request.endpoint], "public", False):
        return
    key = bearer()
    with db.transaction() as session:
        g.user_id = accounts.identify(session, key).id
