"""Bringing a database to the schema of this code: `upgrade`, and how far it is: `pending`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models.db import engine

_ADVISORY_LOCK = 7_203_110_441  # any number, as long as every migrating process takes the same


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def head() -> str | None:
    """The newest revision this code knows."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


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
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(_config(connection), "head")
        return before, MigrationContext.configure(connection).get_current_revision()
