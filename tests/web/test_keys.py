"""Making, rotating and revoking keys: never more than one has, never locked out."""

import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from models import db, keys
from models.schema import Base
from tests.models.stages import sql
from tests.support import Person, person, unchanged
from tests.web.answers import hidden, ok, refused

NEW_KEYS = {"id", "name", "prefix", "scopes", "api_key"}
KEY_KEYS = {"id", "name", "prefix", "scopes", "created_at", "expires_at"}
DAY = 86_400


@pytest.fixture
def ada(database):
    return person(name="Ada")


def with_key(who, told):
    return Person(who.id, who.name, told["api_key"])


def make(api, who, name="second", **fields):
    return ok(api.post(who, "/api/keys", name=name, **fields), 201)


def listed(api, who):
    return ok(api.get(who, "/api/keys"))


def key_id(api, who, name="first"):
    return next(row["id"] for row in listed(api, who) if row["name"] == name)


def rotate(api, who, id_, **fields):
    return api.post(who, f"/api/keys/{id_}/rotate", **fields)


def revoke(api, who, id_):
    return api.http.delete(f"/api/keys/{id_}", headers=who.auth)


def works(api, who):
    return api.post(who, "/api/whoami").status_code == 200


# Making ----------------------------------------------------------------------------------------


def test_a_new_key_works_and_is_shown_once(api, ada):
    told = make(api, ada, "  build server ")
    assert told.keys() == NEW_KEYS
    assert told["name"] == "build server"
    assert told["api_key"].startswith(told["prefix"])
    assert len(told["prefix"]) == 12
    assert told["scopes"] == ["read", "work", "spend"]
    assert ok(api.post(with_key(ada, told), "/api/whoami"))["id"] == str(ada.id)
    assert told["api_key"] not in api.get(ada, "/api/keys").get_data(as_text=True)


def test_the_list_has_the_live_keys_newest_first(api, ada):
    told = make(api, ada, scopes=["read"])
    make(api, person(name="Bob"), "not Ada's")
    rows = listed(api, ada)
    assert [(row["name"], row["scopes"]) for row in rows] == [
        ("second", ["read"]),
        ("first", ["read", "work", "spend"]),
    ]
    assert all(row.keys() == KEY_KEYS and row["expires_at"] is None for row in rows)
    assert (rows[0]["id"], rows[0]["prefix"]) == (told["id"], told["prefix"])
    assert datetime.fromisoformat(rows[0]["created_at"])
    ok(revoke(api, ada, told["id"]))
    assert [row["name"] for row in listed(api, ada)] == ["first"]


def test_the_list_goes_on_by_cursor(api, ada):
    for n in range(3):
        make(api, ada, f"key {n}")
    answer = api.get(ada, "/api/keys", limit=2)
    assert [row["name"] for row in ok(answer)] == ["key 2", "key 1"]
    assert answer.headers["X-Total-Count"] == "4"
    rest = api.get(ada, "/api/keys", limit=2, cursor=answer.headers["X-Next-Cursor"])
    assert [row["name"] for row in ok(rest)] == ["key 0", "first"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, ["read", "spend"]),
        (["spend"], ["spend"]),
        (["spend", "read"], ["read", "spend"]),
        (["read", "read"], ["read"]),
    ],
)
def test_a_key_gives_what_it_has_or_less(api, ada, asked, given):
    caller = with_key(ada, make(api, ada, scopes=["read", "spend"]))
    told = make(api, caller, "third", scopes=asked)
    assert told["scopes"] == given
    assert ok(api.post(with_key(ada, told), "/api/whoami"))["scopes"] == given


@pytest.mark.parametrize(
    ("asked", "missing"), [(["work"], ["work"]), (["read", "spend", "work"], ["read", "work"])]
)
def test_a_key_gives_no_more_than_it_has(api, ada, asked, missing):
    caller = with_key(ada, make(api, ada, scopes=["spend"]))
    with unchanged():
        problem = refused(
            api.post(caller, "/api/keys", name="third", scopes=asked), 403, "insufficient_scope"
        )
    assert problem["required"] == missing


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": None},
        {"name": ""},
        {"name": "x" * 81},
        {"name": "a\nb"},
        {"name": 1},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": "read"},
        {"name": "x", "scopes": ["admin"]},
        {"name": "x", "scopes": ["read", None]},
        {"name": "x", "scopes": [["read"]]},
        {"name": "x", "scopes": ["read"] * 4},
        {"name": "x", "scopes": {"read": True}},
        {"name": "x", "scopes": True},
    ],
)
def test_what_describes_no_key_makes_none(api, ada, fields):
    with unchanged():
        refused(api.http.post("/api/keys", json=fields, headers=ada.auth), 400, "invalid_request")


def test_there_is_a_limit_on_live_keys(api, ada, monkeypatch):
    monkeypatch.setattr(keys, "KEYS_MAX", 2)
    second = make(api, ada)
    with unchanged():
        problem = refused(api.post(ada, "/api/keys", name="third"), 409, "too_many_keys")
    assert problem["limit"] == 2
    refused(rotate(api, ada, second["id"]), 409, "too_many_keys")
    told = ok(rotate(api, ada, second["id"], overlap_seconds=0), 201)  # one goes, one comes
    ok(revoke(api, ada, told["id"]))
    make(api, ada, "third")


