"""For operators: liveness, readiness, and the deadline sweep by hand."""

import pytest

from models import db, settlement
from tests.support import claim, let_time_pass, person, post, submit, unchanged, violations
from tests.web.answers import ok, refused

CRON = "/api/cron/enforce-deadlines"
AUTH = {"Authorization": "Bearer s3cret"}


@pytest.fixture
def cron(http, monkeypatch, settle):
    monkeypatch.setenv("CRON_SECRET", "s3cret")
    settle()
    return http


def checks(answer):
    return {check["name"]: check["ok"] for check in answer.json["checks"]}


def test_healthz_answers(http):
    assert ok(http.get("/healthz")) == {"status": "ok"}


def take_the_database_away(settle):
    db.engine().dispose()
    db.engine.cache_clear()
    settle(database_url="postgresql://nobody@127.0.0.1:1/nothing")


def test_healthz_needs_no_database(http, settle):
    take_the_database_away(settle)
    assert ok(http.get("/healthz")) == {"status": "ok"}


def test_without_a_database_readyz_says_so(http, settle):
    take_the_database_away(settle)
    answer = http.get("/readyz")
    assert (answer.status_code, checks(answer)) == (503, {"database": False})


def test_without_a_database_a_client_is_told_to_come_back(http, settle):
    headers = person().auth
    take_the_database_away(settle)
    for answer in (http.get("/api/board"), http.post("/api/whoami", headers=headers)):
        assert refused(answer, 503, "unavailable")["retry_after"] == int(answer.headers["Retry-After"])


def test_readyz_says_what_is_missing(http):
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (503, False)
    assert checks(answer) == {
        "database": True,
        "schema": True,
        "money queue": False,
        "judge queue": False,
        "deadlines": True,
    }
    assert all(check["detail"] for check in answer.json["checks"])


def test_readyz_is_ready_once_each_queue_is_served(http):
    with db.transaction() as session:
        settlement.beat(session, "money")
    assert http.get("/readyz").status_code == 503
    with db.transaction() as session:
        settlement.beat(session, "judge")
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (200, True)
    assert set(checks(answer).values()) == {True}


def test_readyz_notices_work_that_nobody_does(http):
    for queue in ("money", "judge"):
        with db.transaction() as session:
            settlement.beat(session, queue)
    let_time_pass(post(person(100)), 300 + 31)
    answer = http.get("/readyz")
    assert answer.status_code == 503
    assert [name for name, fine in checks(answer).items() if not fine] == ["deadlines"]


def test_without_a_secret_there_is_no_cron_route(http):
    refused(http.get(CRON), 503, "unavailable")
    refused(http.get(CRON, headers=AUTH), 503, "unavailable")


def test_the_cron_route_wants_the_secret(cron, subtests):
    let_time_pass(post(person(100)))
    with unchanged():
        for header in ("", "Bearer", "Bearer wrong", "Bearer S3CRET", "Basic s3cret", "Bearer é"):
            with subtests.test(header):
                answer = cron.get(CRON, headers={"Authorization": header})
                assert refused(answer, 401, "unauthenticated")["error"] == "Authentication required"
        refused(cron.get(CRON), 401, "unauthenticated")


def test_a_users_key_is_not_the_secret(cron):
    refused(cron.get(CRON, headers=person(100).auth), 401, "unauthenticated")


def test_the_cron_route_hands_out_what_is_due_once(cron):
    sender = person(500)
    post(sender)
    let_time_pass(post(sender))
    let_time_pass(post(person()), 86_400)
    late = post(sender)
    submit(person(), late)
    claim(person(), late)
    let_time_pass(late)
    assert ok(cron.get(CRON, headers=AUTH)) == {"handed_out": {"close": 2, "expire": 1}, "total": 3}
    assert ok(cron.get(CRON, headers=AUTH)) == {"handed_out": {}, "total": 0}
    assert violations() == []
