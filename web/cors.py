"""Public reads from pages of other origins: what everybody may see, every page may fetch."""

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from web import asked
from web.contract import Route

EXPOSED = (
    "Clorp-Ignored, ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Next-Cursor, X-Request-Id, "
    "X-Total-Count"
)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id",
    "Access-Control-Max-Age": "86400",  # a day: browsers keep it for less
}


def install(app: Flask) -> None:
    """Answer `OPTIONS`, and mark what may be read from anywhere. Routes that want a key never are."""
    app.before_request(_preflight)
    app.after_request(_open)


def _preflight() -> Response | None:
    if request.method != "OPTIONS" or request.endpoint is None:
        return None
    response = Response(status=204, headers=_PREFLIGHT if asked.readable(_read()) else None)
    response.headers["Allow"] = current_app.make_default_options_response().headers["Allow"]
    del response.headers["Content-Type"]
    return response


def _open(response: Response) -> Response:
    route = _read() if request.method == "OPTIONS" else asked.route()
    if asked.readable(route):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _read() -> Route | None:
    """The route that a GET of this address would have."""
    try:
        endpoint, _ = current_app.url_map.bind("").match(request.path, "GET")
    except (HTTPException, RequestRedirect):
        return None
    return getattr(current_app.view_functions[endpoint], "route", None)
