"""A whole system in the background: real processes, its own servers, its own folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import db
from web.cli.background import System, running
from web.cli.servers import use

SETTINGS = {"CLORP_TIME_LIMIT_MIN_SECONDS": "1", "CLORP_RATE_LIMITS": "off"}


@pytest.fixture(scope="session")
def started() -> Iterator[System]:
    """One for all journeys that only use it, or kill parts of it.

    Mark them `xdist_group("system")`, those that start their own "up": no more than two run at once.
    """
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    folder = tempfile.TemporaryDirectory(prefix="clorp-journey-")
    with folder, running(Path(folder.name), SETTINGS) as system:
        yield system


@pytest.fixture
def system(started: System) -> Iterator[System]:
    """The system, with its database in use by this process."""
    use(CLORP_DATABASE_URL=started.servers.database_url)
    yield started
    db.engine().dispose()
    db.engine.cache_clear()
