"""A real system whose judge is a model: no call is made for what is stored already, whatever dies."""

import os
import signal
import tempfile
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
from tests.workers.processes import until
from web.cli.background import System, running
from web.cli.servers import use

pytestmark = pytest.mark.xdist_group("up")

DROPS, ENTRIES = 4, 5


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging(Script(delay_seconds=0.7)) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def system(judge: Judge) -> Iterator[System]:
    asking = {
        "CLORP_JUDGE": "llm",
        "CLORP_LLM_BASE_URL": judge.url,
        "CLORP_LLM_MODEL": "scripted",
        "CLORP_LLM_TIMEOUT_SECONDS": "5",  # what dies with its worker is asked again after this
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
    [(late,)] = sql("SELECT count(*) FROM calls WHERE outcome = 'timeout'")  # on a busy machine
    assert judge.stats.calls - before == ENTRIES + late
    assert len(judge.stats.asked) == ENTRIES


def test_what_dies_with_its_worker_is_asked_again_and_nothing_that_is_stored(
    system: System, judge: Judge
) -> None:
    sender, jobs = full_arenas(system, DROPS)
    until("calls under way", lambda: judge.stats.flying)
    os.kill(find(system, system.pid, CHILDREN["judge worker"]), signal.SIGKILL)
    for job_id in jobs:
        sender.wait_for(job_id, "verified")
    [(cut_off,)] = sql("SELECT count(*) FROM calls WHERE outcome IS NULL")
    assert cut_off > 0
    both = "calls JOIN ballots USING (job_id, k)"
    assert sql(f"SELECT count(*) FROM {both} WHERE calls.begun_at > ballots.created_at") == [(0,)]
    made = sql("SELECT job_id, count(*) FROM calls GROUP BY job_id")
    assert all(ENTRIES <= row.count <= 2 * ENTRIES for row in made)
    assert sql("SELECT count(*) FROM ballots WHERE judge <> 'llm/1'") == [(0,)]
    assert violations() == []
