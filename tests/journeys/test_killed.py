"""Whatever dies in the middle of judging, the drop is paid once and the books are clean."""

import os
import signal
from pathlib import Path

import pytest
import redis

from tests.journeys.people import Stranger, stranger
from tests.support import violations
from tests.workers.processes import command, until
from web.cli.background import System, tail

pytestmark = pytest.mark.xdist_group("system")

# Long enough that a ballot takes a while: what is killed is killed at work.
LONG_ENTRY = "The Rhine, the Danube and the Volga are rivers of Europe. " * 1_500


def full_arena(system: System) -> tuple[Stranger, str]:
    """A drop whose last entry has just come in."""
    sender, agents = stranger(system, cents=100), [stranger(system) for _ in range(5)]
    job_id = sender.post("Name three rivers of Europe.")
    for number, agent in enumerate(agents):
        agent.submit(job_id, f"{number}. {LONG_ENTRY}")
    return sender, job_id


def find(system: System, parent: int, words: str) -> int:
    """The child of `parent` whose command has these words, once it is there."""
    found: list[int] = []

    def look() -> list[int]:
        pids = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        found.extend(pid for pid in pids if words in command(pid))
        return found

    try:
        until(f"a child of {parent} with {words!r}", look)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{tail(system.log)}") from None
    return found[0]


CHILDREN = {
    "judge worker": "--queues judge",
    "money worker": "--queues money",
    "beat": "workers.app beat",
    "web": "gunicorn",
    "valkey": "valkey-server",
    "postgres": "postgres -D",
}
GRANDCHILDREN = {
    "a process of the money worker's pool": ("--queues money", "--queues money"),
    "a process of the web server": ("gunicorn", "gunicorn"),
    "a connection's process of postgres": ("postgres -D", "clorp clorp"),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_killing_any_process_loses_nothing(system: System, name: str) -> None:
    victim = find(system, system.pid, CHILDREN[name])
    sender, job_id = full_arena(system)
    os.kill(victim, signal.SIGKILL)
    assert sender.wait_for(job_id, "verified")["grade"]
    assert violations() == []


@pytest.mark.parametrize("name", GRANDCHILDREN)
def test_killing_a_child_of_one_loses_nothing(system: System, name: str) -> None:
    parent, words = GRANDCHILDREN[name]
    victim = find(system, find(system, system.pid, parent), words)
    sender, job_id = full_arena(system)
    os.kill(victim, signal.SIGKILL)
    assert sender.wait_for(job_id, "verified")["grade"]
    assert violations() == []


def test_killing_a_worker_that_holds_the_ballots_loses_nothing(system: System) -> None:
    victim = find(system, system.pid, CHILDREN["judge worker"])
    os.kill(victim, signal.SIGSTOP)  # takes no message any more, and answers nobody
    sender, job_id = full_arena(system)
    sender.wait_for(job_id, "ranking")
    os.kill(victim, signal.SIGKILL)
    sender.wait_for(job_id, "verified")
    assert violations() == []


def test_a_flushed_redis_loses_nothing(system: System) -> None:
    victim = find(system, system.pid, CHILDREN["judge worker"])
    os.kill(victim, signal.SIGSTOP)
    sender, job_id = full_arena(system)
    sender.wait_for(job_id, "ranking")
    client = redis.Redis.from_url(system.servers.redis_url)
    client.flushall()
    client.close()
    os.kill(victim, signal.SIGCONT)
    sender.wait_for(job_id, "verified")
    assert violations() == []
