"""A process that dies where it was told to: forked from a clean one, so that each costs some milliseconds."""

import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from models import crash, db
from models.settings import settings
from tests.support import insist
from tests.workers.processes import PATIENCE_SECONDS, until

# Not forked from us, who have threads; and what is imported there is imported once.
_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload(["workers.tasks", "web.app", "tests.journeys.doomed"])


def run(here: str, step: Callable[..., object], *arguments: Any) -> int | None:
    """Do the step in a process that dies at that place; how it ended, as `Process.exitcode`."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(("CLORP_", "STRIPE_"))}
    process = _nursery.Process(target=_begin, args=({**ours, "CLORP_CRASH_AT": here}, step, arguments))
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode is not None
    return process.exitcode


def _begin(environment: dict[str, str], step: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    settings.cache_clear()
    crash.plan(settings().crash_at)
    try:
        insist(partial(step, *arguments))
    finally:
        db.engine().dispose()


def task(name: str, *arguments: Any) -> None:
    """Do a task of the workers, as a worker does."""
    from workers import tasks

    getattr(tasks, name)(*arguments)


def request(method: str, path: str, key: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Ask the API for something, as gunicorn does."""
    from web.app import create_app

    told = {"Authorization": f"Bearer {key}", **headers}
    client, answers = create_app().test_client(), []

    def answered() -> bool:
        answers.append(insist(lambda: client.open(path, method=method, json=body, headers=told)))
        # PostgreSQL takes a moment to notice that whoever asked first is dead.
        return answers[-1].status_code != 409

    until("the key to be free", answered)
    assert answers[-1].status_code < 300, answers[-1].get_data(as_text=True)
