"""A whole system in the background: real processes, its own servers, its own folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import db
from web.cli.background import System, running
from web.cli.servers import use


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-journey-") as folder:
        with running(
            Path(folder), {"CLORP_TIME_LIMIT_MIN_SECONDS": "1", "CLORP_RATE_LIMITS": "off"}
        ) as started:
            use(CLORP_DATABASE_URL=started.servers.database_url)
            yield started
        db.engine().dispose()
        db.engine.cache_clear()
