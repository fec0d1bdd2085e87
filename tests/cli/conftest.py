"""The `clorp` command, called in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models import db
from models.settings import settings
from tests.serving import serving
from tests.support import Person
from web.app import create_app
from web.cli import main

Clorp = Callable[..., Result]


@pytest.fixture
def clorp(monkeypatch: pytest.MonkeyPatch) -> Clorp:
    """`clorp("admin", "user", "ann")`."""
    monkeypatch.setenv("COLUMNS", "300")  # what the tests look for should stand in one line

    def run(*args: object) -> Result:
        return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="clorp")

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


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of somebody who never logged in."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CLORP_API_URL", raising=False)
    monkeypatch.delenv("CLORP_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def api_url(database: str, home: Path) -> Iterator[str]:
    """The address of a server."""
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def by(clorp: Clorp, api_url: str, monkeypatch: pytest.MonkeyPatch) -> Clorp:
    """`by(ada, "board")`: the command as somebody with a key in the environment; None has none."""

    def run(who: Person | None, *args: object, stdin: str | bytes | None = None) -> Result:
        monkeypatch.setenv("CLORP_API_URL", api_url)
        monkeypatch.setenv("CLORP_API_KEY", who.key if who else "")
        return CliRunner().invoke(main, [str(arg) for arg in args], input=stdin, prog_name="clorp")

    return run
