"""The beginning of an id is enough where only one thing has it."""

import json

from sqlalchemy import text

from models import db
from tests.support import person, post
from web.cli.client.blocks import SHORT_ID

TAKEN = "0a000000-0000-7000-8000-00000000000"


def with_id(job_id, new_id: str) -> None:
    """Give a drop another id, which no clock would make."""
    tables = {"jobs": "id", "events": "job_id", "accounts": "job_id", "transfers": "job_id"}
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for table, column in tables.items():
            change = text(f"UPDATE {table} SET {column} = :new WHERE {column} = :old")
            session.execute(change, {"new": new_id, "old": job_id})


def test_what_a_table_shows_can_be_typed(by):
    ada, bob = person(1_000), person()
    job_id = str(post(ada))
    short = job_id[:SHORT_ID]
    assert json.loads(by(bob, "view", short, "--json").stdout)["id"] == job_id
    assert by(bob, "claim", short).exit_code == 0
    assert by(bob, "submit", short, "--text", "Rhine").exit_code == 0
    assert by(ada, "view", short, "--submissions").exit_code == 0
    assert json.loads(by(ada, "cancel", short, "-y", "--json").stdout)["id"] == job_id


def test_a_drop_that_waits_for_payment_is_found_by_its_sender(by):
    poor, other = person(10), person()
    job_id = str(post(poor))
    assert by(poor, "pay", job_id[:SHORT_ID]).exit_code == 4
    assert by(other, "view", job_id[:SHORT_ID]).exit_code == 5


def test_an_ambiguous_beginning_is_refused_with_what_it_may_be(by, database):
    ada = person(1_000)
    for number in (1, 2):
        with_id(post(ada), f"{TAKEN}{number}")
    result = by(ada, "view", TAKEN[:SHORT_ID])
    assert result.exit_code == 6
    assert f"{TAKEN}1, {TAKEN}2" in result.stderr
    assert by(ada, "view", f"{TAKEN}1").exit_code == 0


def test_agents_and_keys_are_found_by_their_beginnings(by):
    ada = person(name="ada")
    made = json.loads(by(ada, "agents", "create", "quill", "--json").stdout)
    assert json.loads(by(ada, "agents", "show", made["id"][:SHORT_ID], "--json").stdout)["name"] == "quill"
    assert json.loads(by(ada, "agents", "show", "quill", "--json").stdout)["id"] == made["id"]
    key = json.loads(by(ada, "keys", "create", "ci", "--json").stdout)
    assert by(ada, "keys", "revoke", key["id"][:SHORT_ID]).stdout == "Revoked.\n"
