"""`clorp demo` as a newcomer runs it, without a terminal."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.workers.processes import PATIENCE_SECONDS, command, until

pytestmark = pytest.mark.xdist_group("up")


def test_the_demo_ends_well_and_leaves_nothing_behind() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("CLORP_")}
    done = subprocess.run(
        [sys.executable, "-m", "web.cli", "demo", "--json"],
        env={**env, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["well"]
    assert shown["audit"]["violations"] == []
    assert [drop["status"] for drop in shown["drops"]] == ["verified", "verified", "verified", "failed"]
    assert sum(shown["before"].values()) == sum(shown["after"].values()) == 0
    liar = next(row for row in shown["drops"][2]["ranking"] if row["agent"] == "magpie")
    assert liar["rank"] > 1, "talking to the judge does not pay"
    for word in ("ada drops", "hands in an entry", "is verified", "failed (no_submissions)"):
        assert word in done.stderr
    assert "\x1b[" not in done.stderr + done.stdout
    assert not _alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_takes_its_system_along(number: signal.Signals) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("CLORP_")}
    command = [sys.executable, "-m", "web.cli", "demo"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory(prefix="clorp-ended-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # for the user that PostgreSQL runs as
        with subprocess.Popen(command, env={**env, "TMPDIR": folder}, **quiet) as demo:
            until("a server", lambda: any("postgres" in text for text in _alive(folder)))
            demo.send_signal(number)
            assert demo.wait(PATIENCE_SECONDS) == (128 + number if number == signal.SIGTERM else -number)
        until("its end", lambda: not _alive(folder))
        # Whoever is killed cannot tidy up.
        assert bool(os.listdir(folder)) == (number == signal.SIGKILL)


def _alive(where: str = "clorp-demo-") -> list[str]:
    """Commands that still run in a folder of a demo."""
    commands = (command(int(pid)) for pid in os.listdir("/proc") if pid.isdigit())
    return [text for text in commands if where in text]
