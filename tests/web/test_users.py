"""Signing up without a browser, and the own profile."""

from uuid import UUID, uuid4

import pytest

from models import db, keys
from tests.support import Person, balance, books, person, unchanged
from tests.web.answers import hidden, ok, refused


def sign_up(api, name):
    return ok(api.post(None, "/api/users", name=name), 201)


def test_anybody_signs_up_and_begins(api):
    told = sign_up(api, "  Ada  ")
    assert told.keys() == {"id", "name", "api_key"}
    assert told["name"] == "Ada"
    ada = Person(UUID(told["id"]), "Ada", told["api_key"])
    me = ok(api.post(ada, "/api/whoami"))
    assert (me["id"], me["name"], me["balance_cents"]) == (told["id"], "Ada", 0)
    assert me["scopes"] == ["read", "work", "spend"]
    (agent,) = ok(api.get(ada, "/api/agents"))
    assert (agent["id"], agent["name"], agent["is_default"]) == (me["agent_id"], "Ada", True)
    assert balance(ada) == 0


def test_the_key_is_shown_once(api):
    key = sign_up(api, "Ada")["api_key"]
    ada = Person(uuid4(), "Ada", key)
    assert key not in str(books())
    for path in ("/api/keys", "/api/agents"):
        assert key not in api.get(ada, path).get_data(as_text=True)
    assert key not in api.post(ada, "/api/whoami").get_data(as_text=True)


def test_no_key_is_looked_at(http):
    answer = http.post("/api/users", json={"name": "Ada"}, headers={"Authorization": "Bearer nonsense"})
    ok(answer, 201)


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 81, "a\nb", "a\0b", "\u202e", None, 1, True, ["Ada"], {"Ada": 1}]
)
def test_a_name_that_nobody_could_read_is_refused(api, name):
    with unchanged():
        problem = refused(api.http.post("/api/users", json={"name": name}), 400, "invalid_request")
    assert problem["errors"][0]["field"] == "name"


def test_a_name_is_wanted(api):
    refused(api.post(None, "/api/users"), 400, "invalid_request")


def test_a_name_that_is_taken_is_refused(api):
    sign_up(api, "Ada")
    with unchanged():
        refused(api.post(None, "/api/users", name=" Ada "), 409, "name_taken")


@pytest.mark.parametrize("off", ["off", "false", "0", "no"])
def test_sign_up_can_be_switched_off(api, settle, off):
    settle(signup=off)
    with unchanged():
        refused(api.post(None, "/api/users", name="Ada"), 403, "signup_closed")


def test_sign_up_is_on_when_it_is_called_on(api, settle):
    settle(signup="on")
    sign_up(api, "Ada")


def test_whoami_says_what_the_key_may_do(api):
    who = person(name="Ada")
    for scope in keys.SCOPES:
        with db.transaction() as session:
            _, key = keys.issue(session, who.id, scope, [scope])
        assert ok(api.post(Person(who.id, "Ada", key), "/api/whoami"))["scopes"] == [scope]


def test_the_own_profile_is_whoami_without_the_key(api):
    who = person(700, name="Ada")
    me = ok(api.post(who, "/api/whoami"))
    del me["scopes"]
    with unchanged():
        assert ok(api.get(who, f"/api/users/{who.id}")) == me
    assert me["balance_cents"] == 700


def test_another_profile_is_hidden_like_one_that_does_not_exist(api):
    who, other = person(), person()
    for user_id in (other.id, uuid4(), "x", str(who.id)[:-1]):
        hidden(api.get(who, f"/api/users/{user_id}"))
