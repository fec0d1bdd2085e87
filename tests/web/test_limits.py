"""How often anybody may ask: by user or address, in Redis or without it."""

import math
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from sqlalchemy import update
from werkzeug.test import TestResponse

from models import db
from models.schema import ApiKey
from tests.support import at_once, person, unchanged
from tests.web.answers import ok, refused
from tests.workers.processes import PATIENCE_SECONDS, until
from web import contract, limits, tally
from web.app import create_app
from workers import embedded

_NUMBERS = count(1)


def an_address() -> str:
    """One that no other test, in no other process, asks from."""
    number = uuid4().int
    return f"10.{number % 256}.{number // 256 % 256}.{next(_NUMBERS)}"


def client(**environ: str) -> FlaskClient:
    made = create_app().test_client()
    made.environ_base.update({"REMOTE_ADDR": an_address(), **environ})
    return made


@pytest.fixture(autouse=True)
def limited(settle):
    settle(rate_limits="on", reads_per_minute=3, writes_per_minute=2)


@pytest.fixture
def closed(settle) -> None:
    """A Redis that is not there."""
    settle(redis_url=f"redis://127.0.0.1:{embedded.free_port()}/0")


@pytest.fixture
def frozen(settle) -> Iterator[None]:
    """A Redis that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        settle(redis_url=f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        yield


def limited_at(answer: TestResponse, seconds: int = 60) -> None:
    problem = refused(answer, 429, "rate_limited")
    assert 1 <= problem["retry_after"] <= seconds


def test_the_answer_says_what_is_left(database):
    board = client()
    for left in (2, 1, 0):
        answer = board.get("/api/board")
        ok(answer)
        assert answer.headers["RateLimit-Policy"] == '"reads";q=3;w=60'
        name, remaining, seconds = answer.headers["RateLimit"].split(";")
        assert (name, remaining) == ('"reads"', f"r={left}")
        assert 1 <= int(seconds.removeprefix("t=")) <= 60
    answer = board.get("/api/board")
    limited_at(answer)
    assert answer.headers["RateLimit"].startswith('"reads";r=0;t=')
    assert answer.headers["RateLimit"].endswith(answer.headers["Retry-After"])


def test_two_processes_count_together(database):
    address = an_address()
    one, other = client(REMOTE_ADDR=address), client(REMOTE_ADDR=address)
    for board in (one, other, one):
        ok(board.get("/api/board"))
    limited_at(one.get("/api/board"))
    limited_at(other.get("/api/board"))


def test_a_user_is_counted_wherever_they_are_and_nobody_else_with_them(database):
    ada, bob, here = person(), person(), client()
    for _ in range(3):
        ok(here.get("/api/jobs", headers=ada.auth))
    limited_at(client().get("/api/jobs", headers=ada.auth))
    ok(here.get("/api/jobs", headers=bob.auth))
    ok(here.get("/api/board"))


def test_reads_and_writes_are_counted_apart(database):
    ada, here = person(), client()
    for _ in range(2):
        answer = here.post("/api/jobs/run", json={"prompt": "Say hello."}, headers=ada.auth)
        assert ok(answer)["needs_confirmation"]
        assert answer.headers["RateLimit-Policy"] == '"writes";q=2;w=60'
    limited_at(here.post("/api/jobs/run", data=b"{", headers=ada.auth))  # before the body is looked at
    answer = here.post("/api/whoami", headers=ada.auth)
    ok(answer)
    assert answer.headers["RateLimit-Policy"] == '"reads";q=3;w=60'


def test_posting_has_a_pace_of_its_own_and_an_estimate_has_none(database, settle):
    settle(writes_per_minute=100, drops_per_hour=2)
    ada, bob, here = person(1_000), person(1_000), client()
    draft = {"prompt": "Say hello.", "price_cents": 50}
    for left in (1, 0):
        ok(here.post("/api/jobs/run", json=draft, headers=ada.auth))
        answer = here.post("/api/jobs/run", json={**draft, "confirmed": True}, headers=ada.auth)
        job_id = ok(answer, 201)["id"]
        assert answer.headers["RateLimit-Policy"] == '"writes";q=100;w=60, "drops";q=2;w=3600'
        assert f'"drops";r={left};t=' in answer.headers["RateLimit"]
        ok(here.post(f"/api/jobs/{job_id}/cancel", headers=ada.auth))  # frees nothing
    with unchanged():
        answer = here.post("/api/jobs/run", json={**draft, "confirmed": True}, headers=ada.auth)
    limited_at(answer, 3600)
    assert "2 drops an hour: post again in 60 min." in answer.get_json()["error"]
    ok(here.post("/api/jobs/run", json=draft, headers=ada.auth))
    ok(here.post("/api/jobs/run", json={**draft, "confirmed": True}, headers=bob.auth), 201)


def test_a_post_that_is_sent_again_is_no_further_drop(database, settle):
    settle(writes_per_minute=100, drops_per_hour=1)
    ada, here = person(1_000), client()
    draft = {"prompt": "Say hello.", "confirmed": True}
    sent = [
        here.post("/api/jobs/run", json=draft, headers={**ada.auth, "Idempotency-Key": "one"}) for _ in "ab"
    ]
    assert sent[0].data == sent[1].data
    limited_at(here.post("/api/jobs/run", json=draft, headers=ada.auth), 3600)


def test_a_key_that_may_not_do_it_is_counted_too(database):
    ada, here = person(), client()
    with db.transaction() as session:
        session.execute(update(ApiKey).values(scopes=["read"]))
    for _ in range(2):
        refused(here.post("/api/jobs/run", headers=ada.auth), 403, "insufficient_scope")
    limited_at(here.post("/api/jobs/run", headers=ada.auth))


def test_wrong_keys_are_counted_by_address(database, settle):
    settle(strangers_per_minute=2)
    here = client()
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = here.get("/api/jobs", headers=headers)
        refused(answer, 401, "unauthenticated")
        assert answer.headers["RateLimit-Policy"] == '"strangers";q=2;w=60'
    limited_at(here.get("/api/jobs"))
    ok(here.get("/api/jobs", headers=person().auth))


@pytest.mark.parametrize("path", ["/metrics", "/api/cron/enforce-deadlines"])
def test_secrets_of_the_server_are_not_guessed(database, settle, monkeypatch, path):
    secret = "s3cret-of-the-server"
    monkeypatch.setenv("CRON_SECRET", secret)
    settle(strangers_per_minute=3, reads_per_minute=600, metrics_token=secret)
    here, right = client(), {"Authorization": f"Bearer {secret}"}
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        refused(here.get(path, headers=headers), 401, "unauthenticated")
    assert here.get(path, headers=right).status_code == 200
    for headers in ({"Authorization": "Bearer wrong, too"}, right):  # who guesses on learns nothing
        limited_at(here.get(path, headers=headers))
    assert client().get(path, headers=right).status_code == 200


def test_sign_ups_are_few(database, settle):
    settle(signups_per_hour=2)
    here = client()
    for _ in range(2):
        answer = here.post("/api/users", json={"name": f"user-{uuid4().hex[:12]}"})
        ok(answer, 201)
        assert answer.headers["RateLimit-Policy"] == '"signups";q=2;w=3600'
    answer = here.post("/api/users", json={"name": "one-more"})
    limited_at(answer, 3600)
    minutes = math.ceil(answer.get_json()["retry_after"] / 60)
    assert f"2 users an hour: sign up again in {minutes} min." in answer.get_json()["error"]
    assert "clorp agents create NAME" in answer.get_json()["error"]
    ok(here.get("/api/board"))


def test_streams_have_a_limit_of_their_own(settle):
    settle(streams_per_minute=7)
    route = next(route for route in contract.routes if route.path == "/api/board")
    stream = limits.policy(replace(route, media_type="text/event-stream"))
    assert (stream.namespace, stream.amount, stream.get_expiry()) == ("streams", 7, 60)


def test_those_who_watch_over_us_are_never_limited(database):
    here = client()
    for path in ("/healthz", "/readyz", "/metrics"):
        for _ in range(5):
            answer = here.get(path)
            assert answer.status_code in (200, 503)
            assert "RateLimit" not in answer.headers


def test_limits_can_be_switched_off(database, settle):
    settle(rate_limits="off")
    here = client()
    for _ in range(5):
        answer = here.get("/api/board")
        ok(answer)
        assert "RateLimit" not in answer.headers


def test_an_address_is_only_believed_of_a_trusted_proxy(database, settle):
    here = client()
    for number in range(3):
        ok(here.get("/api/board", headers={"X-Forwarded-For": f"192.0.2.{number}"}))
    limited_at(here.get("/api/board", headers={"X-Forwarded-For": "192.0.2.9"}))
    settle(trusted_proxies=1)
    here, mine = client(), an_address()
    for number in range(3):  # what stands left of the proxy's own word is the client's invention
        ok(here.get("/api/board", headers={"X-Forwarded-For": f"192.0.2.{number}, {mine}"}))
    limited_at(here.get("/api/board", headers={"X-Forwarded-For": f"192.0.2.9, {mine}"}))
    ok(here.get("/api/board", headers={"X-Forwarded-For": an_address()}))


def test_all_addresses_of_one_ipv6_network_are_one(database):
    network = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}"
    here = client()
    for number in range(3):
        ok(here.get("/api/board", environ_overrides={"REMOTE_ADDR": f"{network}::{number}"}))
    limited_at(here.get("/api/board", environ_overrides={"REMOTE_ADDR": f"{network}:1:2:3:4"}))


@pytest.mark.parametrize("redis", ["here", "closed", "frozen"])
def test_of_many_at_once_no_more_than_the_limit_come_through(database, settle, request, monkeypatch, redis):
    if redis == "here":
        monkeypatch.setattr(tally, "REDIS_SECONDS", PATIENCE_SECONDS)  # on a busy machine it is slow, too
    else:
        request.getfixturevalue(redis)
    settle(reads_per_minute=20)
    address = an_address()
    app = create_app()

    def ask() -> TestResponse:
        return app.test_client().get("/api/feed", environ_base={"REMOTE_ADDR": address})

    statuses = sorted(answer.status_code for answer in at_once([ask] * 50))
    assert statuses == [200] * 20 + [429] * 30


@pytest.mark.parametrize("trouble", ["closed", "frozen"])
def test_without_redis_the_limit_limits_and_nobody_waits(database, request, monkeypatch, trouble):
    request.getfixturevalue(trouble)
    board, asked, hit = client(), [], tally._hit

    def spied(limiter, *arguments):
        asked.append(type(limiter.storage))
        return hit(limiter, *arguments)

    monkeypatch.setattr(tally, "_hit", spied)
    for _ in range(3):
        ok(board.get("/api/board"))
    for _ in range(20):
        limited_at(board.get("/api/board"))
    assert asked.count(RedisStorage) == 1  # who notices may wait, and nobody after that


def test_redis_counts_again_once_it_is_back(database, settle, monkeypatch):
    monkeypatch.setattr(tally, "AWAY_SECONDS", 0.05)
    item = RateLimitItemPerMinute(2, namespace="test")
    counting, who = tally.Tally(os.environ["CLORP_REDIS_URL"]), uuid4().hex
    assert counting.hit(item, who).granted
    counting._lose(tally.RedisError())
    assert [counting.hit(item, who).granted for _ in range(3)] == [True, True, False]
    until("it to be found", lambda: not counting._away.is_set())
    assert [counting.hit(item, who).granted for _ in range(2)] == [True, False]


def test_a_url_that_is_none_leaves_the_limits_here(database, settle):
    settle(redis_url="redis://nowhere.invalid:6379/0")
    board = client()
    for _ in range(3):
        ok(board.get("/api/board"))
    limited_at(board.get("/api/board"))
