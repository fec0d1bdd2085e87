"""The numbers: of this process, of PostgreSQL, of Redis; and who may read them."""

import os
from uuid import uuid4

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from models import audits, db, settlement
from tests.support import age_audit, let_time_pass, people, person, post, steal, violations
from tests.web.answers import ok, refused
from tests.web.scenes import decided
from tests.workers.processes import PATIENCE_SECONDS
from web import metrics
from web.metrics import market
from workers import embedded


@pytest.fixture(autouse=True)
def fresh():
    market.forget()
    yield
    market.forget()


def scraped(http, **headers):
    answer = http.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    families = text_string_to_metric_families(answer.get_data(as_text=True))
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_drops_payouts_and_what_is_late_are_counted(http):
    decided(person(100), *people(2))
    post(person())
    let_time_pass(post(person(100)), 300 + 40)
    found = scraped(http)
    assert found["clorp_database_up",] == 1
    statuses = ("verified", "pending_payment", "open", "failed")
    assert [found["clorp_drops", status] for status in statuses] == [1, 1, 1, 0]
    assert (found["clorp_payouts_total",], found["clorp_payouts_cents_total",]) == (1, 100)
    assert found["clorp_owed_overdue",] == 1
    assert 40 <= found["clorp_owed_oldest_seconds",] < 60
    assert found["clorp_waiting",] == 0


def test_an_empty_market_has_numbers_too(http):
    found = scraped(http)
    assert (found["clorp_owed_overdue",], found["clorp_owed_oldest_seconds",]) == (0, 0)
    assert found["clorp_payouts_total",] == 0
    assert not [name for name, *_ in found if name == "clorp_heartbeat_age_seconds"]


def test_heartbeats_have_an_age(http):
    with db.transaction() as session:
        settlement.beat(session, "money")
    assert 0 <= scraped(http)["clorp_heartbeat_age_seconds", "money"] < 5


def test_the_last_audit_is_told(http):
    assert not [name for name, *_ in scraped(http) if name.startswith("clorp_audit")]
    thief = person(500)
    audits.run()
    market.forget()
    assert scraped(http)["clorp_audit_violations",] == 0
    steal(thief)
    age_audit(90)
    market.forget()
    found = scraped(http)
    assert (found["clorp_audit_violations",], found["clorp_audit_age_seconds",] // 10) == (0, 9)
    audits.run()
    market.forget()
    # The balance is not what its transfers say, and all of them do not sum up.
    assert scraped(http)["clorp_audit_violations",] == len(violations()) > 0


def test_requests_are_counted_by_route_and_never_by_address(http):
    before = scraped(http)
    canary, job_id = uuid4().hex, "0190a1b2-0000-7000-8000-000000000000"
    http.get(f"/api/jobs/{job_id}", headers=person().auth)
    http.get(f"/{canary}")
    http.open(f"/{canary}", method=canary.upper())
    found, text = scraped(http), http.get("/metrics").get_data(as_text=True)
    one = ("clorp_requests_total", "/api/jobs/<uuid:job_id>", "404", "GET")
    assert found[one] - before.get(one, 0) == 1
    assert canary not in text.lower()
    assert job_id not in text


def test_the_queues_have_lengths(http, settle):
    url = os.environ["CLORP_REDIS_URL"].rsplit("/", 1)[0] + "/9"  # a number of its own
    settle(redis_url=url)
    with redis.Redis.from_url(url) as client:
        client.delete("judge", "money")
        client.rpush("judge", "one", "two")
        try:
            found = scraped(http)
        finally:
            client.delete("judge")
    assert (found["clorp_queue_messages", "judge"], found["clorp_queue_messages", "money"]) == (2, 0)


def test_without_redis_the_queues_are_missing_and_the_rest_is_there(http, settle):
    settle(redis_url=f"redis://127.0.0.1:{embedded.free_port()}/0")
    found = scraped(http)
    assert found["clorp_database_up",] == 1
    assert not [name for name, *_ in found if name == "clorp_queue_messages"]


def test_without_a_database_it_says_so(http, settle):
    db.engine().dispose()
    db.engine.cache_clear()
    settle(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    found = scraped(http)
    assert found["clorp_database_up",] == 0
    assert not [name for name, *_ in found if name == "clorp_drops"]


def test_with_a_token_only_its_bearer_reads_them(http, settle):
    settle(metrics_token="t0ken-of-the-scraper")
    for wrong in (
        "",
        "Bearer",
        "Bearer T0ken-of-the-scraper",
        "Basic t0ken-of-the-scraper",
        "Bearer é",
        f"Bearer {person().key}",
    ):
        refused(http.get("/metrics", headers={"Authorization": wrong}), 401, "unauthenticated")
    assert scraped(http, Authorization="Bearer t0ken-of-the-scraper")["clorp_database_up",] == 1


def test_a_second_look_within_a_moment_asks_nobody(http, monkeypatch):
    monkeypatch.setattr(metrics, "KEPT_SECONDS", PATIENCE_SECONDS)
    assert scraped(http)["clorp_drops", "open"] == 0
    post(person(100))
    assert scraped(http)["clorp_drops", "open"] == 0
    market.forget()
    assert scraped(http)["clorp_drops", "open"] == 1
    ok(http.get("/healthz"))
