"""What is noted of each task: a line in the log with its ids, and which request it goes back to."""

import logging
import time
from typing import Any

from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun

from models import logs

logger = logging.getLogger(__name__)

HEADER = "request_id"  # of a message: the request that caused it
_QUIET = ("sweep", "pulse")  # each second
_running: dict[str, float] = {}  # task id → when it began


@setup_logging.connect(weak=False)
def _configure(**_: object) -> None:
    """Instead of Celery's own logging; its `--loglevel` does not count, CLORP_LOG_LEVEL does."""
    logs.configure()
    trace = logging.getLogger("celery.app.trace")
    if _without_values not in trace.filters:
        trace.addFilter(_without_values)


def _without_values(record: logging.LogRecord) -> bool:
    """Celery quotes arguments and exceptions; the ids and the place stand in our line anyway."""
    if isinstance(record.args, dict):
        description = record.args.get("description", "noted")
        record.msg, record.args = f"task {description}", None
    return True


@before_task_publish.connect(weak=False)
def _pass_on(headers: dict[str, Any] | None = None, **_: object) -> None:
    if headers is not None and (request_id := logs.bound("request_id")):
        headers.setdefault(HEADER, request_id)


@task_prerun.connect(weak=False)
def _begin(task_id: str, task: Any, args: Any = (), **_: object) -> None:
    ids = {"task_id": task_id, "task": _short(task)}
    if args:
        ids["job_id"] = str(args[0])
    if request_id := task.request.get(HEADER):
        ids["request_id"] = str(request_id)
    logs.start(**ids)
    _running[task_id] = time.monotonic()


@task_postrun.connect(weak=False)
def _end(task_id: str, task: Any, state: str | None = None, **_: object) -> None:
    seconds = time.monotonic() - _running.pop(task_id, time.monotonic())
    level = logging.DEBUG if _short(task) in _QUIET else logging.INFO
    logger.log(level, "done", extra={"state": state, "ms": round(seconds * 1000)})
    logs.start()


def _short(task: Any) -> str:
    return str(task.name).rpartition(".")[2]
