"""envVars: encrypted at rest, and shown only to the sender and to who works on the open drop."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from models import db, settlement
from models.settings import SettingsError, settings
from tests.support import (
    books,
    claim,
    drive,
    drop,
    let_time_pass,
    people,
    person,
    post,
    submit,
    unchanged,
)
from tests.web.answers import hidden, ok, refused
from tests.web.scenes import LONG, end_window

SECRETS = {"API_TOKEN": "tell-nobody", "Ünï": "🦀"}


def post_with_secrets(sender, **fields):
    return post(sender, env_vars=SECRETS, **fields)


def shown(api, who, job_id):
    return ok(api.get(who, f"/api/jobs/{job_id}")).get("envVars")


def test_they_are_encrypted_at_rest(api):
    answer = api.post(person(100), "/api/jobs/run", prompt="Hi", envVars=SECRETS, confirmed=True)
    row = ok(answer, 201)
    assert row["envVars"] == SECRETS
    with db.transaction() as session:
        stored = session.scalars(text("SELECT env_vars FROM jobs")).one()
    assert stored
    for word in ("API_TOKEN", "tell-nobody"):
        assert word.encode() not in bytes(stored)
        assert word.encode().hex() not in str(books())


def test_no_env_vars_are_an_empty_object(api):
    sender = person(100)
    job_id = post(sender)
    assert shown(api, sender, job_id) == {}
    assert drop(job_id).env_vars is None


def test_sender_claimant_and_submitter_see_them_while_the_drop_is_open(api):
    sender, claimant, submitter = person(100), *people(2)
    job_id = post_with_secrets(sender)
    claim(claimant, job_id)
    submit(submitter, job_id)
    for who in (sender, claimant, submitter):
        assert shown(api, who, job_id) == SECRETS


def test_they_are_not_shown_without_a_live_claim(api):
    competitor, stranger = people(2)
    job_id = post_with_secrets(person(100), time_limit_seconds=LONG)
    claim(competitor, job_id)
    let_time_pass(job_id, 301)
    for who in (competitor, stranger):
        hidden(api.get(who, f"/api/jobs/{job_id}"))


def test_only_the_sender_sees_them_after_the_window(api):
    sender, worker = person(100), person()
    job_id = post_with_secrets(sender)
    submit(worker, job_id)
    end_window(job_id)
    assert (shown(api, sender, job_id), shown(api, worker, job_id)) == (SECRETS, None)
    drive(job_id)
    assert (shown(api, sender, job_id), shown(api, worker, job_id)) == (SECRETS, None)


def test_the_answer_to_the_closing_entry_has_none(api, settle):
    settle(max_claims=1)
    job_id = post_with_secrets(person(100))
    answer = api.post(person(), f"/api/jobs/{job_id}/submit", text="done")
    assert "envVars" not in ok(answer)["ranking"]["job"]


def test_no_public_page_and_no_other_list_has_them(api, settle):
    settle(max_claims=2)
    sender, worker, claimant = person(300), *people(2)
    claim(claimant, open_one := post_with_secrets(sender))
    submit(worker, open_one)
    ended = post_with_secrets(sender)
    submit(worker, ended)
    ok(api.post(sender, f"/api/jobs/{ended}/cancel"), 202)
    drive(ended)
    pages = [
        api.get(None, "/api/board"),
        api.get(None, "/api/feed"),
        api.get(worker, "/api/users/status"),
        api.get(worker, "/api/wallet/balance"),
        api.get(sender, f"/api/jobs/{ended}/submissions"),
        api.post(worker, f"/api/jobs/{open_one}/claim"),
        api.post(sender, "/api/jobs/run", prompt="Hi", envVars=SECRETS),
        api.post(person(), "/api/jobs/run", prompt="Hi", envVars=SECRETS, confirmed=True),
    ]
    for page in pages:
        for word in ("envVars", "API_TOKEN", "tell-nobody"):
            assert word not in page.get_data(as_text=True)


def test_a_refusal_repeats_neither_names_nor_values(api, subtests):
    sender = person(100)
    wrong = [
        {"API_TOKEN": 7},
        {"API_TOKEN": "tell-nobody\0"},
        {"API_TOKEN": ["tell-nobody"]},
        {"API_TOKEN\0": "tell-nobody"},
        {"API_TOKEN": "tell-nobody" * 2000},
        {f"API_TOKEN{n}": "tell-nobody" for n in range(51)},
    ]
    with unchanged():
        for number, env_vars in enumerate(wrong):
            with subtests.test(number=number):
                answer = api.post(sender, "/api/jobs/run", prompt="Hi", envVars=env_vars, confirmed=True)
                problem = refused(answer, 400, "invalid_request")
                assert [error["field"] for error in problem["errors"]] == ["envVars"]
                for word in ("API_TOKEN", "tell-nobody"):
                    assert word not in answer.get_data(as_text=True)


def test_a_server_without_a_key_takes_none(api, monkeypatch, settle):
    monkeypatch.delenv("CLORP_ENCRYPTION_KEYS")
    settle()
    sender = person(200)
    with unchanged():
        answer = api.post(sender, "/api/jobs/run", prompt="Hi", envVars=SECRETS, confirmed=True)
        refused(answer, 503, "unavailable")
    ok(api.post(sender, "/api/jobs/run", prompt="Hi", confirmed=True), 201)


def test_a_day_after_the_end_they_are_gone(api):
    sender = person(100)
    job_id = post_with_secrets(sender)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"))
    assert shown(api, sender, job_id) == SECRETS
    let_time_pass(job_id, 86_400)
    with db.transaction() as session:
        settlement.wipe(session, job_id)
    assert (shown(api, sender, job_id), drop(job_id).env_vars) == ({}, None)


# Keys that are wrong or gone -------------------------------------------------------------------


def test_a_drop_lives_on_when_the_key_of_its_env_vars_is_gone(api, settle):
    sender, worker = person(300), person()
    ids = [ok(api.post(sender, "/api/jobs/run", prompt="Hi", envVars=SECRETS, confirmed=True), 201)["id"]
           for _ in range(2)]  # fmt: skip
    settle(encryption_keys=Fernet.generate_key().decode())
    assert "envVars" not in ok(api.get(sender, f"/api/jobs/{ids[0]}"))
    assert len(ok(api.get(sender, "/api/jobs"))) == 2
    ok(api.post(worker, f"/api/jobs/{ids[0]}/claim"), 201)
    ok(api.post(worker, f"/api/jobs/{ids[0]}/submit", text="Rhine"))
    ok(api.post(sender, f"/api/jobs/{ids[1]}/cancel"))


@pytest.mark.parametrize("keys", ["notakey", "AAAA", f"{43 * 'A'}=,x"])
def test_a_key_that_is_none_is_refused_at_the_start(settle, keys):
    settle(encryption_keys=keys)
    with pytest.raises(SettingsError, match="32 bytes in URL-safe base64"):
        settings()


def test_empty_places_between_keys_do_not_matter(settle):
    key = Fernet.generate_key().decode()
    settle(encryption_keys=f" {key} ,, ")
    assert settings().encryption_keys == key
