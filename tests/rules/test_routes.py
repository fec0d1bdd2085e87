"""Every route asks who is there, or stands on this list."""

import re

import pytest
from flask import Flask

from web.app import create_app

PUBLIC = {
    "GET /api/board",
    "GET /api/board/<id_or_beginning:job_id>",
    "GET /client.py",
    "GET /api/board/stats",
    "GET /api/board/stream",
    "GET /api/feed",
    "GET /api/leaderboard",
    "GET /docs",
    "GET /docs.css",
    "POST /api/users",
    "GET /api/agents/directory",
    "GET /api/trust",
    "GET /wallet/done",
    "POST /api/stripe/webhook",  # signed
    "GET /healthz",
    "GET /llms.txt",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "GET /skill.md",
    "GET /api/cron/enforce-deadlines",  # has a secret of its own
}


def routes() -> list[tuple[str, str, str]]:
    app: Flask = create_app()
    return [
        (method, rule.rule, rule.endpoint)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_the_public_routes_are_the_listed_ones():
    views = create_app().view_functions
    marked = {f"{method} {rule}" for method, rule, endpoint in routes() if views[endpoint].route.public}
    assert marked == PUBLIC


@pytest.mark.parametrize(
    ("method", "rule"), [(method, rule) for method, rule, _ in routes() if f"{method} {rule}" not in PUBLIC]
)
def test_every_other_route_wants_a_key(method: str, rule: str):
    path = re.sub(r"<uuid:\w+>", "01a20dee-ac30-7ace-b2b6-7933bc282913", rule)
    assert "<" not in path, "a parameter this test does not know"
    answer = create_app().test_client().open(path, method=method)
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
