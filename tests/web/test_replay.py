"""Idempotency-Key: one effect, and the first answer again."""

import json

import pytest

from models import db, replay
from models.schema import Drop, IdempotencyKey
from tests.models.stages import sql
from tests.support import at_once, balance, person, post, unchanged, violations
from tests.web.answers import ok, refused

DROP = {"prompt": "Name three rivers.", "confirmed": True, "envVars": {"TOKEN": "hunter2-canary"}}


@pytest.fixture
def send(api):
    def call(who, path, key, **fields):
        headers = {**who.auth, "Idempotency-Key": key}
        return api.http.post(path, json=fields or None, headers=headers)

    return call


def drops() -> int:
    return sql("SELECT count(*) FROM jobs")[0][0]


def test_a_retry_gets_the_first_answer_byte_for_byte(send):
    sender = person(1_000)
    first = send(sender, "/api/jobs/run", "one", **DROP)
    again = send(sender, "/api/jobs/run", "one", **DROP)
    assert ok(first, 201)["envVars"] == DROP["envVars"]
    assert again.data == first.data
    assert (again.status_code, again.content_type) == (201, first.content_type)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert (drops(), balance(sender)) == (1, 900)


def test_a_key_belongs_to_one_request(send):
    sender = person(1_000)
    job_id = ok(send(sender, "/api/jobs/run", "one", **DROP), 201)["id"]
    with unchanged():
        for path, fields in [
            ("/api/jobs/run", {**DROP, "price_cents": 200}),
            (f"/api/jobs/{job_id}/cancel", {}),
            ("/api/jobs/run?x=1", DROP),
        ]:
            refused(send(sender, path, "one", **fields), 422, "idempotency_key_reused")


def test_a_retry_may_write_the_same_json_otherwise(api):
    """Another order of keys, other white space, escapes or a byte order mark mean nothing."""
    sender = person(1_000)
    headers = {**sender.auth, "Idempotency-Key": "one", "Content-Type": "application/json"}
    bodies = [
        '{"prompt":"Zwölf Flüsse","confirmed":true,"price_cents":50,"envVars":{"A":"1","B":"2"}}',
        '{"envVars": {"B": "2", "A": "1"}, "price_cents": 50, "confirmed": true, "prompt": "Zwölf Flüsse"}',
        '\n{"prompt":"Zw\\u00f6lf Fl\\u00fcsse",\t"confirmed":true,"envVars":{"B":"2","A":"1"},'
        '"price_cents":50} ',
        '\ufeff{"prompt":"Zwölf Flüsse","confirmed":true,"price_cents":50,"envVars":{"A":"1","B":"2"}}',
    ]
    answers = [api.http.post("/api/jobs/run", data=body.encode(), headers=headers) for body in bodies]
    assert {answer.data for answer in answers} == {answers[0].data}
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, *["true"] * 3]
    for other in ('"price_cents":51', '"price_cents":50.5', '"price_cents":"50"'):
        body = bodies[0].replace('"price_cents":50', other).encode()
        assert api.http.post("/api/jobs/run", data=body, headers=headers).status_code in (400, 422)
    assert (drops(), balance(sender)) == (1, 950)


def test_no_body_and_an_empty_object_are_the_same_request(api):
    sender = person(1_000)
    job_id = post(sender)
    headers = {**sender.auth, "Idempotency-Key": "one"}
    first = api.http.post(f"/api/jobs/{job_id}/cancel", headers=headers)
    again = api.http.post(f"/api/jobs/{job_id}/cancel", json={}, headers=headers)
    assert ok(again) == ok(first)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_number_too_long_to_be_written_anew_is_compared_as_it_was_sent(api):
    sender = person(1_000)
    headers = {**sender.auth, "Idempotency-Key": "one", "Content-Type": "application/json"}
    body = b'{"prompt": "x", "confirmed": true, "junk": ' + b"7" * 5_000 + b"}"
    first = api.http.post("/api/jobs/run", data=body, headers=headers)
    again = api.http.post("/api/jobs/run", data=body, headers=headers)
    assert first.status_code in (201, 400)
    assert again.status_code == first.status_code


