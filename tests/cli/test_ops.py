"""`clorp migrate` and `clorp audit`."""

import json

import pytest
from sqlalchemy import text

from models import db, migrate
from tests.support import person, post, steal

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def empty(database: str) -> str:
    """A database with nothing in it."""
    with db.transaction() as session:
        session.execute(text("DROP SCHEMA public CASCADE"))
        session.execute(text("CREATE SCHEMA public"))
    return database


def test_a_database_of_this_version_needs_nothing(clorp):
    result = clorp("migrate")
    assert (result.exit_code, result.output) == (0, f"already at {migrate.head()}\n")


@pytest.mark.usefixtures("empty")
def test_an_empty_database_gets_everything(clorp):
    result = clorp("migrate")
    assert (result.exit_code, result.output) == (0, f"migrated from nothing to {migrate.head()}\n")
    assert clorp("migrate").output.startswith("already at")
    assert clorp("admin", "user", "ann").exit_code == 0


def test_clean_books_end_with_0(clorp):
    post(person(500), price_cents=200)
    result = clorp("audit")
    assert result.exit_code == 0
    assert "clean: every promise about money holds" in result.output
    assert "2 transfers" in result.output


def test_clean_books_are_told_to_scripts(clorp):
    post(person(500), price_cents=200)
    result = clorp("audit", "--json")
    told = json.loads(result.output)
    assert result.exit_code == 0
    assert told["clean"] is True
    assert told["violations"] == []
    assert (told["transfers"], told["totals"]["wallet"], told["totals"]["escrow"]) == (2, 300, 200)
    assert sum(told["totals"].values()) == 0


def test_a_broken_promise_is_named_and_ends_with_1(clorp):
    steal(person(500))
    result = clorp("audit")
    assert result.exit_code == 1
    assert "broken promises" in result.output
    rules = {broken["rule"] for broken in json.loads(clorp("audit", "--json").output)["violations"]}
    assert rules
    assert all(rule in result.output for rule in rules)


def test_a_broken_promise_is_told_to_scripts(clorp):
    steal(person(500))
    result = clorp("audit", "--json")
    told = json.loads(result.output)
    assert (result.exit_code, told["clean"]) == (1, False)
    assert all(broken["rule"] and broken["detail"] for broken in told["violations"])