# Rotating --------------------------------------------------------------------------------------


def test_a_rotated_key_lives_on_beside_its_successor_for_a_day(api, ada):
    old = key_id(api, ada)
    before = datetime.fromisoformat(listed(api, ada)[0]["created_at"])
    told = ok(rotate(api, ada, old), 201)
    assert told.keys() == NEW_KEYS
    assert (told["name"], told["scopes"]) == ("first", ["read", "work", "spend"])
    assert told["id"] != old
    new = with_key(ada, told)
    assert works(api, ada)
    assert works(api, new)
    ends = {row["id"]: row["expires_at"] for row in listed(api, new)}
    assert ends[told["id"]] is None
    lasts = datetime.fromisoformat(ends[old]) - before
    assert timedelta(days=1) <= lasts < timedelta(days=1, minutes=5)
    sql("UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = :id", id=old)
    refused(api.post(ada, "/api/whoami"), 401, "unauthenticated")
    assert works(api, new)
    assert [row["id"] for row in listed(api, new)] == [told["id"]]


def test_without_overlap_the_old_key_ends_now(api, ada):
    new = with_key(ada, ok(rotate(api, ada, key_id(api, ada), overlap_seconds=0), 201))
    refused(api.post(ada, "/api/whoami"), 401, "unauthenticated")
    assert works(api, new)


@pytest.mark.parametrize("seconds", [-1, 7 * DAY + 1, 1.5, "60", True, None, 10**40])
def test_an_overlap_is_at_most_a_week(api, ada, seconds):
    path = f"/api/keys/{key_id(api, ada)}/rotate"
    with unchanged():
        answer = api.http.post(path, json={"overlap_seconds": seconds}, headers=ada.auth)
        problem = refused(answer, 400, "invalid_request")
    assert problem["errors"][0]["field"] == "overlap_seconds"
    ok(rotate(api, ada, key_id(api, ada), overlap_seconds=7 * DAY), 201)


def test_a_key_is_rotated_once(api, ada):
    old = key_id(api, ada)
    ok(rotate(api, ada, old), 201)
    with unchanged():
        refused(rotate(api, ada, old), 409, "key_rotated")


def test_rotation_raises_no_scopes(api, ada):
    caller = with_key(ada, make(api, ada, scopes=["spend"]))
    with unchanged():
        problem = refused(rotate(api, caller, key_id(api, ada)), 403, "insufficient_scope")
    assert problem["required"] == ["read", "work"]


def test_rotation_keeps_the_scopes_of_the_key_not_of_the_caller(api, ada):
    reader = make(api, ada, scopes=["read"])
    assert ok(rotate(api, ada, reader["id"]), 201)["scopes"] == ["read"]


# Revoking --------------------------------------------------------------------------------------


def test_a_revoked_key_is_refused_from_the_next_request_on(api, ada):
    told = make(api, ada)
    second = with_key(ada, told)
    assert works(api, second)
    assert ok(revoke(api, ada, told["id"])) == {"revoked": True}
    refused(api.post(second, "/api/whoami"), 401, "unauthenticated")
    assert works(api, ada)


def test_a_key_may_revoke_itself(api, ada):
    told = make(api, ada)
    second = with_key(ada, told)
    ok(revoke(api, second, told["id"]))
    assert not works(api, second)


def test_a_key_revokes_none_that_can_do_more(api, ada):
    make(api, ada, "full")  # so that it is not about the last one
    spender = with_key(ada, make(api, ada, "spender", scopes=["spend"]))
    reader = make(api, ada, "reader", scopes=["read"])["id"]
    for id_, missing in ((key_id(api, ada), ["read", "work"]), (reader, ["read"])):
        with unchanged():
            assert refused(revoke(api, spender, id_), 403, "insufficient_scope")["required"] == missing
    assert works(api, ada)
    peer = make(api, ada, "peer", scopes=["spend"])
    ok(revoke(api, spender, peer["id"]))
    ok(revoke(api, ada, reader))
    ok(revoke(api, spender, key_id(api, ada, "spender")))


def test_the_last_key_that_can_do_everything_stays(api, ada):
    make(api, ada, "reader", scopes=["read"])
    spender = with_key(ada, make(api, ada, "spender", scopes=["read", "spend"]))
    with unchanged():
        refused(revoke(api, ada, key_id(api, ada)), 409, "last_key")
    ok(revoke(api, ada, key_id(api, ada, "reader")))
    ok(revoke(api, spender, key_id(api, ada, "spender")))
    full = with_key(ada, make(api, ada, "full"))
    ok(revoke(api, full, key_id(api, ada)))
    refused(revoke(api, full, key_id(api, full, "full")), 409, "last_key")


def test_a_key_that_runs_out_does_not_take_anothers_place(api, ada):
    old = key_id(api, ada)
    told = ok(rotate(api, ada, old), 201)
    refused(revoke(api, ada, told["id"]), 409, "last_key")
    ok(revoke(api, ada, old))
    assert not works(api, ada)
    assert works(api, with_key(ada, told))


