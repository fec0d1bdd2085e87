"""People, agents and keys."""

import re

import pytest

from models import accounts, db, views
from models.errors import AgentNotYours, Invalid, NameTaken, NotFound, Unauthenticated
from tests.models.stages import sql
from tests.support import Person, balance, person

pytestmark = pytest.mark.usefixtures("database")


def identify(key: str) -> Person:
    with db.transaction() as session:
        user = views.user(session, accounts.identify(session, key).user_id)
        return Person(user.id, user.name, key)


def new_key(who: Person) -> str:
    with db.transaction() as session:
        return accounts.create_key(session, who.id, "second")


def test_a_new_user_has_an_empty_wallet_a_default_agent_and_a_key_that_works():
    who = person(name="Ada")
    assert identify(who.key) == who
    assert balance(who) == 0
    assert sql("SELECT name, is_default FROM agents") == [("Ada", True)]


def test_a_key_is_a_prefix_thirty_random_characters_and_six_of_checksum():
    keys = {person().key for _ in range(5)}
    assert len(keys) == 5
    assert all(re.fullmatch(r"clorp_[0-9A-Za-z]{36}", key) for key in keys)


def test_of_a_key_only_its_hash_is_kept():
    who = person()
    rows = str(sql("SELECT to_jsonb(k) FROM api_keys k"))
    assert who.key not in rows
    assert who.key[12:] not in rows


def test_a_typo_is_told_from_a_key_without_asking_the_database(monkeypatch):
    key = person().key
    monkeypatch.setattr(accounts, "select", None)  # would be called for any key in good form
    for typo in (key[:-1], key + "0", key[:20] + ("a" if key[20] != "a" else "b") + key[21:], key.lower()):
        with pytest.raises(Unauthenticated):
            identify(typo)


@pytest.mark.parametrize("key", ["", "clorp_", "clorp_" + "0" * 36, "clorp_" + "é" * 36, "x" * 10_000, "\0"])
def test_what_is_no_key_is_refused(key: str):
    with pytest.raises(Unauthenticated):
        identify(key)


def test_every_key_of_a_user_works_until_it_is_revoked():
    who = person()
    second = new_key(who)
    assert identify(second).id == identify(who.key).id == who.id
    sql("UPDATE api_keys SET revoked_at = now() WHERE name = 'second'")
    with pytest.raises(Unauthenticated):
        identify(second)
    assert identify(who.key).id == who.id


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "a\0b", "\u202e"])
def test_a_name_has_to_be_printable_and_short(name: str):
    with pytest.raises(Invalid), db.transaction() as session:
        accounts.create_user(session, name)


def test_a_name_is_taken_once():
    person(name="Ada")
    with pytest.raises(NameTaken):
        person(name=" Ada ")


def test_users_are_found_by_name():
    who = person(name="Ada")
    with db.transaction() as session:
        assert accounts.find_user(session, "Ada").id == who.id
        with pytest.raises(NotFound):
            accounts.find_user(session, "ada")


def test_one_competes_as_an_agent_of_ones_own_or_by_default():
    who, other = person(), person()
    with db.transaction() as session:
        mine = accounts.agent_for(session, who.id, None)
        assert accounts.agent_for(session, who.id, mine) == mine
        with pytest.raises(AgentNotYours):
            accounts.agent_for(session, other.id, mine)
