"""The Celery application of the workers and of beat."""

import os
import signal
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from kombu.transport import TRANSPORT_ALIASES

import celeryconfig
from models import crash, db
from models.settings import settings
from workers import alive, hearing, journal  # noqa: F401  # two listen to Celery's signals
from workers.supervisor import die_with_parent


class _Celery(Celery):
    @property
    def Beat(self) -> Any:
        """Ours, as is the worker; each is imported where it runs."""
        return self.subclass_with_self("workers.programs:Beat")

    @property
    def Worker(self) -> Any:
        return self.subclass_with_self("workers.programs:Worker")


app = _Celery(
    "clorp",
    include=["workers.tasks"],
    task_cls=hearing.Task,
    backend=f"workers.results:Results+{celeryconfig.result_backend}",
)
app.config_from_object("celeryconfig")
for scheme in ("redis", "rediss"):  # by name, for it is slow to import and only needed with a connection
    TRANSPORT_ALIASES[scheme] = "workers.messages:Reading"
crash.plan(settings().crash_at)


@worker_process_init.connect(weak=False)
def _stand_alone(**_: object) -> None:
    """Share no connection with the parent of this process, and end with it."""
    db.forget()
    if prepare := die_with_parent(signal.SIGKILL, os.getppid()):
        prepare()
