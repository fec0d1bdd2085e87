"""The sign of life that a worker with a pool of threads gives under `clorp up`.

It goes through the pool, so it stops when the process does, and when every thread of the pool is stuck.
"""

import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from celery.concurrency.thread import TaskPool
from celery.signals import worker_ready

from workers import signs

SIGN_SECONDS = 5.0


@worker_ready.connect(weak=False)
def _begin(sender: Any, **_: object) -> None:
    # Not by the consumer's timer, which a lost connection clears.
    if isinstance(sender.pool, TaskPool) and signs.folder().is_dir():
        name = sender.hostname.partition("@")[0]
        threading.Thread(target=_go_on, args=(sender.pool, name), name="alive", daemon=True).start()


def _go_on(pool: TaskPool, name: str) -> None:
    with suppress(CancelledError, RuntimeError):  # the pool is shut down
        while True:
            pool.apply_async(_give, (name,), callback=lambda _: None).get()
            time.sleep(SIGN_SECONDS)


def _give(name: str) -> None:
    with suppress(OSError):  # a full disk is no reason to fall silent for ever
        signs.give(name)
