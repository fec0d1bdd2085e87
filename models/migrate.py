"""Bringing a database to what this code needs: its schema, and the defaults of its role's sessions."""

from pathlib import Path

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from models import db
from models.db import engine
from models.locks import Lock


class Unusable(Exception):
    """A schema that this code cannot bring to its own; the sentence says what to do."""


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def knows(revision: str) -> bool:
    """Whether this code has that revision, and so can bring a database from there to its own schema."""
    return revision in {script.revision for script in _chain().walk_revisions()}


def head() -> str | None:
    """The newest revision this code knows."""
    return _chain().get_current_head()


def _chain() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def current() -> str | None:
    """The revision the database is at; None where nothing was migrated yet."""
    with engine().connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade() -> tuple[str | None, str | None]:
    """Run what is missing, in one transaction; safe from any number of processes at once.

    Returns:
        The revision before and after.

    Raises:
        Unusable: the role may not, or what is there is of a newer version or of something else.
        OperationalError: PostgreSQL is away.
    """
    try:
        with engine().begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(Lock.MIGRATE)})
            before = MigrationContext.configure(connection).get_current_revision()
            if before and not knows(before):
                raise Unusable(_NEWER.format(before, head()))
            command.upgrade(_config(connection), "head")
            return before, MigrationContext.configure(connection).get_current_revision()
    except (OperationalError, psycopg2.OperationalError):
        raise
    except (DBAPIError, psycopg2.Error) as error:  # the chain's SQL goes past SQLAlchemy
        closed = getattr(getattr(error, "orig", error), "pgcode", None) in _CLOSED
        raise Unusable((_NO_RIGHT if closed else _IN_THE_WAY).format(db.reason(error))) from error


_CLOSED = {"42501", "3F000"}  # to a role without any right in the schema there is none


_NEWER = (
    "The database is at schema {}, which this clorp does not know (its own is {}): update clorp, or name "
    "another database in CLORP_DATABASE_URL."
)
_NO_RIGHT = (
    "The role of CLORP_DATABASE_URL may not make or change the schema ({}): let it own the database, or "
    "GRANT it CREATE on the schema public and make it the owner of the tables there."
)
_IN_THE_WAY = (
    "The schema cannot be made, for what is in the database is not of clorp ({}): name an empty one in "
    "CLORP_DATABASE_URL."
)


# PostgreSQL writes each statement, for it knows how to quote; none where the default is stored already.
_STATEMENTS = text("""
    SELECT format('ALTER ROLE %I IN DATABASE %I SET %I = %L', current_user, current_database(), name, value)
    FROM unnest(CAST(:names AS text[]), CAST(:values AS text[])) AS wanted (name, value)
    WHERE NOT EXISTS (
        SELECT FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
        WHERE d.datname = current_database() AND setrole = current_user::regrole
        AND name || '=' || value = ANY(setconfig))""")


def set_defaults() -> list[str]:
    """Store with the role what its sessions in this database begin with, for those that a pooler opens.

    Returns:
        The statements that this role may not run; none where all is stored.
    """
    wanted = db.session_defaults()
    listed = {"names": list(wanted), "values": list(wanted.values())}
    statements: list[str] = []
    try:
        with engine().begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(Lock.MIGRATE)})
            statements += connection.scalars(_STATEMENTS, listed)
            for statement in statements:
                connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if not db.refuses(error):
            raise
        return statements
    return []
