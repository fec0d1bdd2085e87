"""`clorp admin`: users and their money."""

import json
import re

import pytest

from models import db, keys, ledger, views
from tests.payments import pay_in
from tests.support import Person, balance, books, person, unchanged, violations

pytestmark = pytest.mark.usefixtures("database")


def owner(key: str) -> tuple[str, int]:
    with db.transaction() as session:
        user_id = keys.identify(session, key).user_id
        return views.user(session, user_id).name, ledger.balance(session, user_id)


def test_a_new_user_gets_a_key_that_works(clorp):
    result = clorp("admin", "user", "ann", "--credit", 1000)
    assert result.exit_code == 0
    assert re.search(r"^user +ann\nid +\S{36}\nbalance +\$10\.00\n", result.output)
    key = re.search(r"^api key +(\S+)$", result.output, re.MULTILINE)
    assert key
    assert owner(key[1]) == ("ann", 1000)


def test_a_script_gets_one_json_object(clorp):
    result = clorp("admin", "user", "  bo  ", "--json")
    told = json.loads(result.output)
    assert list(told) == ["id", "name", "api_key"]
    assert owner(told["api_key"]) == (told["name"], 0) == ("bo", 0)


def test_only_the_hash_of_the_key_is_kept(clorp):
    key = json.loads(clorp("admin", "user", "ann", "--json").output)["api_key"]
    assert key not in str(books())


def test_a_name_that_is_taken_is_refused(clorp):
    person(name="ann")
    with unchanged():
        result = clorp("admin", "user", "ann", "--credit", 5)
    assert (result.exit_code, result.output) == (
        1,
        "Error: That name is taken: it looks like another name here. Choose another.\n",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "must have a visible character"),
        ("   ", "must have a visible character"),
        ("\u2800", "must have a visible character"),
        ("a\tb", "must not contain U+0009: it is invisible or unassigned there; remove it"),
        ("x" * 81, "must have at most 80 characters"),
        ("a" + "\u0301" * 60, "must have at most 4 combining marks on a character, and none without one"),
    ],
)
def test_a_name_that_nobody_could_read_is_refused(clorp, name, reason):
    with unchanged():
        result = clorp("admin", "user", name)
    assert (result.exit_code, result.output) == (1, f"Error: The name {reason}.\n")


@pytest.mark.parametrize("name", ["日本", "O'Neil; DROP TABLE users", "{name}", "x" * 80])
def test_any_other_name_will_do(clorp, name):
    assert json.loads(clorp("admin", "user", name, "--json").output)["name"] == name


def test_credit_arrives(clorp):
    ann = person(5, name="ann")
    result = clorp("admin", "credit", "ann", 995)
    assert (result.exit_code, result.output) == (0, "ann now has $10.00\n")
    assert balance(ann) == 1000
    assert violations() == []


def test_a_user_is_found_by_a_name_that_looks_like_theirs(clorp):
    ann = person(5, name="Ann")
    for name in ("ann", "\u0410nn", "ＡＮＮ"):
        assert clorp("admin", "credit", name, 5).output.startswith("Ann now has")
    assert clorp("admin", "key", "ANN").exit_code == 0
    assert balance(ann) == 20
    with unchanged():
        assert clorp("admin", "credit", "anna", 5).output == "Error: There is no user called 'anna'.\n"
        refused = clorp("admin", "user", "\u0410nn")
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: That name is taken: it looks like another name here. Choose another.\n",
    )


def test_every_credit_counts(clorp):
    ann = person(name="ann")
    for _ in range(2):
        told = json.loads(clorp("admin", "credit", "ann", 7, "--json").output)
    assert told == {"id": str(ann.id), "name": "ann", "balance_cents": 14}


def test_no_play_money_is_added_to_real_money(clorp):
    pay_in(person(name="ann"))
    for command in (("credit", "ann", 500), ("user", "bo", "--credit", 500)):
        with unchanged():
            result = clorp("admin", *command)
        assert result.exit_code == 1
        assert "There is real money in this database" in result.output
    assert clorp("admin", "user", "bo").exit_code == 0


def test_where_real_money_is_meant_to_move_no_play_money_begins(clorp, settle):
    person(name="ann")
    settle(payments="stripe")
    for command in (("credit", "ann", 500), ("user", "bo", "--credit", 500)):
        with unchanged():
            result = clorp("admin", *command)
        assert result.exit_code == 1
        assert "is play money" in result.output


def test_nobody_of_that_name_is_said(clorp):
    with unchanged():
        result = clorp("admin", "credit", "nobody", 1)
    assert (result.exit_code, result.output) == (1, "Error: There is no user called 'nobody'.\n")


@pytest.fixture
def ann() -> Person:
    return person(name="ann")


@pytest.mark.parametrize("cents", ["0", "-1", "1.5", "ten", "", "1e3", "inf", str(10**12 + 1)])
def test_what_is_no_amount_moves_nothing(clorp, ann, cents):
    with unchanged():
        assert clorp("admin", "credit", "ann", cents).exit_code == 2
        if cents != "0":
            assert clorp("admin", "user", "bo", "--credit", cents).exit_code == 2


# Keys ------------------------------------------------------------------------------------------


def test_a_further_key_works(clorp, ann):
    result = clorp("admin", "key", "ann")
    assert result.exit_code == 0
    assert re.search(r"^user +ann\nid +\S{36}\nscopes +read work spend\n", result.output)
    key = re.search(r"^api key +(\S+)$", result.output, re.MULTILINE)
    assert key
    assert key[1] != ann.key
    assert owner(key[1]) == owner(ann.key)


def test_a_further_key_may_do_less(clorp, ann):
    told = json.loads(clorp("admin", "key", "ann", "--scope", "work", "--scope", "read", "--json").output)
    assert list(told) == ["id", "name", "prefix", "scopes", "api_key"]
    assert (told["name"], told["scopes"]) == ("admin", ["read", "work"])
    with db.transaction() as session:
        assert keys.identify(session, told["api_key"]).scopes == {"read", "work"}


def test_a_scope_that_there_is_not_is_refused(clorp, ann):
    with unchanged():
        assert clorp("admin", "key", "ann", "--scope", "everything").exit_code == 2


def test_nobody_gets_no_key(clorp):
    with unchanged():
        result = clorp("admin", "key", "nobody")
    assert (result.exit_code, result.output) == (1, "Error: There is no user called 'nobody'.\n")


def test_there_is_a_limit_on_keys_for_the_operator_too(clorp, ann, monkeypatch):
    monkeypatch.setattr(keys, "KEYS_MAX", 1)
    with unchanged():
        result = clorp("admin", "key", "ann")
    assert result.exit_code == 1
    assert "as many keys as allowed" in result.output


def test_a_user_may_begin_with_nothing(clorp, database):
    made = clorp("admin", "user", "bo", "--credit", "0")
    assert made.exit_code == 0
    assert "balance  $0.00" in made.stdout
