"""Bringing a database to the schema of this code: `upgrade`, and how far it is: `pending`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models.db import engine
from models.locks import Lock


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
    """
    with engine().begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(Lock.MIGRATE)})
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(_config(connection), "head")
        return before, MigrationContext.configure(connection).get_current_revision()
