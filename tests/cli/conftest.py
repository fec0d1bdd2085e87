"""The `clorp` command, called in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models import db
from models.settings import settings
from web.cli import main

Clorp = Callable[..., Result]


@pytest.fixture
def clorp(monkeypatch: pytest.MonkeyPatch) -> Clorp:
    """`clorp("admin", "user", "ann")`."""
    monkeypatch.setenv("COLUMNS", "200")  # what the tests look for should stand in one line

    def run(*args: object) -> Result:
        return CliRunner().invoke(main, [str(arg) for arg in args])

    return run


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """No servers in the settings; what a command sets is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)  # away from any .env
    for name in ("CLORP_DATABASE_URL", "CLORP_REDIS_URL", "CLORP_ENCRYPTION_KEYS", "CLORP_DATA"):
        monkeypatch.setenv(name, "")
    _forget()
    yield monkeypatch
    _forget()
    monkeypatch.undo()
    settings.cache_clear()


def _forget() -> None:
    settings.cache_clear()
    if db.engine.cache_info().currsize:
        db.engine().dispose()
        db.engine.cache_clear()
