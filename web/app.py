"""The Flask application: its parts, and what every request and answer has in common."""

from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from models import crash, db, patience
from models.settings import settings
from web import auth, cors, errors, headers, inputs, journal, limits
from web.agents import agents
from web.board import board
from web.docs import docs
from web.events import events
from web.home import home
from web.ids import IdOrBeginning
from web.jobs import jobs
from web.keys import keys
from web.metrics import metrics
from web.ops import ops
from web.trust import trust
from web.uploads import uploads
from web.users import users
from web.wallet import notices, wallet


class _App(Flask):
    def full_dispatch_request(self) -> Response:
        """Who asks PostgreSQL twice, for the key and then for the rest, waits for it no longer than once."""
        with patience.sharing(db.TOTAL_SECONDS):
            return super().full_dispatch_request()


def create_app() -> Flask:
    """A new application; all state is in PostgreSQL, so any number of them may serve."""
    crash.plan(settings().crash_at)
    app = _App("web", static_folder=None)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.config["MAX_CONTENT_LENGTH"] = inputs.BODY_MAX + 1  # a chunked body is cut off here
    app.url_map.converters["id_or_beginning"] = IdOrBeginning
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a redirect would be HTML, to whatever Host was asked for
    app.json.sort_keys = False  # type: ignore[attr-defined]
    if proxies := settings().trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=0, x_port=0, x_prefix=0
        )
    for common in (journal, headers, cors, limits, inputs, auth, errors):
        common.install(app)
    for part in (
        jobs,
        board,
        events,
        home,
        users,
        keys,
        agents,
        wallet,
        uploads,
        notices,
        trust,
        docs,
        ops,
        metrics,
    ):
        app.register_blueprint(part.blueprint)
    return app
