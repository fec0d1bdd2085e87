"""What workers send while Redis is in trouble gets lost in time, and they go on once it is back."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from uuid import UUID

from models import settlement
from tests.models.stages import sql
from tests.redis_trouble import broken, server
from tests.support import drive, let_time_pass, people, person, post, status, submit, violations
from tests.workers.processes import PATIENCE_SECONDS

KINDS = ["closed", "frozen", "full"]


def full_arena() -> UUID:
    job_id = post(person(100))
    for who in people(5):
        submit(who, job_id)
    assert status(job_id) == "ranking"
    return job_id


def work(job_id: str) -> None:
    """In a process of its own: send the ballots of a drop, and say that it came to an end."""
    from workers import tasks

    tasks.judge(job_id)
    print(json.dumps(["given up"]))


def go_on(job_id: str, url: str) -> None:
    """In a process of its own: send ballots and a task, without Redis and then with it."""
    from workers import tasks

    tasks.judge(job_id)
    lost = tasks.publish("pay", job_id)
    with server(url):
        tasks.judge(job_id)
        with tasks.app.connection_for_write() as connection:
            waiting = connection.default_channel.client.llen("judge")
        print(json.dumps([lost, tasks.publish("pay", job_id), waiting]))


def child(url: str, call: str) -> "subprocess.Popen[str]":
    code = f"from tests.workers.test_redis_away import *; {call}"
    environment = {**os.environ, "CLORP_REDIS_URL": url}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def said(process: "subprocess.Popen[str]") -> list:
    with process:
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    return json.loads(output.splitlines()[-1])


def test_what_cannot_be_sent_is_given_up_in_time_and_the_sweep_has_it(database):
    drops = [full_arena() for _ in KINDS]
    with ExitStack() as stack:
        urls = [stack.enter_context(broken(kind)) for kind in KINDS]
        children = [child(url, f"work('{drop}')") for url, drop in zip(urls, drops, strict=True)]
        for kind, process in zip(KINDS, children, strict=True):
            assert said(process) == ["given up"], kind  # a frozen one never answers
    for job_id in drops:
        assert drive(job_id) == "verified"
    assert violations() == []


def test_who_could_not_send_can_once_redis_is_back(database):
    with broken("closed") as url:
        process = child(url, f"go_on('{full_arena()}', '{url}')")
        assert said(process) == [False, True, 5]


def test_a_sweep_ends_where_nothing_can_be_sent(database):
    asked: list[UUID] = []
    for _ in range(3):
        let_time_pass(post(person(100)))

    def fail(_task: str, job_id: UUID) -> bool:
        asked.append(job_id)
        return False

    assert settlement.sweep(fail).total() == 0
    assert len(asked) == 1
    assert sql("SELECT count(*) FROM jobs WHERE due_at <= clock_timestamp()") == [(2,)]
