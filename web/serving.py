"""How gunicorn serves the API: `gunicorn --config python:web.serving 'web.app:create_app()'`.

Every name here is a gunicorn setting; see its documentation for what they mean.
"""

import os
import queue
import signal
import sys
from contextlib import suppress
from typing import Any

from gunicorn import glogging
from gunicorn.http import wsgi
from gunicorn.workers import gthread

from models import crash, logs
from models.settings import settings
from web import porter

crash.plan(settings().crash_at)  # here, before the fork: so that it happens once, whoever serves
wsgi.SERVER = "clorp"  # no setting names the Server header, which need not tell what serves
gthread.STOP_KEEPALIVE_LINGER = 1.0  # and a stop waits so long for a next request on a connection
# Requests wait for PostgreSQL, not for the processor; one process is enough for a laptop.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
threads = 128  # twice `watch.WAITING_MAX`: who waits or streams holds one, and leaves as many to the others
# With what PostgreSQL and Redis take, below the 1,024 files that many systems let a process open.
worker_connections = 900
keepalive = 15
sendfile = False  # it would wait for the client
graceful_timeout = 3  # below the share of a stop that `clorp up` has for web
timeout = 60
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  # a heartbeat that never waits for a disk
# No header of a request says who sent it or by which way: a client on this machine, or behind a proxy that
# passes headers on, would invent a scheme, a path prefix or a user. Those of trusted proxies: `web.app`.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"
proxy_protocol = "off"
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


_missed: "queue.SimpleQueue[int] | None" = None  # signals that the arbiter's handler took in this worker


def post_fork(server: Any, _worker: Any) -> None:
    """Under `--preload` a worker would share the connections of its parent."""
    from models import db

    global _missed
    _missed = server.SIG_QUEUE
    db.forget()


class worker_class(porter.Porter):  # the name of gunicorn's setting
    """Threads that wait for no client, with a stop that nothing holds up: no stream, no slow start."""

    def init_signals(self) -> None:
        """Hear a stop that came between the fork and this moment, too: the arbiter's handler had it."""
        super().init_signals()
        with suppress(queue.Empty):
            while _missed is not None:
                if _missed.get_nowait() == signal.SIGTERM:
                    self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM, the beginning of a graceful stop; gunicorn has no hook there."""
        if not self.booted:
            sys.exit(0)  # nobody is served yet, and the rest of a slow import would be for nothing
        super().handle_exit(sig, frame)
        from web import watch

        # Both in the loop: a handler may have interrupted a thread that holds a lock which they take.
        self.method_queue.defer(self.leave_the_slow)
        self.method_queue.defer(watch.end)


def worker_exit(_server: Any, worker: Any) -> None:
    """However else a worker ends: Python waits for its threads, so none may go on streaming."""
    from web import watch

    if worker.pid == os.getpid():  # the arbiter calls this too, for one it found dead
        watch.end()
