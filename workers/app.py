"""The Celery application of the workers and of beat."""

from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from models import db
from workers import journal  # noqa: F401  # it listens to Celery's signals


class _Celery(Celery):
    @property
    def Beat(self) -> Any:
        """Ours, as is the worker; each is imported where it runs."""
        return self.subclass_with_self("workers.programs:Beat")

    @property
    def Worker(self) -> Any:
        return self.subclass_with_self("workers.programs:Worker")


app = _Celery("clorp", include=["workers.tasks"])
app.config_from_object("celeryconfig")


@worker_process_init.connect(weak=False)
def _own_connections(**_: object) -> None:
    """A forked child must not share its parent's connections."""
    db.forget()
