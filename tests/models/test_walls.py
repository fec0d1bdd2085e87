"""Walls that are down are missed by name, however they came down."""

import pytest

from models import db, walls
from tests.models.stages import sql

pytestmark = pytest.mark.usefixtures("database")

FELLED = {
    "DROP TRIGGER jobs_guard ON jobs": ["trigger jobs_guard"],
    "ALTER TABLE jobs DISABLE TRIGGER jobs_guard": ["trigger jobs_guard"],
    "ALTER TABLE jobs ENABLE REPLICA TRIGGER jobs_guard": ["trigger jobs_guard"],
    "DROP INDEX transfers_one_end": ["index transfers_one_end"],
    "DROP INDEX events_last; CREATE INDEX events_last ON events (job_id)": ["index events_last"],
    "ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check": ["constraint accounts_balance_check"],
    "ALTER TABLE claims DROP CONSTRAINT claims_agent": ["constraint claims_agent"],
    "CREATE OR REPLACE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$": [
        "function kept"
    ],
    "INSERT INTO job_transitions VALUES ('failed', 'open')": ["move failed to open"],
    "DELETE FROM job_transitions WHERE to_status = 'verified'": ["move completed to verified"],
    "ALTER TABLE names DISABLE TRIGGER names_guard": ["trigger names_guard"],
    "ALTER TABLE agents DROP CONSTRAINT agents_name": ["constraint agents_name"],
    "ALTER TABLE jobs DROP CONSTRAINT jobs_prompt_seen_check": ["constraint jobs_prompt_seen_check"],
    "DROP VIEW audit_transfers": ["view audit_transfers"],
}


def down() -> list[str]:
    with db.transaction() as session:
        return walls.down(session)


def test_all_walls_of_a_new_database_stand():
    assert down() == []


@pytest.mark.parametrize("blow", FELLED)
def test_a_wall_that_is_down_is_missed(blow: str):
    sql(blow)
    assert down() == FELLED[blow]


def test_an_audit_that_asks_less_is_missed():
    view = "CREATE OR REPLACE VIEW audit_violations(rule, detail) AS SELECT 'fee'::text, ''::text WHERE false"
    sql(view)
    assert {"rule payee", "rule ranks"} <= set(down())
    assert "rule fee" not in down()


def test_foreign_keys_that_nobody_keeps_are_missed():
    sql("ALTER TABLE submissions DISABLE TRIGGER ALL")
    assert {"trigger submissions_guard", "constraint submissions_slot"} <= set(down())
