"""What the page for agents prints works as it is printed: its bots earn, keep their key, and end well."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
import yaml

from models.errors import NameTaken, Unauthenticated, WindowClosed
from tests.journeys.people import fill, stranger
from tests.journeys.printed import LONG_SECONDS, bash, block, replaced
from tests.rules.source import ROOT
from tests.support import let_time_pass, person
from tests.workers.processes import PATIENCE_SECONDS, child, until
from web.cli.background import System
from web.client import Client

pytestmark = pytest.mark.xdist_group("system")

PAID = re.compile(r"verified.*\b100\b")  # of a drop at the default bounty


@pytest.fixture
def skill(system: System) -> str:
    return httpx2.get(f"{system.api_url}/skill.md").text


def test_the_page_for_agents_has_a_head_that_yaml_reads(skill: str) -> None:
    head = yaml.safe_load(skill.split("---\n")[1])
    assert head["name"] == "clorp"
    assert ":" in head["description"]


def test_signing_up_works_as_printed(skill: str, tmp_path: Path) -> None:
    line = replaced(block(skill, "## Sign up", "sh"), "my-first-bot", f"bot of {tmp_path.name}")
    made = bash(line, tmp_path)
    assert made.returncode == 0, made.stderr
    assert '"api_key":"clorp_' in made.stdout


@dataclass
class Bot:
    """A bot of the page: how it is run, its program, and the words in it that tests exchange."""

    argv: list[str]
    program: Path
    agent: str  # its work, as printed
    late: str  # the same, once the file `closed` is there
    name: tuple[str, str]  # what signs up, as printed and with a name that is taken

    def exchange(self, printed: str, ours: str) -> None:
        self.program.write_text(replaced(self.program.read_text(), printed, ours))

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run it in its folder as a terminal does; what it says is in `said`."""
        folder = self.program.parent
        environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            options: dict[str, Any] = {"stdout": out, "stderr": err, "cwd": folder, "env": environment}
            with child(self.argv, start_new_session=True, **options) as process:
                yield process

    def said(self, name: str = "out") -> str:
        return (self.program.parent / name).read_text()

    @property
    def key(self) -> Path:
        return self.program.parent / "clorp.key"


@pytest.fixture(params=["curl", "Python"])
def bot(request: pytest.FixtureRequest, skill: str, tmp_path: Path) -> Bot:
    """A bot as its author has it who does what the page says."""
    if request.param == "curl":
        program = tmp_path / "bot.sh"
        program.write_text(block(skill, "## Earn, with curl", "sh"))
        late = "while [ ! -e closed ]; do sleep 0.1; done; tr a-z A-Z"
        return Bot(["sh", program.name], program, "tr a-z A-Z", late, ("bot-$(date +%s)-$$", "{}"))
    install, fetch = block(skill, "## Earn, with Python", "sh").splitlines()
    assert install.endswith("install -q httpx2")  # as it is here
    assert bash(fetch, tmp_path).returncode == 0
    program = tmp_path / "bot.py"
    program.write_text(block(skill, "## Earn, with Python", "python"))
    agent = "return prompt.upper()"
    late = f"""while not __import__("os").path.exists("closed"):
        time.sleep(0.1)
    {agent}"""
    return Bot([sys.executable, program.name], program, agent, late, ('"clorp.key")', '"clorp.key", "{}")'))


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """What Ctrl-C does: a signal to all that runs in the terminal."""
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE_SECONDS)


def assert_ended_well(bot: Bot) -> None:
    assert len(bot.said("err").splitlines()) <= 1, bot.said("err")
    assert "Traceback" not in bot.said("err")


def test_the_bot_of_curl_is_short(skill: str) -> None:
    assert len(block(skill, "## Earn, with curl", "sh").splitlines()) <= 14


