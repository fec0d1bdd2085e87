"""One real PostgreSQL and one real Redis-compatible server per run; a fresh database per test.

The first process of a run starts the servers, before pytest-xdist forks off the others, which
find them in the environment. A template database is migrated once and copied for each test.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from cryptography.fernet import Fernet
from flask.testing import FlaskClient

from models import db, migrate
from models.settings import settings

ROOM_BYTES = 2 * 1024**3

_running = ExitStack()
_SERVER, _REDIS = "CLORP_TEST_SERVER_URL", "CLORP_TEST_REDIS_URL"
_TEMPLATE = "clorp_template"


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    from workers import embedded

    folder = _running.enter_context(tempfile.TemporaryDirectory(prefix="clorp-tests-", dir=_fastest()))
    servers = _running.enter_context(embedded.servers(Path(folder), durable=False))
    os.environ[_SERVER] = servers.database_url
    os.environ[_REDIS] = servers.redis_url
    os.environ["CLORP_RATE_LIMITS"] = "off"  # a run is thousands of requests; see test_limits
    _sql(f"CREATE DATABASE {_TEMPLATE}")
    _use(_TEMPLATE)
    migrate.upgrade()
    _leave()


def pytest_unconfigure(config: pytest.Config) -> None:
    _running.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `xdist_group` count: pytest-xdist 3.8 writes it where pytest 9.2 no longer reads."""
    for item in items:
        if grouped := getattr(item, "_nodeid", None):
            item._id = type(item._id).parse(grouped)  # type: ignore[attr-defined]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database, in use by this process; gives its URL."""
    name = f"test_{uuid4().hex}"
    _sql(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    monkeypatch.setenv("CLORP_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("CLORP_DATA", str(tmp_path / "clorp"))  # made by what writes there first
    yield _use(name)
    _leave()
    _sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def http(database: str) -> Iterator[FlaskClient]:
    """The API, called without a network. Whatever it answers has to stand in its own documentation."""
    from tests.web.documented import undocumented
    from web.app import create_app

    app = create_app()
    found = undocumented(app)
    yield app.test_client()
    assert found == []


@pytest.fixture
def settle(database: str, monkeypatch: pytest.MonkeyPatch):
    """Sets settings for one test: `settle(max_claims=2)`."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"CLORP_{name.upper()}", str(value))
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


def _use(database: str) -> str:
    url = os.environ[_SERVER].rsplit("/", 1)[0] + "/" + database
    os.environ["CLORP_DATABASE_URL"] = url
    os.environ["CLORP_REDIS_URL"] = os.environ[_REDIS]
    settings.cache_clear()
    return url


def _leave() -> None:
    if db.engine.cache_info().currsize:
        db.engine().dispose()
        db.engine.cache_clear()


def _fastest() -> str | None:
    """A folder in memory where there is room for one: copying databases is most of a run."""
    memory = "/dev/shm"
    return memory if os.path.isdir(memory) and shutil.disk_usage(memory).free > ROOM_BYTES else None


def _sql(statement: str) -> None:
    with closing(psycopg2.connect(os.environ[_SERVER])) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute(statement)
