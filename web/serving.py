"""How gunicorn serves the API: `gunicorn --config python:web.serving 'web.app:create_app()'`.

Every name here is a gunicorn setting; see its documentation for what they mean.
"""

import os
import signal
import threading
from typing import Any

from gunicorn import glogging
from gunicorn.http import wsgi

from models import logs

wsgi.SERVER = "clorp"  # no setting names the Server header, which need not tell what serves
worker_class = "gthread"
# Requests wait for PostgreSQL, not for the processor; one process is enough for a laptop.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
threads = 128  # twice `watch.WAITING_MAX`: who waits or streams holds one, and leaves as many to the others
keepalive = 15
graceful_timeout = 5
timeout = 60
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  # a heartbeat that never waits for a disk
accesslog = None
loglevel = "warning"
control_socket_disable = True


class logger_class(glogging.Logger):  # the name of gunicorn's setting
    """gunicorn's own lines go where ours go."""

    def setup(self, cfg: Any) -> None:
        """As gunicorn does it, but without handlers of its own."""
        super().setup(cfg)
        logs.configure()
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def post_fork(_server: Any, _worker: Any) -> None:
    """Under `--preload` a worker would share the connections of its parent."""
    from models import db

    db.forget()


def post_worker_init(_worker: Any) -> None:
    """Let SIGTERM, the beginning of a graceful stop, end the streams as well; gunicorn has no hook there."""
    from web import watch

    begin_stop = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: Any) -> None:
        if callable(begin_stop):
            begin_stop(number, frame)
        # In a thread, for a handler may have interrupted whoever holds the lock that this takes.
        threading.Thread(target=watch.end, name="end").start()

    signal.signal(signal.SIGTERM, stop)
    signal.siginterrupt(signal.SIGTERM, False)  # as gunicorn has it


def worker_exit(_server: Any, worker: Any) -> None:
    """However else a worker ends: Python waits for its threads, so none may go on streaming."""
    from web import watch

    if worker.pid == os.getpid():  # the arbiter calls this too, for one it found dead
        watch.end()
