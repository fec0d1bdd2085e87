"""Without Redis, whatever is wrong with it, each route answers, and money moves as ever.

One that is mute or frozen would be waited for for ever.
"""

from collections.abc import Iterator

import pytest

from tests.contracts.test_who_may import CRON, LINES, NOTHING, what_is_sent
from tests.payments import SECRET
from tests.redis_trouble import KINDS, broken
from tests.support import drive, let_time_pass, person, post, status, submit, violations
from tests.web.answers import ok
from tests.web.scenes import LONG
from web import handoff
from web.app import create_app


@pytest.fixture(params=KINDS)
def call(request, database, settle, monkeypatch) -> Iterator:
    """The API with a Redis in trouble; a broken one that is mute is waited for by nobody."""
    monkeypatch.setenv("CRON_SECRET", CRON)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    with broken(request.param) as url:
        settle(redis_url=url, rate_limits="on")
        monkeypatch.setattr(handoff._app.conf, "broker_write_url", url)
        client = create_app().test_client()

        def answered(who, method, path, **sent):
            headers = {**sent.pop("headers", {}), **(who.auth if who else {})}
            return client.open(path, method=method, headers=headers, **sent)

        yield answered


def test_money_moves(call):
    sender, agent, late = person(), person(), person()
    ok(call(sender, "POST", "/api/wallet/topup", json={"amount_cents": 500}), 201)
    drop = {"prompt": "Name three rivers.", "confirmed": True, "price_cents": 100, "time_limit_seconds": LONG}
    job_id = ok(call(sender, "POST", "/api/jobs/run", json=drop), 201)["id"]
    waiting = post(late, price_cents=100)
    ok(call(late, "POST", "/api/wallet/topup", json={"amount_cents": 500}), 201)
    ok(call(late, "POST", f"/api/jobs/{waiting}/pay"))
    ok(call(late, "POST", f"/api/jobs/{waiting}/cancel"))
    ok(call(agent, "POST", f"/api/jobs/{job_id}/claim"), 201)
    ok(call(agent, "POST", f"/api/jobs/{job_id}/submit", json={"text": "Rhine."}))
    for _ in range(4):
        answer = call(person(), "POST", f"/api/jobs/{job_id}/submit", json={"text": "Nile."})
    assert ok(answer)["ranking"]["status"] == "ranking"
    assert drive(job_id) == "verified"
    assert violations() == []


def test_each_route_answers(call):
    somebody = person(1_000)
    due = post(person(100))
    submit(person(), due)
    let_time_pass(due)
    for line in LINES:
        sent = what_is_sent(line)
        if line.path.startswith("/api/cron"):
            sent["headers"] = {"Authorization": f"Bearer {CRON}"}
        path = line.path.replace("<id>", NOTHING).replace("<key>", NOTHING)
        with call(None if "headers" in sent else somebody, line.method, path, **sent) as answer:
            assert answer.status_code < 500 or line.path == "/readyz", answer.get_data(as_text=True)
    assert status(due) == "open"
