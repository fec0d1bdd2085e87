"""A market is backed up while it runs, moved to another folder, and settles there what was open."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models import db
from tests.journeys.conftest import SETTINGS
from tests.journeys.people import Stranger, stranger
from tests.support import let_time_pass
from web.cli.background import running
from web.cli.servers import use

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-move-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)
        db.engine().dispose()
        db.engine.cache_clear()


def clorp(*args: object) -> dict[str, Any]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLORP_")}
    command = [sys.executable, "-m", "web.cli", *map(str, args), "--json"]
    done = subprocess.run(command, env=ours, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_market_moves_and_settles_what_was_open(folder):
    old, new, file = folder / "old", folder / "new", folder / "market.tar"
    with running(old, SETTINGS) as system:
        use(CLORP_DATABASE_URL=system.servers.database_url)
        sender, author = stranger(system, 500), stranger(system)
        job_id = sender.post("Name three rivers.", price_cents=100)
        author.submit(job_id, "1. Rhine\n2. Nile\n3. Amazon")
        told = clorp("backup", file, "--data", old)
        assert (told["counts"]["jobs"], told["counts"]["submissions"]) == (1, 1)
        sender.post("What comes after the backup is not in it.", price_cents=100)
        db.engine().dispose()
        db.engine.cache_clear()
    assert clorp("restore", file, "--data", new)["whole"] is True
    with running(new, SETTINGS) as system:
        use(CLORP_DATABASE_URL=system.servers.database_url)
        let_time_pass(UUID(job_id), 300)  # the window of the first system ends in the second
        there = Stranger(system, author.key)
        assert there.wait_for(job_id, "verified")["payout_cents"] == 100
        assert there.call("GET", "/api/wallet/balance")["balance_cents"] == 100
        assert Stranger(system, sender.key).call("GET", "/api/wallet/balance")["balance_cents"] == 400
        assert clorp("audit", "--data", new)["clean"] is True
