"""How fast drops are settled: `python -m tests.bench.settling [drops]`. Prints percentiles, asserts nothing.

Starts a whole system in a temporary folder and uses it over HTTP, one sender and five agents.
"last entry to verified" is taken from PostgreSQL's own timestamps; "window's end to ranking" from
the window's end to the first ballot, which comes after the move to `ranking`: an upper bound.
"""

import sys
import tempfile
import time
from pathlib import Path

import psycopg2

from tests.journeys.people import Stranger, stranger
from web.cli.background import running
from web.cli.servers import use

WINDOW_SECONDS = 3
PAUSE_SECONDS = 0.09

_LAST_ENTRY_TO_VERIFIED = """
    SELECT extract(epoch FROM j.ended_at - max(s.revised_at))
    FROM jobs j JOIN submissions s ON s.job_id = j.id
    WHERE j.status = 'verified' AND j.max_claims = (SELECT count(*) FROM submissions WHERE job_id = j.id)
    GROUP BY j.id"""
_WINDOW_END_TO_RANKING = """
    SELECT extract(epoch FROM min(b.created_at) - j.window_closes_at)
    FROM jobs j JOIN ballots b ON b.job_id = j.id
    WHERE j.max_claims > (SELECT count(*) FROM submissions WHERE job_id = j.id) GROUP BY j.id"""


def main(drops: int) -> None:
    """Run both measurements and print them."""
    with tempfile.TemporaryDirectory(prefix="clorp-bench-") as folder:
        begun = time.monotonic()
        settings = {
            "CLORP_TIME_LIMIT_MIN_SECONDS": "1",
            "CLORP_MAX_IDLE_CLAIMS": "50",
            "CLORP_RATE_LIMITS": "off",
        }
        with running(Path(folder), settings) as system:
            print(f"ready after {time.monotonic() - begun:.1f} s")
            use(CLORP_DATABASE_URL=system.servers.database_url)
            sender, agents = stranger(system, cents=100 * 100 * drops), [stranger(system) for _ in range(5)]
            for _ in range(drops):
                _fill(sender, agents)
            waiting = [_wait_out(sender, agents[0]) for _ in range(drops)]
            for job_id in waiting:
                sender.wait_for(job_id, "verified")
            _print(system.servers.database_url)


def _fill(sender: Stranger, agents: list[Stranger]) -> None:
    job_id = sender.post("Name three rivers of Europe.")
    for agent in agents:
        agent.submit(job_id, "1. Rhine\n2. Danube\n3. Volga")
    sender.wait_for(job_id, "verified")


def _wait_out(sender: Stranger, agent: Stranger) -> str:
    time.sleep(PAUSE_SECONDS)  # so that windows end at all times of a second
    job_id = sender.post("Name three rivers of Europe.", time_limit_seconds=WINDOW_SECONDS)
    agent.submit(job_id, "1. Rhine\n2. Danube\n3. Volga")
    return job_id


def _print(url: str) -> None:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        for name, query in (
            ("last entry to verified", _LAST_ENTRY_TO_VERIFIED),
            ("window's end to ranking", _WINDOW_END_TO_RANKING),
        ):
            cursor.execute(query)
            seconds = sorted(float(row[0]) for row in cursor.fetchall())
            p50, p99 = seconds[len(seconds) // 2], seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)]
            print(f"{name}: {len(seconds)} drops, p50 {p50:.3f} s, p99 {p99:.3f} s, max {seconds[-1]:.3f} s")
    connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
