"""The pool of threads: a task ends with an answer to Celery, whatever it raised, or its place stays taken."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.concurrency.thread import TaskPool
from celery.exceptions import Ignore, Reject, WorkerShutdown
from celery.worker import state
from celery.worker.state import task_accepted

from workers import programs
from workers.hearing import Request


class Broken(BaseException):
    """What no `except Exception` sees."""


@pytest.fixture
def pool() -> Iterator[TaskPool]:
    pool = TaskPool(1)
    assert TaskPool.on_apply is programs.apply_to_the_end
    yield pool
    pool.stop()


def answer_to(pool: TaskPool, target: Callable[[], Any]) -> Any:
    """What Celery's callback is given."""
    answers: list[Any] = []
    with suppress(BaseException):
        pool.apply_async(target, callback=answers.append).get()
    (answer,) = answers
    return answer


def raising(error: BaseException) -> Callable[[], Any]:
    def target() -> Any:
        raise error

    return target


FATAL = [MemoryError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), WorkerShutdown(0), Broken()]


@pytest.mark.parametrize("error", FATAL, ids=lambda error: type(error).__name__)
def test_whatever_a_task_raises_is_an_answer(pool, error):
    failed, info, seconds = answer_to(pool, raising(error))
    assert (failed, seconds >= 0) == (1, True)
    assert isinstance(info, ExceptionInfo)
    assert type(error).__name__ in str(info.exception)


@pytest.mark.parametrize("error", [Reject("no", requeue=True), Ignore()], ids=["reject", "ignore"])
def test_what_celery_has_an_answer_for_is_told_as_it_is(pool, error):
    _, info, _ = answer_to(pool, raising(error))
    assert info.exception.exc is error


def test_what_ends_well_is_told_as_before(pool):
    assert answer_to(pool, lambda: (0, "result", 0.5)) == (0, "result", 0.5)


@pytest.mark.parametrize("error", FATAL, ids=lambda error: type(error).__name__)
def test_its_place_is_free_again_and_its_message_done(pool, error):
    from workers.app import app

    done: list[str] = []
    app.loader.import_default_modules()
    task = app.tasks["workers.tasks.pulse"]
    message = app.amqp.create_task_message("one", task.name, ())
    request = Request(
        _Message(message),
        app=app,
        task=task,
        on_ack=lambda *_: done.append("acknowledged"),
        on_reject=lambda *_: done.append("rejected"),
    )
    state.task_reserved(request)
    with suppress(BaseException):
        pool.apply_async(
            raising(error), accept_callback=lambda *_: task_accepted(request), callback=request.on_success
        ).get()
    assert (list(state.active_requests), list(state.reserved_requests)) == ([], [])
    assert done == ["acknowledged"]


class _Message:
    """As it comes from a queue."""

    def __init__(self, sent: Any) -> None:
        self.headers, self.properties, self.body, _ = sent
        self.payload, self.delivery_info, self.acknowledged = self.body, {}, False
        self.content_type, self.content_encoding = "application/json", "utf-8"
