"""When workers that stand still are replaced, and when they are not."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from models import db, health
from models.settings import settings
from tests.cli.test_doctor import beat
from tests.support import person, post
from tests.workers.processes import PATIENCE_SECONDS, state, until
from web.cli import silence as module
from web.cli.silence import LOOK_SECONDS, Queue, Silence
from web.cli.up import worker_command
from workers import alive, signs
from workers.supervisor import Child, Supervisor

LONG = 10_000.0  # the age of a process that started long ago


def replaced(queue: Queue, signs: dict[int, object], seconds: int, age_seconds: float = LONG) -> list[int]:
    """Look each second; `signs` change at these seconds. Gives the seconds of the replacements."""
    found, sign = [], None
    for second in range(seconds):
        sign = signs.get(second, sign)
        if queue.silent(sign, age_seconds + second, 1000.0 + second):
            queue.replaced_at = 1000.0 + second
            found.append(second)
    return found


def test_a_queue_that_is_heard_of_is_left_alone():
    assert replaced(Queue(), {second: second for second in range(0, 600, 29)}, 600) == []


def test_a_silence_of_half_a_minute_ends_in_a_replacement_and_the_next_comes_after_a_minute():
    assert replaced(Queue(), {0: "heard"}, 130) == [31, 91]


def test_a_new_process_has_time_to_start():
    assert replaced(Queue(), {}, 170, age_seconds=1) == []
    assert replaced(Queue(), {}, 200, age_seconds=1) == [180]


def test_one_that_was_heard_once_has_started():
    assert replaced(Queue(), {10: "heard"}, 60, age_seconds=1) == [41]


def test_what_was_said_before_a_new_process_came_and_is_noticed_after_it_is_not_its_own():
    noticed = int(LOOK_SECONDS) - 1
    assert replaced(Queue(), {noticed: "the last one"}, 170, age_seconds=1) == []


def test_one_that_does_not_run_is_the_supervisors():
    assert not Queue().silent("sign", 0.0, 1000.0)


def test_what_else_explains_the_silence_begins_it_anew():
    queue = Queue()
    assert not queue.silent("sign", LONG, 1000.0)
    queue.clear_at = 1025.0
    assert not queue.silent("sign", LONG, 1040.0)
    assert queue.silent("sign", LONG, 1056.0)


@pytest.fixture
def supervisor():
    started = Supervisor()
    patient = [sys.executable, "-c", "import time; time.sleep(99)"]
    started.start(Child(name, patient, 1) for name in ("money", "judge1", "judge2", "beat"))
    yield started
    started.stop()


@pytest.fixture
def watching(database, supervisor, monkeypatch) -> Silence:
    monkeypatch.setattr(supervisor, "age_seconds", lambda name: LONG)
    return Silence(supervisor, {"money": ["money"], "judge": ["judge1", "judge2"]})


def looks(silence: Silence, seconds: int) -> set[str]:
    begun = silence._looked_at or 1000.0
    steps = range(int(LOOK_SECONDS), seconds + 1, int(LOOK_SECONDS))
    return {name for step in steps for name in silence.look(begun + step)}


def test_both_queues_are_found_silent_whatever_the_clock_says(watching):
    beat(seconds_ago=-3600)  # it stepped back an hour after the last heartbeat
    assert looks(watching, 60) == {"money", "judge"}


def test_a_backlog_that_is_worked_off_is_no_silence(watching):
    beat()
    before = health.signs()
    drop = post(person(1000))
    with db.transaction() as session:
        session.execute(
            text("""INSERT INTO ballots (job_id, k, judge, input_hash, verdict, labels, milliseconds)
                VALUES (:id, 1, 'local', '', '{}', '[]', 1)"""),
            {"id": drop},
        )
    assert health.signs()["judge"] != before["judge"]
    assert health.signs()["money"] == before["money"]


def alone(silence: Silence, seconds: int, heard: list[str]) -> set[str]:
    found: set[str] = set()
    for second in range(0, seconds, int(LOOK_SECONDS)):
        for name in heard:
            signs.folder().joinpath(name).write_text("")
            os.utime(signs.folder() / name, ns=(second, second))
        found |= set(silence.look_at_each(1000.0 + second))
    return found


def test_one_that_stands_still_is_found_among_others_that_do_not(watching):
    signs.clear()
    signs.give("judge2")
    assert alone(watching, 90, ["judge1"]) == set()
    assert alone(watching, 180, ["judge1"]) == {"judge2"}


def test_those_that_work_are_left_alone_and_the_one_of_a_queue_is_the_queues(watching):
    signs.clear()
    assert alone(watching, 600, ["judge1", "judge2"]) == set()
    assert watching._workers.keys() == {"judge1", "judge2"}


def test_one_that_stands_still_is_replaced_by_itself(watching, supervisor):
    before = supervisor.pids()
    watching._alone.put("judge2")
    watching.replace()

    def replaced_it() -> bool:
        supervisor.tend()
        return supervisor.pids().get("judge2", before["judge2"]) != before["judge2"]

    until("another one", replaced_it)
    now = supervisor.pids()
    assert {name for name in before if now.get(name) != before[name]} == {"judge2"}


def test_a_worker_leaves_signs_until_it_stands_still(database):
    signs.clear()
    argv = [*worker_command("judge"), "--pool", "threads", "--concurrency", "2", "--hostname", "judge7@%h"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as worker:
        try:
            until("a sign", lambda: signs.last("judge7"))
            first = signs.last("judge7")
            until("another one", lambda: signs.last("judge7") != first)
            worker.send_signal(signal.SIGSTOP)
            until("it to stand still", lambda: state(worker.pid) == "T")
            last = signs.last("judge7")
            time.sleep(alive.SIGN_SECONDS + 1)  # one more would have come
            assert signs.last("judge7") == last
        finally:
            worker.kill()


def test_nobody_is_replaced_while_a_server_is_away(watching, monkeypatch):
    beat()
    monkeypatch.setenv("CLORP_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    assert looks(watching, 90) == set()


def test_nobody_is_replaced_because_we_were_asleep(watching):
    beat()
    watching.look(1000.0)
    assert watching.look(5000.0) == []


@pytest.mark.parametrize(
    ("silent", "names"),
    [(["judge"], {"judge1", "judge2"}), (["money", "judge"], {"money", "judge1", "judge2", "beat"})],
)
def test_the_workers_of_a_silent_queue_are_replaced_and_beat_when_both_are(
    watching, supervisor, silent, names
):
    before = supervisor.pids()
    watching._found.put(silent)
    assert watching.replace() is False

    def changed() -> set[str]:
        supervisor.tend()
        now = supervisor.pids()
        return {name for name in before if name in now and now[name] != before[name]}

    until("all of them to be replaced", lambda: changed() == names)


def test_a_worker_that_stands_still_is_replaced(database, supervisor, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(module, "SILENCE_MAX_SECONDS", 0.5)
    monkeypatch.setattr("workers.supervisor.RESTART_PATIENCE_SECONDS", 0.2)
    silence = Silence(supervisor, {"money": ["money"]})
    before = supervisor.pids()
    os.kill(before["money"], signal.SIGSTOP)
    monkeypatch.setattr(module, "START_MAX_SECONDS", 1.0)
    beat()
    deadline = time.monotonic() + PATIENCE_SECONDS

    def done() -> bool:
        silence.replace()
        return (
            supervisor.pids().get("money", before["money"]) != before["money"] or time.monotonic() > deadline
        )

    with silence.watching():
        supervisor.watch(until=done)
    assert supervisor.pids()["money"] != before["money"]
