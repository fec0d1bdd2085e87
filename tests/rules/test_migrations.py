"""The chain of migrations builds exactly what schema.py and guards.sql describe."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import create_engine, make_url, text

from models import db, events, migrate
from models.schema import GUARDS, Base
from models.states import TERMINAL
from tests.models.stages import drop_in
from tests.support import violations
from workers import embedded


def dump(url: str, binaries: Path) -> list[str]:
    """The schema of a database as text, without what differs from run to run."""
    dumping = subprocess.run(
        [binaries / "pg_dump", "--schema-only", "--no-owner", "--exclude-table=alembic_version", url],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = dumping.stdout.splitlines()
    return [line for line in lines if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


def seeds(url: str) -> list[object]:
    """The rows that a new database comes with."""
    with closing(psycopg2.connect(url)) as connection, closing(connection.cursor()) as cursor:
        found = []
        for table in ("job_transitions", "payment_transitions", "transfer_routes", "accounts"):
            cursor.execute(f"SELECT to_jsonb(t) FROM {table} t ORDER BY to_jsonb(t)")
            found.append(cursor.fetchall())
        return found


@pytest.fixture
def fresh(database: str) -> Iterator[str]:
    """Another database, built from schema.py and guards.sql alone."""
    name = f"{database.rpartition('/')[2]}_fresh"
    admin = db.engine().execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(f"{database}_fresh")
    engine = create_engine(url.set(drivername=db.engine().url.drivername))
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(GUARDS)  # past SQLAlchemy, which would read its % as parameters
    engine.dispose()
    yield f"{database}_fresh"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_migrations_equal_the_schema(database: str, fresh: str, tmp_path: Path):
    binaries = embedded.postgres_binaries(tmp_path)
    migrated = dump(database, binaries)
    assert dump(fresh, binaries) == migrated
    assert seeds(fresh) == seeds(database)
    assert len(migrated) > 300


def test_migrating_twice_changes_nothing(database: str):
    assert migrate.upgrade() == (migrate.head(), migrate.head())
    assert migrate.current() == migrate.head()


def test_drops_that_ended_before_there_were_events_are_told_of(database: str):
    file = Path(migrate.__file__).parent / "migrations" / "versions" / "0005_audits.sql"
    backfill = file.read_text().partition("-- Drops that ended before")[2].partition("-- A drop ends once")[0]
    for status in TERMINAL:
        drop_in(status)
    told = "SELECT job_id, kind, data FROM events WHERE kind = ANY(:kinds) ORDER BY job_id"
    with db.engine().begin() as connection:
        # The names of agents came to events later.
        connection.execute(text("ALTER TABLE events DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE events SET data = data - 'agent_name'"))
        before = list(connection.execute(text(told), {"kinds": list(events.LAST)}))
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM events"))
        for _ in range(2):
            connection.exec_driver_sql(f"--{backfill}")
        assert list(connection.execute(text(told), {"kinds": list(events.LAST)})) == before
    assert len(before) == len(TERMINAL)
    assert violations() == []
