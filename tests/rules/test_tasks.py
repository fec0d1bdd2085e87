"""What is owed can be done, and what is sent is consumed."""

import runpy

import celeryconfig
from models import health
from models.states import OWED
from tests.rules.source import ROOT
from workers.app import app

app.loader.import_default_modules()
OURS = {name for name in app.tasks if name.startswith("workers.tasks.")}
DECLARED = {queue.name for queue in celeryconfig.task_queues}


def test_every_owed_task_exists():
    assert {f"workers.tasks.{task}" for task in OWED.values()} <= OURS


def test_every_scheduled_and_every_routed_task_exists():
    scheduled = {entry["task"] for entry in celeryconfig.beat_schedule.values()}
    assert scheduled | set(celeryconfig.task_routes) <= OURS


def test_an_operator_may_say_how_often_beat_looks_for_what_is_owed(settle):
    settle(sweep_seconds=0.25)
    schedule = runpy.run_path(str(ROOT / "celeryconfig.py"))["beat_schedule"]
    assert (schedule["sweep"]["schedule"], schedule["remit_owed"]["schedule"]) == (0.25, 0.25)


def test_every_queue_that_is_sent_to_is_declared_and_watched():
    sent_to = {route["queue"] for route in celeryconfig.task_routes.values()}
    assert sent_to | {celeryconfig.task_default_queue} == DECLARED == set(health.QUEUES)


def test_every_setting_of_celery_is_one_it_knows():
    ours = {name for name in vars(celeryconfig) if not name.startswith("_")}
    assert ours <= set(app.conf.defaults[0]) | set(app.conf.table(with_defaults=True))
    assert {"task_acks_late", "task_reject_on_worker_lost"} <= ours
