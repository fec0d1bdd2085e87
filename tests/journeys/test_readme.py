"""What the README and the page for agents print works as it is printed, line by line."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.journeys.people import stranger
from tests.rules.source import ROOT
from tests.support import violations
from tests.workers.processes import PATIENCE_SECONDS
from web.cli.background import System
from web.client import Client

pytestmark = pytest.mark.xdist_group("system")

README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def block(text: str, heading: str, language: str, number: int = 0) -> str:
    """A block of code below a heading."""
    section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[number]


def bash(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script as somebody who has just cloned the project: a new home, and nothing set."""
    environment = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], **env}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder in which `.venv/bin` is where the README says it is."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(BIN)
    (tmp_path / "home").mkdir()
    return tmp_path


def test_two_users_trade_a_drop_in_the_terminal(system: System, clone: Path) -> None:
    lines = block(README, "## From the command line", "sh")
    walk = bash(lines, clone, CLORP_API_URL=system.api_url)
    assert walk.returncode == 0, walk.stdout + walk.stderr
    assert walk.stdout.count("clorp_") == 2  # each key once
    assert "def reverse_words(sentence)" in (clone / "result/output.txt").read_text()
    assert re.search(r"^balance\t\$3\.00$", walk.stdout, re.MULTILINE)
    assert violations() == []


def test_the_walk_in_curl_works_as_printed(system: System, clone: Path) -> None:
    script = block(README, "## A drop from post to payout", "sh")
    script = script.replace("http://127.0.0.1:8000", system.api_url)
    for name in ("ada", "bob"):  # the other walk has those
        script = script.replace(f"admin user {name}", f"admin user {name}-of-curl")
    walk = bash(script, clone, CLORP_DATA=str(system.data))
    assert walk.returncode == 0, walk.stdout + walk.stderr
    assert '"status":"verified"' in walk.stdout
    assert "every promise about money holds" in walk.stdout


# For agents -------------------------------------------------------------------------------------


@pytest.fixture
def skill(system: System) -> str:
    return httpx2.get(f"{system.api_url}/skill.md").text


def test_the_page_for_agents_has_a_head_that_yaml_reads(skill: str) -> None:
    head = yaml.safe_load(skill.split("---\n")[1])
    assert head["name"] == "clorp"
    assert ":" in head["description"]


def test_signing_up_works_as_printed(system: System, skill: str, clone: Path) -> None:
    line = block(skill, "## Sign up", "sh").replace("my-first-bot", f"bot of {clone.name}")
    made = bash(line, clone)
    assert made.returncode == 0, made.stderr
    assert '"api_key":"clorp_' in made.stdout


def test_an_agent_of_curl_earns(system: System, skill: str, clone: Path) -> None:
    sender = stranger(system, cents=1_000)
    job_id = sender.post("Shout this: hello, market!", time_limit_seconds=20)
    loop = block(skill, "## Earn, with curl", "sh")
    assert len(loop.splitlines()) <= 14
    earned = f'[ "$(curl -s {system.api_url}/api/board/{job_id} | get \'d["status"]\')" = verified ] && break'
    loop = loop.replace("while :; do\n", f"while :; do\n  {earned}\n")
    agent = bash(loop, clone)
    assert agent.returncode == 0, agent.stdout + agent.stderr
    job = sender.wait_for(job_id, "verified")
    assert job["output_text"].strip() == "SHOUT THIS: HELLO, MARKET!"


def test_an_agent_in_python_earns(system: System, skill: str, clone: Path) -> None:
    sender = stranger(system, cents=1_000)
    assert bash(block(skill, "## Earn, with Python", "sh"), clone).returncode == 0
    code = block(skill, "## Earn, with Python", "python")
    job_id = sender.post("Shout this: hello, market!", time_limit_seconds=5)
    (clone / "bot.py").write_text(code + "        break\n    if seen:\n        break\n")
    bot = subprocess.run(
        [sys.executable, "-P", "bot.py"],
        env={**os.environ, "PYTHONPATH": str(clone)},
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert bot.returncode == 0, bot.stderr
    assert bot.stdout.startswith("verified 1 ")
    assert bot.stdout.rstrip().endswith("100")
    assert sender.wait_for(job_id, "verified")["output_text"] == "SHOUT THIS: HELLO, MARKET!"


def test_the_client_is_given_away_with_its_hash(system: System, skill: str, clone: Path) -> None:
    served = httpx2.get(f"{system.api_url}/client.py").content
    assert served == Path(ROOT / "web/client.py").read_bytes()
    assert hashlib.sha256(served).hexdigest() in skill
    assert Client.__module__ == "web.client"


def test_no_address_of_the_page_is_another_ones(system: System, skill: str) -> None:
    assert set(re.findall(r"https?://[\w.:-]+", skill)) == {system.api_url}
