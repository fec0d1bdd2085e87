"""Whatever dies in the middle of judging, the drop is paid once and the books are clean."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis

from tests.journeys.people import Stranger, stranger
from tests.support import violations
from web.cli.background import System, tail

# Long enough that a ballot takes a while: what is killed is killed at work.
LONG_ENTRY = "The Rhine, the Danube and the Volga are rivers of Europe. " * 1_500


def full_arena(system: System) -> tuple[Stranger, str]:
    """A drop whose last entry has just come in."""
    sender, agents = stranger(system, cents=100), [stranger(system) for _ in range(5)]
    job_id = sender.post("Name three rivers of Europe.")
    for number, agent in enumerate(agents):
        agent.submit(job_id, f"{number}. {LONG_ENTRY}")
    return sender, job_id


def child(system: System, words: str) -> int:
    """The process under the supervisor whose command has these words, once it is there."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        listed = Path(f"/proc/{system.pid}/task/{system.pid}/children").read_text().split()
        for pid in listed:
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and words in command.read_text().replace("\0", " "):
                return int(pid)
        time.sleep(0.05)
    raise AssertionError(f"no process with {words!r}\n{tail(system.log)}")


@pytest.mark.parametrize(
    "words",
    [
        "--queues judge",
        "--queues money",
        "celery --quiet --app workers.app beat",
        "gunicorn",
        "valkey-server",
        "postgres -D",
    ],
)
def test_killing_any_process_loses_nothing(system: System, words: str) -> None:
    victim = child(system, words)
    sender, job_id = full_arena(system)
    os.kill(victim, signal.SIGKILL)
    assert sender.wait_for(job_id, "verified")["grade"]
    assert violations() == []


def test_killing_a_worker_that_holds_the_ballots_loses_nothing(system: System) -> None:
    victim = child(system, "--queues judge")
    os.kill(victim, signal.SIGSTOP)  # takes no message any more, and answers nobody
    sender, job_id = full_arena(system)
    sender.wait_for(job_id, "ranking")
    os.kill(victim, signal.SIGKILL)
    sender.wait_for(job_id, "verified")
    assert violations() == []


def test_a_flushed_redis_loses_nothing(system: System) -> None:
    victim = child(system, "--queues judge")
    os.kill(victim, signal.SIGSTOP)
    sender, job_id = full_arena(system)
    sender.wait_for(job_id, "ranking")
    client = redis.Redis.from_url(system.servers.redis_url)
    client.flushall()
    client.close()
    os.kill(victim, signal.SIGCONT)
    sender.wait_for(job_id, "verified")
    assert violations() == []
