"""Public reads are open to pages of every origin; what wants a key is open to none."""

import pytest

from tests.support import person
from web import contract

ORIGIN = {"Origin": "https://elsewhere.example"}
ASKED = {**ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}
OPEN = ["/api/board", "/api/feed", "/api/leaderboard", "/openapi.json"]
SHUT = [
    "/api/jobs",
    "/api/jobs/0190a1b2-0000-7000-8000-000000000000",
    "/api/jobs/run",
    "/api/wallet/balance",
    "/api/whoami",
    "/api/cron/enforce-deadlines",
    "/metrics",
    "/healthz",
    "/nothing",
]


def cross_origin(answer):
    return {name for name in answer.headers.keys() if name.startswith("Access-Control-")}  # noqa: SIM118


@pytest.mark.parametrize("path", OPEN)
def test_a_public_read_may_come_from_anywhere(http, path):
    for answer in (http.get(path, headers=ORIGIN), http.head(path, headers=ORIGIN), http.get(path)):
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed >= {"ETag", "Link", "X-Total-Count", "X-Next-Cursor", "RateLimit", "RateLimit-Policy"}
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", OPEN)
def test_a_preflight_of_one_needs_no_key(http, path):
    answer = http.options(path, headers=ASKED)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
    assert "If-None-Match" in answer.headers["Access-Control-Allow-Headers"]
    assert "Authorization" not in answer.headers["Access-Control-Allow-Headers"]


def test_its_refusals_and_304_can_be_read_too(http):
    assert "Access-Control-Allow-Origin" in http.get("/api/board?limit=x", headers=ORIGIN).headers
    tag = http.get("/api/board").headers["ETag"]
    answer = http.get("/api/board", headers={**ORIGIN, "If-None-Match": tag})
    assert answer.status_code == 304
    assert "Access-Control-Allow-Origin" in answer.headers


@pytest.mark.parametrize("path", SHUT)
def test_nothing_else_is_open(http, path):
    auth = person().auth
    for answer in (http.get(path, headers={**ORIGIN, **auth}), http.post(path, headers={**ORIGIN, **auth})):
        assert cross_origin(answer) == set()
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert cross_origin(http.options(path, headers=ASKED)) == set()


@pytest.mark.parametrize("path", SHUT[:-1])
def test_options_wants_no_key_and_names_the_methods(http, path):
    answer = http.options(path)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert "OPTIONS" in answer.headers["Allow"]
    assert "Content-Type" not in answer.headers


def test_no_route_with_a_key_or_secret_counts_as_a_public_read():
    from web import asked

    for route in contract.routes:
        if asked.readable(route):
            assert (route.method, route.scopes, route.secret) == ("GET", (), False), route.path