def test_two_users_may_take_the_same_key(send):
    ann, bob = person(1_000), person(1_000)
    first, second = (ok(send(who, "/api/jobs/run", "one", **DROP), 201)["id"] for who in (ann, bob))
    assert first != second


def test_a_refusal_is_judged_afresh(send):
    sender, agent = person(1_000), person()
    job_id = post(sender)
    path = f"/api/jobs/{job_id}/submit"
    refused(send(agent, path, "one", text=" "), 400, "invalid_request")
    ok(send(agent, path, "one", text="Rhine"))
    assert send(agent, path, "one", text="Rhine").headers["Idempotent-Replayed"] == "true"


def test_an_estimate_changes_nothing_and_is_not_kept(send):
    sender = person(1_000)
    ok(send(sender, "/api/jobs/run", "one", prompt="Hi"))
    assert sql("SELECT count(*) FROM idempotency_keys") == [(0,)]
    ok(send(sender, "/api/jobs/run", "one", prompt="Hi", confirmed=True), 201)


def test_the_402_of_create_left_a_drop_and_is_kept(send):
    sender = person(10)
    first = send(sender, "/api/jobs/run", "one", **DROP)
    again = send(sender, "/api/jobs/run", "one", **DROP)
    assert refused(first, 402, "insufficient_balance")["id"]
    assert again.status_code == 402
    assert again.data == first.data
    assert drops() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
def test_a_key_is_short_and_printable(send, key):
    sender = person(1_000)
    with unchanged():
        refused(send(sender, "/api/jobs/run", key, **DROP), 400, "invalid_request")


def test_a_route_that_only_reads_pays_no_heed(send):
    sender = person()
    assert ok(send(sender, "/api/whoami", "")) == ok(send(sender, "/api/whoami", "x" * 999))


def test_after_a_day_a_key_is_new_again(send):
    sender = person(1_000)
    ok(send(sender, "/api/jobs/run", "one", **DROP), 201)
    sql("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    ok(send(sender, "/api/jobs/run", "one", **{**DROP, "price_cents": 200}), 201)
    assert drops() == 2
    sql("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    with db.transaction() as session:
        assert replay.forget_old(session) == 1
        assert session.query(IdempotencyKey).count() == 0


def test_what_is_kept_cannot_be_read_in_the_database(send):
    sender = person(1_000)
    ok(send(sender, "/api/jobs/run", "one", **DROP), 201)
    assert "hunter2-canary" not in str(
        sql("SELECT t::text, convert_from(body, 'latin1') FROM idempotency_keys t")
    )


def test_without_encryption_keys_the_server_keeps_nothing(send, settle):
    sender = person(1_000)
    settle(encryption_keys="")
    with unchanged():
        refused(send(sender, "/api/jobs/run", "one", prompt="Hi", confirmed=True), 503, "unavailable")


def test_fifty_at_once_have_one_effect(http, send):
    sender = person(5_000)
    body = json.dumps(DROP)

    def call():
        headers = {**sender.auth, "Idempotency-Key": "one", "Content-Type": "application/json"}
        return http.application.test_client().post("/api/jobs/run", data=body, headers=headers)

    answers = at_once([call] * 50)
    done = {answer.data for answer in answers if answer.status_code == 201}
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(done) == 1
    assert all(answer.json["code"] == "idempotency_in_progress" for answer in waiting)
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in waiting)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert call().data in done
    assert (drops(), balance(sender)) == (1, 4_900)
    assert violations() == []


def test_the_answer_commits_with_its_effect(http, send, monkeypatch):
    sender = person(1_000)
    monkeypatch.setattr(replay, "keep", lambda *_: 1 / 0)
    assert send(sender, "/api/jobs/run", "one", **DROP).status_code == 500
    with db.transaction() as session:
        assert session.query(Drop).count() == 0
    assert balance(sender) == 1_000
