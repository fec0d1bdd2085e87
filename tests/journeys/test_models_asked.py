"""A real system whose judge is a model: no call is made for what is stored already, whatever dies."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import db
from tests.journeys.conftest import SETTINGS
from tests.journeys.people import Stranger, stranger
from tests.journeys.test_killed import CHILDREN, find
from tests.judges.server import Judge, Script, judging
from tests.models.stages import sql
from tests.support import violations
from web.cli.background import System, running
from web.cli.servers import use

pytestmark = pytest.mark.xdist_group("up")

DROPS, ENTRIES, KILLS = 4, 5, 3


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging(Script(delay_seconds=0.3)) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def system(judge: Judge) -> Iterator[System]:
    asking = {
        "CLORP_JUDGE": "llm",
        "CLORP_LLM_BASE_URL": judge.url,
        "CLORP_LLM_MODEL": "scripted",
        "CLORP_LLM_TIMEOUT_SECONDS": "1",  # what dies with its worker is asked again after this
    }
    folder = tempfile.TemporaryDirectory(prefix="clorp-journey-")
    with folder, running(Path(folder.name), SETTINGS | asking) as found:
        use(CLORP_DATABASE_URL=found.servers.database_url)
        yield found
        db.engine().dispose()
        db.engine.cache_clear()


def full_arenas(system: System, number: int) -> tuple[Stranger, list[str]]:
    sender, agents = stranger(system, cents=100 * number), [stranger(system) for _ in range(ENTRIES)]
    jobs = [sender.post(f"Name three rivers, number {n}.") for n in range(number)]
    for job_id in jobs:
        for place, agent in enumerate(agents):
            agent.submit(job_id, f"River {place} of {job_id}")
    return sender, jobs


def test_a_drop_takes_a_call_for_each_entry(system: System, judge: Judge) -> None:
    before = judge.stats.calls
    sender, [job_id] = full_arenas(system, 1)
    assert sender.wait_for(job_id, "verified")["grade"]
    assert judge.stats.calls - before == ENTRIES
    assert max(judge.stats.asked.values()) == 1


def test_no_ballot_that_is_stored_is_asked_for_again_though_its_worker_is_killed(
    system: System, judge: Judge
) -> None:
    sender, jobs = full_arenas(system, DROPS)
    for _ in range(KILLS):
        os.kill(find(system, system.pid, CHILDREN["judge worker"]), signal.SIGKILL)
        time.sleep(1.5)
    for job_id in jobs:
        sender.wait_for(job_id, "verified", seconds=90)
    again = (
        """SELECT count(*) FROM calls c JOIN ballots b USING (job_id, k) WHERE c.begun_at > b.created_at"""
    )
    assert sql(again) == [(0,)]
    calls = (
        "SELECT job_id, count(*) AS made FROM calls WHERE outcome IS NULL OR outcome <> 'failed' GROUP BY 1"
    )
    assert all(ENTRIES <= row.made <= 2 * ENTRIES for row in sql(calls))
    assert sql("SELECT count(*) FROM ballots WHERE judge <> 'llm/1'") == [(0,)]
    assert violations() == []