def test_a_lost_last_key_is_replaced_by_rotation(api, ada):
    leaked = key_id(api, ada)
    refused(revoke(api, ada, leaked), 409, "last_key")
    new = with_key(ada, ok(rotate(api, ada, leaked, overlap_seconds=0), 201))
    assert not works(api, ada)
    assert works(api, new)


def revoke_others(api, who, **query):
    return api.http.delete("/api/keys", query_string=query, headers=who.auth)


def test_after_a_leak_one_call_ends_every_key_that_the_leaked_one_made(api, ada):
    leaked, bob = with_key(ada, make(api, ada)), person(name="Bob")
    theirs = [with_key(ada, make(api, leaked, f"theirs {n}")) for n in range(3)]
    running_out = with_key(ada, ok(rotate(api, leaked, key_id(api, ada, "theirs 0")), 201))
    assert ok(revoke_others(api, ada, others="true")) == {"revoked_count": 5}
    for key in (leaked, *theirs, running_out):
        refused(api.post(key, "/api/whoami"), 401, "unauthenticated")
    assert [row["name"] for row in listed(api, ada)] == ["first"]
    assert works(api, bob)
    with unchanged():
        assert ok(revoke_others(api, ada, others="true")) == {"revoked_count": 0}


def test_nothing_ends_where_one_of_the_others_can_do_more(api, ada):
    spender = with_key(ada, make(api, ada, "spender", scopes=["spend"]))
    make(api, ada, "peer", scopes=["spend"])
    with unchanged():
        problem = refused(revoke_others(api, spender, others="true"), 403, "insufficient_scope")
    assert problem["required"] == ["read", "work"]


def test_a_key_that_runs_out_does_not_end_its_successor(api, ada):
    new = with_key(ada, ok(rotate(api, ada, key_id(api, ada)), 201))
    with unchanged():
        assert "a key that stays" in refused(revoke_others(api, ada, others="true"), 409, "last_key")["error"]
    assert ok(revoke_others(api, new, others="true")) == {"revoked_count": 1}
    assert not works(api, ada)


@pytest.mark.parametrize(
    "query", [{}, {"others": "false"}, {"others": "maybe"}, {"others": ""}, {"other": "true"}]
)
def test_the_others_have_to_be_asked_for(api, ada, query):
    make(api, ada)
    with unchanged():
        problem = refused(revoke_others(api, ada, **query), 400, "invalid_request")
    assert "others" in str(problem)


def test_keys_that_are_gone_or_somebody_elses_are_hidden(api, ada):
    bob = person(name="Bob")
    gone = make(api, ada)["id"]
    ok(revoke(api, ada, gone))
    ended = make(api, ada, "ended")["id"]
    sql("UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = :id", id=ended)
    with unchanged():
        for id_ in (gone, ended, key_id(api, bob), uuid4(), "x", "%00"):
            hidden(revoke(api, ada, id_))
            hidden(rotate(api, ada, id_))
    assert works(api, bob)


# Secrecy ---------------------------------------------------------------------------------------


def everything_stored():
    with db.transaction() as session:
        tables = (table.name for table in Base.metadata.sorted_tables)
        return str([session.scalars(text(f"SELECT t::text FROM {table} t")).all() for table in tables])


def test_no_key_is_logged_or_stored_in_clear(api, ada, caplog):
    caplog.set_level(logging.DEBUG)
    signed_up = ok(api.post(None, "/api/users", name="Bob"), 201)["api_key"]
    auth = {**ada.auth, "Idempotency-Key": "once"}
    made = ok(api.http.post("/api/keys", json={"name": "second"}, headers=auth), 201)
    rotated = ok(rotate(api, ada, made["id"], overlap_seconds=0), 201)
    refused(api.post(with_key(ada, made), "/api/whoami"), 401, "unauthenticated")
    stored = everything_stored()
    assert made["prefix"] in stored
    for key in (ada.key, signed_up, made["api_key"], rotated["api_key"]):
        for secret in (key, key[12:]):
            assert secret not in caplog.text
            assert secret not in stored


def test_a_retry_gets_the_same_key_again(api, ada):
    auth = {**ada.auth, "Idempotency-Key": "once"}
    first, again = (api.http.post("/api/keys", json={"name": "x"}, headers=auth) for _ in range(2))
    assert ok(first, 201) == ok(again, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(listed(api, ada)) == 2


def test_a_lesser_key_gets_no_greater_one_by_asking_again(api, ada):
    spender = with_key(ada, make(api, ada, "spender", scopes=["spend"]))
    once = {"Idempotency-Key": "once"}
    ok(api.http.post("/api/keys", json={"name": "x"}, headers={**ada.auth, **once}), 201)
    answer = api.http.post("/api/keys", json={"name": "x"}, headers={**spender.auth, **once})
    refused(answer, 422, "idempotency_key_reused")


def test_ids_are_ids(api, ada):
    assert all(UUID(row["id"]) for row in listed(api, ada))
