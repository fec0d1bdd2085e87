"""Databases that are as new: copies of a migrated one, emptied after each test and used again.

A new copy costs more than most tests. Whatever cannot be put back, such as a changed schema, makes the next
test begin with one all the same.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg2

from models import migrate

SERVER = "CLORP_TEST_SERVER_URL"
TEMPLATE = "clorp_template"
USES_MAX = 100  # what is deleted stays in the tables' files for a while

# Everything that changes a schema adds or rewrites a row in one of these.
_CATALOGS = {
    "pg_class": "oid",
    "pg_attribute": "attrelid",
    "pg_constraint": "oid",
    "pg_trigger": "oid",
    "pg_proc": "oid",
}
_OURS = 16_384  # the first number that PostgreSQL gives to what is not its own
_SCHEMA = "SELECT " + ", ".join(
    f"(SELECT concat(count(*), ' ', max(xmin::text::bigint)) FROM {catalog} WHERE {key} >= {_OURS})"
    for catalog, key in _CATALOGS.items()
)
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
# Who is still at work may yet commit, and is waited for.
_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
"""


@dataclass
class Copy:
    """A database, and what makes it as new."""

    name: str = field(default_factory=lambda: f"test_{uuid4().hex}")
    uses: int = 0

    def __post_init__(self) -> None:
        # The other strategy writes every page to the log, too.
        execute(f"CREATE DATABASE {self.name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        self._connect()
        self._schema = self._rows(_SCHEMA)
        self._emptying = "; ".join(self._statements())

    @property
    def url(self) -> str:
        return address(self.name)

    def empty(self) -> bool:
        """Put everything back; False where that cannot be done."""
        self.uses += 1
        if self.uses >= USES_MAX:
            return False
        try:
            self._rows(_END_OTHERS)
        except psycopg2.OperationalError:  # a test has ended all connections, ours too
            self._connect()
            self._rows(_END_OTHERS)
        if self._rows(_SCHEMA) != self._schema:
            return False
        self._rows(self._emptying)
        return True

    def remove(self) -> None:
        self._connection.close()
        execute(f"DROP DATABASE {self.name} WITH (FORCE)")

    def _connect(self) -> None:
        # A test may have stored timeouts with the role.
        self._connection = psycopg2.connect(self.url, options="-c statement_timeout=0 -c lock_timeout=0")
        self._connection.autocommit = True

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def _statements(self) -> Iterator[str]:
        """One transaction together, after which only the rows are there that are there now."""
        # No trigger forbids it, and no reference stands in the way.
        yield "SET LOCAL session_replication_role = replica"
        for (table,) in self._rows(_TABLES):
            yield f"DELETE FROM {table}"
            ((rows,),) = self._rows(f"SELECT quote_literal(json_agg(t)) FROM {table} t")
            if rows:
                values = f"json_populate_recordset(NULL::{table}, {rows})"
                yield f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {values}"
        yield "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"


def make_template() -> None:
    """What all are copied from; the settings have to name it."""
    execute(f"CREATE DATABASE {TEMPLATE}")
    migrate.upgrade()


def address(database: str) -> str:
    """The URL of a database on the tests' server."""
    return os.environ[SERVER].rsplit("/", 1)[0] + "/" + database


def execute(statement: str) -> None:
    """Run a statement outside of all transactions and all of these databases."""
    with closing(psycopg2.connect(os.environ[SERVER])) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute(statement)
