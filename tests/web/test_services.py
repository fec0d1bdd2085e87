"""A bucket or a rail that cannot be used: its operator learns of it, and nothing else stops."""

import logging

import pytest

from models import db, payments, settlement
from models.settings import settings
from models.spells import Spells
from tests.bucket_trouble import keys_that_count
from tests.buckets import bucket
from tests.payments import pay_in
from tests.support import bring, close, let_time_pass, person, post, submit
from tests.web.answers import ok, refused
from tests.web.forms import upload
from tests.workers.processes import until
from web import errors, services
from workers import rails, tasks

WRONG_KEY = (401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_***"}})
NO_RIGHT = (403, {"error": {"type": "invalid_request_error", "message": "The provided key 'rk_***' may not"}})


@pytest.fixture(autouse=True)
def unspoilt(monkeypatch) -> None:
    """No trouble of another test is remembered."""
    monkeypatch.setattr(errors, "_spells", Spells())


@pytest.fixture
def served(database) -> None:
    """Every queue was heard of."""
    for queue in ("money", "judge"):
        with db.transaction() as session:
            settlement.beat(session, queue)


def told(caplog) -> list[str]:
    """What stands in the log for an operator."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def troubles(http) -> dict[str, str]:
    """What `/readyz` names, which is 200 all the same."""
    answer = ok(http.get("/readyz"))
    assert answer["ready"] is True
    return {check["name"]: check["detail"] for check in answer["checks"] if not check["ok"]}


def look_anew() -> None:
    """As if the last look were long ago."""
    services._last = None


def test_a_bucket_that_is_not_there_is_logged_once_and_named(api, settle, monkeypatch, caplog, served):
    bucket(monkeypatch)
    settle(uploads="s3://clorp-nowhere/uploads")
    for _ in range(3):
        refused(upload(api, person()), 503, "unavailable")
    assert told(caplog) == ["refused as unavailable: NoSuchBucket"]
    assert troubles(api.http) == {"uploads": "cannot be used: NoSuchBucket"}


def test_keys_of_a_bucket_may_be_wrong_for_a_while(api, settle, monkeypatch, caplog, served):
    settle(uploads=bucket(monkeypatch))
    assert troubles(api.http) == {}
    with keys_that_count():
        assert troubles(api.http) == {}  # that it was well is known, and not asked with each request
        look_anew()
        assert troubles(api.http) == {"uploads": "cannot be used: InvalidAccessKeyId"}
        refused(upload(api, person()), 503, "unavailable")
    assert told(caplog) == ["refused as unavailable: InvalidAccessKeyId"]
    ok(upload(api, person()), 201)
    look_anew()
    assert troubles(api.http) == {}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (WRONG_KEY, "Stripe does not know STRIPE_SECRET_KEY"),
        (
            NO_RIGHT,
            "STRIPE_SECRET_KEY lacks a permission: write for Checkout, payments, transfers and accounts",
        ),
        ((500, {"error": {"type": "api_error", "message": "down"}}), "APIError, HTTP 500"),
        ("hang up", "APIConnectionError"),
    ],
)
def test_a_rail_that_cannot_be_used_is_logged_once_and_named(
    api, double, settle, caplog, served, answer, cause
):
    settle(payments="stripe")
    rails._stripe.cache_clear()
    double.trouble = [answer] * 3
    for _ in range(2):
        refused(api.post(person(), "/api/wallet/topup", amount_cents=2000), 503, "unavailable")
    assert told(caplog) == [f"refused as unavailable: {cause}"]
    assert troubles(api.http) == {"payments": f"cannot be used: {cause}"}
    look_anew()
    assert troubles(api.http) == {}
    asked = [call.path for call in double.calls if call.method == "GET"][-3:]
    assert asked == ["/v1/checkout/sessions", "/v1/payment_intents", "/v1/transfers"]
    assert double.made == {}


def test_a_service_that_does_not_answer_holds_nobody_up(http, double, settle, served, monkeypatch):
    settle(payments="stripe")
    rails._stripe.cache_clear()
    monkeypatch.setattr(services, "WAIT_SECONDS", 0.05)
    double.trouble = ["slow"]
    assert troubles(http) == {"payments": "no answer within 0.05 s"}
    until("the end of the look", lambda: services._last and services._last.of is settings())


def test_where_nothing_of_others_is_used_nothing_is_asked(http, served):
    assert settings().uploads is None
    assert [
        c["name"] for c in ok(http.get("/readyz"))["checks"] if c["name"] in ("uploads", "payments")
    ] == []


def test_payments_that_wait_for_their_rail_are_logged_once(api, double, settle, caplog, monkeypatch):
    settle(payments="stripe")
    rails._stripe.cache_clear()
    monkeypatch.setattr(tasks, "_spells", Spells())
    who = pay_in(person())
    with db.transaction() as session:
        payments.know(session, who.id, payout_account="acct_1", payout_ready=True)
    waiting = [ok(api.post(who, "/api/wallet/withdraw", amount_cents=500), 201)["id"] for _ in "ab"]
    double.trouble = [WRONG_KEY] * 2
    for payment in waiting:
        tasks.remit(payment)
    assert told(caplog) == [
        f"payment {waiting[0]} and others wait for their rail: Stripe does not know STRIPE_SECRET_KEY"
    ]


def test_a_judge_and_a_sweep_that_wait_for_the_bucket_say_so(settle, monkeypatch, caplog):
    monkeypatch.setattr(tasks, "_spells", Spells())
    settle(uploads=bucket(monkeypatch))
    agent, job_id = person(), post(person(100))
    submit(agent, job_id, "See the attached file.", files=[bring(agent)])
    let_time_pass(job_id)
    close(job_id)
    with keys_that_count():
        for _ in range(2):
            assert tasks.ballot(str(job_id), 0) == 0
    assert told(caplog) == [
        f"ballot 0 of drop {job_id} and others wait for the files of entries: InvalidAccessKeyId"
    ]
    settle(uploads="s3://clorp-nowhere")
    tasks.tidy()
    assert told(caplog)[1:] == ["unused files are not removed: NoSuchBucket"]
