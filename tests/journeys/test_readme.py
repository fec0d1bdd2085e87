"""What the README prints works as it is printed, line by line."""

import re
import sys
from pathlib import Path

import pytest

from tests.journeys.people import crowded
from tests.journeys.printed import LONG_SECONDS, bash, block, replaced
from tests.rules.source import ROOT
from tests.support import violations
from web.cli.background import System

pytestmark = pytest.mark.xdist_group("system")

README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder in which `.venv/bin` is where the README says it is."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(BIN)
    (tmp_path / "home").mkdir()
    return tmp_path


WALKED = "Write a Python function that reverses the words of a sentence."


def test_two_users_trade_a_drop_in_the_terminal(system: System, clone: Path) -> None:
    lines = block(README, "## From the command line", "sh")
    with crowded(system, WALKED):
        walk = bash(replaced(lines, "--time 2m", "--time 1h"), clone, CLORP_API_URL=system.api_url)
    assert walk.returncode == 0, walk.stdout + walk.stderr
    assert walk.stdout.count("clorp_") == 2  # each key once
    assert "def reverse_words(sentence)" in (clone / "result/output.txt").read_text()
    assert re.search(r"^balance\t\$3\.00$", walk.stdout, re.MULTILINE)
    assert violations() == []


def test_the_walk_in_curl_works_as_printed(system: System, clone: Path) -> None:
    script = block(README, "## A drop from post to payout", "sh")
    script = replaced(script, "http://127.0.0.1:8000", system.api_url)
    script = replaced(script, r"\"time_limit_seconds\": 60", rf"\"time_limit_seconds\": {LONG_SECONDS}")
    for name in ("ada", "bob"):  # the other walk has those
        script = replaced(script, f"admin user {name}", f"admin user {name}-of-curl")
    with crowded(system, WALKED):
        walk = bash(script, clone, CLORP_DATA=str(system.data))
    assert walk.returncode == 0, walk.stdout + walk.stderr
    assert '"status":"verified"' in walk.stdout
    assert '"balance_cents":300' in walk.stdout
    assert "every promise about money holds" in walk.stdout
