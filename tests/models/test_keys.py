"""Keys as such: their form, what is kept of them, and when they stop working."""

import re

import pytest

from models import db, keys, views
from models.errors import Invalid, TooManyKeys, Unauthenticated
from tests.models.stages import refusal, sql
from tests.support import Person, person, unchanged

pytestmark = pytest.mark.usefixtures("database")


def identify(key: str) -> Person:
    with db.transaction() as session:
        user = views.user(session, keys.identify(session, key).user_id)
        return Person(user.id, user.name, key)


def issue(who: Person, name: str = "second", **more: object) -> str:
    with db.transaction() as session:
        return keys.issue(session, who.id, name, **more)[1]


def test_a_key_speaks_for_its_user():
    who = person(name="Ada")
    assert identify(who.key) == who


def test_a_key_is_a_prefix_thirty_random_characters_and_six_of_checksum():
    made = {person().key for _ in range(5)}
    assert len(made) == 5
    assert all(re.fullmatch(r"clorp_[0-9A-Za-z]{36}", key) for key in made)


def test_of_a_key_only_its_hash_is_kept():
    who = person()
    rows = str(sql("SELECT to_jsonb(k) FROM api_keys k"))
    assert who.key not in rows
    assert who.key[12:] not in rows


def test_a_typo_is_told_from_a_key_without_asking_the_database(monkeypatch):
    key = person().key
    monkeypatch.setattr(keys, "select", None)  # would be called for any key in good form
    for typo in (key[:-1], key + "0", key[:20] + ("a" if key[20] != "a" else "b") + key[21:], key.lower()):
        with pytest.raises(Unauthenticated):
            identify(typo)


@pytest.mark.parametrize("key", ["", "clorp_", "clorp_" + "0" * 36, "clorp_" + "é" * 36, "x" * 10_000, "\0"])
def test_what_is_no_key_is_refused(key: str):
    with pytest.raises(Unauthenticated):
        identify(key)


def test_every_key_of_a_user_works_until_it_is_revoked():
    who = person()
    second = issue(who)
    assert identify(second).id == identify(who.key).id == who.id
    sql("UPDATE api_keys SET revoked_at = now() WHERE name = 'second'")
    with pytest.raises(Unauthenticated):
        identify(second)
    assert identify(who.key).id == who.id


def test_a_key_works_until_it_runs_out():
    who = person()
    sql("UPDATE api_keys SET expires_at = clock_timestamp() + interval '1 minute'")
    assert identify(who.key).id == who.id
    sql("UPDATE api_keys SET expires_at = clock_timestamp()")
    with pytest.raises(Unauthenticated):
        identify(who.key)


def test_scopes_are_kept_in_one_order_and_once():
    issue(person(), scopes=["spend", "read", "spend"])
    assert sql("SELECT scopes FROM api_keys WHERE name = 'second'") == [(["read", "spend"],)]


def test_the_database_knows_the_scopes_too():
    person()
    assert refusal("UPDATE api_keys SET scopes = '{admin}'") == "api_keys_scopes_check"
    assert refusal("UPDATE api_keys SET scopes = '{}'") == "api_keys_scopes_check"


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\tb"])
def test_keys_are_named_like_users(name: str):
    who = person()
    with unchanged(), pytest.raises(Invalid):
        issue(who, name)


def test_only_live_keys_count_towards_the_limit(monkeypatch):
    monkeypatch.setattr(keys, "KEYS_MAX", 3)
    who = person()
    issue(who, "revoked")
    issue(who, "run out")
    with pytest.raises(TooManyKeys):
        issue(who)
    sql("UPDATE api_keys SET revoked_at = now() WHERE name = 'revoked'")
    sql("UPDATE api_keys SET expires_at = now() WHERE name = 'run out'")
    issue(who)
    issue(who)
    with pytest.raises(TooManyKeys):
        issue(who)
