"""How fast a model's ballots are cast: `python -m tests.bench.judging [drops] [seconds]`. Asserts nothing.

Starts a whole system with one judge worker, and a model that takes its time, each in processes of their
own. All drops have five entries and their windows end at the same moment; told is when the last one is
`verified` by PostgreSQL's own clock, how many calls were made, and the most memory the judge worker took.
"""

import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from models import db
from tests.judges.server import spawned
from tests.support import Person, people, person, post, submit
from web.cli.background import System, running
from web.cli.servers import use

ENTRIES = 5
SLOTS = 6  # one stays free, so that only the clock closes a window
WINDOW_SECONDS = 3600
WAIT_SECONDS = 300


def main(drops: int, delay_seconds: float) -> None:
    """Run the measurement and print it."""
    with (
        tempfile.TemporaryDirectory(prefix="clorp-bench-") as folder,
        spawned(delay_seconds=delay_seconds) as model,
    ):
        settings = {
            "CLORP_JUDGE": "llm",
            "CLORP_LLM_BASE_URL": model.url,
            "CLORP_LLM_MODEL": "scripted",
        }
        with running(Path(folder), settings) as system:
            use(CLORP_DATABASE_URL=system.servers.database_url, CLORP_MAX_CLAIMS=str(SLOTS))
            sender, agents = person(100 * 100 * drops), people(ENTRIES)
            jobs = [_filled(sender, agents, number) for number in range(drops)]
            _close_at_once(jobs)
            _wait()
            _print(system, model.stats()["calls"])


def _filled(sender: Person, agents: list[Person], number: int) -> UUID:
    job_id = post(sender, f"Name three rivers, number {number}.", time_limit_seconds=WINDOW_SECONDS)
    for place, agent in enumerate(agents):
        submit(agent, job_id, f"Rhine, Danube and the {place}th of {number} others.")
    return job_id


def _close_at_once(jobs: list[UUID]) -> None:
    """Have all windows end a second from now."""
    with db.transaction() as session:
        # The terms of a drop are frozen by triggers; only a test may turn the clock.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(
            text("""UPDATE jobs SET window_closes_at = now.at, due_at = now.at,
                    opened_at = now.at - time_limit_seconds * interval '1 s'
                FROM (SELECT clock_timestamp() + interval '1 second' AS at) now WHERE id = ANY(:jobs)"""),
            {"jobs": jobs},
        )


def _wait() -> None:
    until = time.monotonic() + WAIT_SECONDS
    while _one("SELECT count(*) FROM jobs WHERE status <> 'verified'") and time.monotonic() < until:
        time.sleep(0.5)


def _print(system: System, calls: int) -> None:
    seconds = _one("SELECT extract(epoch FROM max(ended_at) - max(window_closes_at)) FROM jobs")
    verified = _one("SELECT count(*) FROM jobs WHERE status = 'verified'")
    flight = _one("SELECT extract(epoch FROM sum(ended_at - begun_at)) FROM calls")
    print(f"{verified} drops verified {seconds:.1f} s after their windows ended, {calls} calls made")
    first, begun, ended = (
        _one(f"SELECT extract(epoch FROM {what} - (SELECT max(window_closes_at) FROM jobs)) FROM calls")
        for what in ("min(begun_at)", "max(begun_at)", "max(ended_at)")
    )
    print(f"calls begun {first:.1f} to {begun:.1f} s after that, the last one ended after {ended:.1f} s")
    print(f"calls under way on average: {float(flight) / float(seconds):.0f}")
    print(f"most memory of the judge worker: {_peak_mib(system.pid):.0f} MiB")


def _one(query: str) -> float:
    with db.transaction() as session:
        return session.execute(text(query)).scalar_one()


def _peak_mib(supervisor: int) -> float:
    """Of the judge worker among the children of this process."""
    for process in Path("/proc").glob("[0-9]*"):
        told = dict(
            line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line
        )
        command = (process / "cmdline").read_bytes().split(b"\0")
        if told["PPid"] == str(supervisor) and b"judge" in command:
            return int(told["VmHWM"].split()[0]) / 1024
    return 0.0


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