def test_a_bot_earns_and_is_the_same_user_when_it_starts_again(system: System, bot: Bot) -> None:
    sender = stranger(system, cents=1_000)
    job_id = sender.post("Shout this: hello, market!", time_limit_seconds=LONG_SECONDS)
    fill(system, job_id)
    with bot.running() as process:
        until("it tells of its payout", lambda: PAID.search(bot.said()))
        interrupt(process)
    assert_ended_well(bot)
    assert sender.wait_for(job_id, "verified")["output_text"].strip() == "SHOUT THIS: HELLO, MARKET!"
    key = bot.key.read_text()
    assert bot.key.stat().st_mode & 0o077 == 0
    with bot.running() as process:  # the payout is told again: it is this user's
        until("it tells of the same payout", lambda: PAID.search(bot.said()))
        interrupt(process)
    assert bot.key.read_text() == key


def test_a_bot_that_is_late_goes_on_to_the_next_drop(system: System, bot: Bot) -> None:
    sender = stranger(system, cents=1_000)
    bot.exchange(bot.agent, bot.late)
    missed = sender.post("Shout this: too late.", time_limit_seconds=LONG_SECONDS)
    with bot.running() as process:
        until("it has a slot", lambda: sender.call("GET", f"/api/jobs/{missed}")["claims_count"])
        let_time_pass(UUID(missed))
        sender.wait_for(missed, "failed")
        (bot.program.parent / "closed").touch()
        job_id = sender.post("Shout this: in time!", time_limit_seconds=LONG_SECONDS)
        fill(system, job_id)
        sender.wait_for(job_id, "verified")
        until("it tells of its payout", lambda: PAID.search(bot.said()))
        interrupt(process)
    assert WindowClosed.sentence in bot.said("out") + bot.said("err")
    assert "Traceback" not in bot.said("err")


def test_a_bot_that_was_stopped_at_work_goes_on_when_it_starts_again(system: System, bot: Bot) -> None:
    sender = stranger(system, cents=1_000)
    bot.exchange(bot.agent, bot.late)
    job_id = sender.post("Shout this: once more!", time_limit_seconds=LONG_SECONDS)
    with bot.running() as process:
        until("it has a slot", lambda: sender.call("GET", f"/api/jobs/{job_id}")["claims_count"])
        interrupt(process)
    assert_ended_well(bot)
    (bot.program.parent / "closed").touch()
    with bot.running() as process:
        until("its entry is in", lambda: sender.call("GET", f"/api/jobs/{job_id}")["submissions_count"])
        fill(system, job_id)
        until("it tells of its payout", lambda: PAID.search(bot.said()))
        interrupt(process)


def test_a_bot_that_may_not_sign_up_says_why_and_stops(system: System, bot: Bot) -> None:
    taken = person().name
    printed, ours = bot.name
    bot.exchange(printed, ours.format(taken))
    with bot.running() as process:
        assert process.wait(PATIENCE_SECONDS) == 1
    assert bot.said("err") == f"{NameTaken.sentence}\n"
    assert bot.key.read_text() == ""


def test_a_bot_whose_key_is_refused_says_so_and_stops(system: System, bot: Bot) -> None:
    bot.key.write_text("clorp_" + "x" * 36 + "\n")
    with bot.running() as process:
        assert process.wait(PATIENCE_SECONDS) == 1
    assert bot.said("err") == f"{Unauthenticated.sentence}\n"


def test_the_page_names_the_python_that_the_client_needs(skill: str) -> None:
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f"Python {re.findall(r'>=([0-9.]+)', least)[0]} and later" in skill


def test_the_client_is_given_away_with_its_hash(system: System, skill: str) -> None:
    served = httpx2.get(f"{system.api_url}/client.py").content
    assert served == Path(ROOT / "web/client.py").read_bytes()
    assert hashlib.sha256(served).hexdigest() in skill
    assert Client.__module__ == "web.client"


def test_no_address_of_the_page_is_another_ones(system: System, skill: str) -> None:
    assert set(re.findall(r"https?://[\w.:-]+", skill)) == {system.api_url}
