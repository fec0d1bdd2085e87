"""The Flask application: its parts, and what every request and answer has in common."""

from flask import Flask, Response, g

from models.ids import uuid7
from web import auth, errors
from web.agents import agents
from web.board import board
from web.contract import BODY_MAX
from web.docs import docs
from web.events import events
from web.home import home
from web.jobs import jobs
from web.keys import keys
from web.ops import ops
from web.users import users
from web.wallet import wallet


def create_app() -> Flask:
    """A new application; all state is in PostgreSQL, so any number of them may serve."""
    app = Flask("web", static_folder=None)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX + 1  # a chunked body is cut off here: see contract.body
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.before_request(_name_request)
    app.after_request(_finish)
    auth.install(app)
    errors.install(app)
    for part in (jobs, board, events, home, users, keys, agents, wallet, docs, ops):
        app.register_blueprint(part.blueprint)
    return app


def _name_request() -> None:
    g.request_id = str(uuid7())


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
