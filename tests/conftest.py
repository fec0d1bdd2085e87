"""Each process that runs tests has a real PostgreSQL and a real Redis-compatible server of its own.

The first process of a run starts them, which also ends them whatever becomes of the others. No two share
a server: what waits for older transactions, as a stream of all drops does, waits for nobody else's.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from models import db, health
from models.settings import settings
from tests import buckets, databases, skips, stripe_double
from tests.databases import Copy

ROOM_BYTES = 2 * 1024**3

_running = ExitStack()
_REDIS = "CLORP_TEST_REDIS_URL"
_copies: list[Copy] = []  # at most one: that of the last test, as new


# On a busy machine any example may take long, and so may making one.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    # A run starts hundreds of processes of ours: let the first compile for all.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    skips.pytest_configure(config)
    if config.option.collectonly or getattr(config.option, "tx", None):
        return  # nothing runs here
    given = getattr(config, "workerinput", {}).get("servers")
    os.environ[databases.SERVER], os.environ[_REDIS] = given or _servers()
    os.environ["CLORP_RATE_LIMITS"] = "off"  # a run is thousands of requests; see test_limits
    _use(databases.address(databases.TEMPLATE))
    databases.make_template()
    _leave()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of pytest-xdist, about each process that is to run tests."""
    node.workerinput["servers"] = _servers()


def _servers() -> tuple[str, str]:
    """Start both; gives their URLs."""
    from workers import embedded

    folder = _running.enter_context(tempfile.TemporaryDirectory(prefix="clorp-tests-", dir=_fastest()))
    started = _running.enter_context(embedded.servers(Path(folder), durable=False))
    return started.database_url, started.redis_url


def pytest_unconfigure(config: pytest.Config) -> None:
    _running.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `xdist_group` count: pytest-xdist 3.8 writes it where pytest 9.2 no longer reads."""
    for item in items:
        if grouped := getattr(item, "_nodeid", None):
            item._id = type(item._id).parse(grouped)  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Whoever brings a database of its own finds no engine of the last test's."""
    if "database" not in getattr(item, "fixturenames", ()):
        _leave()


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database, in use by this process; gives its URL."""
    copy = _copies.pop() if _copies else Copy()
    monkeypatch.setenv("CLORP_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("CLORP_DATA", str(tmp_path / "clorp"))  # made by what writes there first
    monkeypatch.setattr(health, "_BEGUN", time.monotonic())  # as a new process, which has missed no audit
    _use(copy.url)
    engine = db.engine()
    yield copy.url
    _quieten()
    _leave(keep=engine)
    if copy.empty():
        _copies.append(copy)
    else:
        _leave()
        copy.remove()


@pytest.fixture
def http(database: str) -> Iterator[FlaskClient]:
    """The API, called without a network. Whatever it answers has to stand in its own documentation."""
    app, undocumented, pristine = _application(settings().trusted_proxies)
    yield app.test_client()
    for name in app.extensions.keys() - pristine:
        del app.extensions[name]
    found, undocumented[:] = undocumented[:], []
    assert found == []


@lru_cache
def _application(_trusted_proxies: int) -> tuple[Flask, list[str], frozenset[str]]:
    """All state is in PostgreSQL but for what it remembers beside, so one serves all tests of a process.

    Gives it with the list of its undocumented answers and the names of what it is made with.
    """
    from tests.web.documented import undocumented
    from web.app import create_app

    app = create_app()
    return app, undocumented(app), frozenset(app.extensions)


@pytest.fixture
def settle(database: str, monkeypatch: pytest.MonkeyPatch):
    """Sets settings for one test: `settle(max_claims=2)`."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"CLORP_{name.upper()}", str(value))
        settings.cache_clear()
        if "database_pool" in values:
            _leave()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, database: str) -> Iterator[stripe_double.Double]:
    """A Stripe of the test's own, where the settings say that Stripe is."""
    for name in buckets.PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLORP_PUBLIC_URL", "https://clorp.test")
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_of_ours")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", stripe_double.SECRET)
    with stripe_double.serving() as double:
        monkeypatch.setenv("CLORP_STRIPE_API_URL", double.url)
        yield double


def _use(url: str) -> None:
    os.environ["CLORP_DATABASE_URL"] = url
    os.environ["CLORP_REDIS_URL"] = os.environ[_REDIS]
    settings.cache_clear()
    import_module("celeryconfig")  # which reads that once: before a test sets another one


def _leave(keep: Engine | None = None) -> None:
    """Close all connections but those of an engine to keep, where none of them is still in use."""
    if db.engine.cache_info().currsize:
        engine = db.engine()
        if engine is not keep:
            db.engine.cache_clear()
        if engine is not keep or engine.pool.checkedout():
            engine.dispose()


def _quieten() -> None:
    """End the thread that looks for news: its next look would be at the database of another test."""
    watch = sys.modules.get("web.watch")
    if watch and (thread := watch._thread):
        watch.end()
        thread.join()
        watch._ending.clear()


def _fastest() -> str | None:
    """A folder in memory where there is room for one: copying databases is most of a run."""
    memory = "/dev/shm"
    return memory if os.path.isdir(memory) and shutil.disk_usage(memory).free > ROOM_BYTES else None
