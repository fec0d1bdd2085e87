"""For operators: liveness, readiness, and the deadline sweep by hand."""

import socket
import time
from contextlib import closing, contextmanager

import pytest
from redis import Redis

from models import audits, db, health, patience, settlement
from models.settings import settings
from models.states import Status
from tests.models.stages import drop_in, sql
from tests.redis_trouble import broken
from tests.support import (
    age_audit,
    claim,
    let_time_pass,
    person,
    post,
    steal,
    submit,
    unchanged,
    violations,
)
from tests.web.answers import ok, refused
from web.app import create_app
from workers import embedded

CRON = "/api/cron/enforce-deadlines"
AUTH = {"Authorization": "Bearer the-s3cret-of-cron"}


@pytest.fixture
def cron(http, monkeypatch, settle):
    monkeypatch.setenv("CRON_SECRET", "the-s3cret-of-cron")
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
    assert (answer.status_code, checks(answer)) == (503, {"database": False, "redis": True})


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
        "audit": True,
        "redis": True,
    }
    assert all(check["detail"] for check in answer.json["checks"])


def serve_the_queues():
    for queue in ("money", "judge"):
        with db.transaction() as session:
            settlement.beat(session, queue)


@contextmanager
def silent_server():
    """Takes connections in and never says a word, as a process that was stopped does."""
    with closing(socket.create_server((embedded.HOST, 0))) as server:
        yield f"{embedded.HOST}:{server.getsockname()[1]}"


@pytest.mark.parametrize("away", ["refuses", "hangs"])
def test_without_redis_nothing_is_settled_and_readyz_names_it(http, settle, away):
    serve_the_queues()
    with silent_server() as where:
        settle(redis_url=f"redis://{where if away == 'hangs' else f'{embedded.HOST}:1'}/0")
        answer = http.get("/readyz")
    assert answer.status_code == 503
    assert [name for name, fine in checks(answer).items() if not fine] == ["redis"]


def test_a_redis_that_is_full_answers_and_takes_nothing(http, settle):
    serve_the_queues()
    with broken("full") as url:
        settle(redis_url=url)
        answer = http.get("/readyz")
    (check,) = (check for check in answer.json["checks"] if check["name"] == "redis")
    assert (answer.status_code, check["ok"]) == (503, False)
    assert check["detail"] == "answers, and nothing can be queued (OutOfMemoryError)"


def test_asking_redis_leaves_nothing_there(http):
    http.get("/readyz")
    with Redis.from_url(settings().redis_url) as redis:
        assert not redis.exists("clorp:nothing")


def test_without_a_redis_in_the_settings_nothing_is_settled(http, settle):
    serve_the_queues()
    settle(redis_url="")
    answer = http.get("/readyz")
    assert (answer.status_code, checks(answer)["redis"]) == (503, False)


def test_a_database_that_hangs_is_not_waited_for(http, settle, monkeypatch):
    for limit in ("CONNECT_SECONDS", "SILENCE_SECONDS"):  # of those who were told nothing else
        monkeypatch.setattr(patience, limit, 3600.0)
    db.engine().dispose()
    db.engine.cache_clear()
    with silent_server() as where:
        settle(database_url=f"postgresql://nobody@{where}/nothing")
        answers = [create_app().test_client().get("/readyz") for _ in range(5)]
    for answer in answers:
        assert (answer.status_code, checks(answer)["database"]) == (503, False)


def test_an_audit_that_found_something_is_told_and_stops_nothing(http):
    serve_the_queues()
    steal(person(500))
    audits.run()
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (200, True)
    [audit] = [check for check in answer.json["checks"] if not check["ok"]]
    assert (audit["name"], audit["needed"]) == ("audit", False)
    assert "broken promise" in audit["detail"]


def test_an_audit_of_long_ago_is_none(http):
    serve_the_queues()
    audits.run()
    assert checks(http.get("/readyz"))["audit"]
    age_audit(301)
    answer = http.get("/readyz")
    assert (answer.status_code, checks(answer)["audit"]) == (200, False)


def test_where_no_audit_ever_comes_that_is_told_after_a_while(http, monkeypatch):
    serve_the_queues()
    assert checks(http.get("/readyz"))["audit"]
    monkeypatch.setattr(health, "_BEGUN", time.monotonic() - 301)
    assert not checks(http.get("/readyz"))["audit"]


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


STUCK = [
    (Status.OPEN, 300 + 31),
    (Status.RANKING, 60 + 31),
    (Status.COMPLETED, 60 + 31),
    (Status.PENDING_PAYMENT, 24 * 3600 + 31),
]


@pytest.mark.parametrize(("status", "seconds"), STUCK)
@pytest.mark.parametrize("due", ["now() + interval '20 s'", "'infinity'"])
def test_a_task_that_is_leased_again_and_again_is_late_all_the_same(http, status, seconds, due):
    serve_the_queues()
    job_id = drop_in(status)
    let_time_pass(job_id, seconds - 40)
    sql(f"UPDATE jobs SET due_at = {due}")
    assert http.get("/readyz").status_code == 200
    let_time_pass(job_id, 40)
    sql(f"UPDATE jobs SET due_at = {due}")
    answer = http.get("/readyz")
    assert [name for name, fine in checks(answer).items() if not fine] == ["deadlines"]


def test_models_have_their_time(http, monkeypatch):
    serve_the_queues()
    job_id = drop_in(Status.RANKING)
    let_time_pass(job_id, 400)
    sql("UPDATE jobs SET due_at = now() + interval '20 s'")
    assert http.get("/readyz").status_code == 503
    for name, value in {"JUDGE": "llm", "LLM_MODEL": "m", "LLM_BASE_URL": "http://127.0.0.1:9/v1"}.items():
        monkeypatch.setenv(f"CLORP_{name}", value)
    settings.cache_clear()
    assert http.get("/readyz").status_code == 200


def test_without_a_secret_there_is_no_cron_route(http):
    refused(http.get(CRON), 503, "unavailable")
    refused(http.get(CRON, headers=AUTH), 503, "unavailable")


def test_the_cron_route_wants_the_secret(cron, subtests):
    let_time_pass(post(person(100)))
    with unchanged():
        for header in (
            "",
            "Bearer",
            "Bearer wrong",
            "Bearer THE-S3CRET-OF-CRON",
            "Basic the-s3cret-of-cron",
            "Bearer é",
        ):
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
