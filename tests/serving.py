"""An application on a port of this machine, and ways for its answers to go wrong."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from tests.workers.processes import PATIENCE_SECONDS, until
from web import watch

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def serving(app: Wsgi) -> Iterator[str]:
    """Serve while the block runs; gives the address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        _send_away()
        server.shutdown()
        thread.join()
        server.server_close()


def _send_away() -> None:
    """End the answers that are still held back: they would go on asking a database that is gone."""
    watch.end()
    until("all answers are given", lambda: not watch._waiting)
    watch._ending.clear()


@contextmanager
def gunicorn(config: str = "web.serving") -> Iterator[tuple[str, int]]:
    """The application under a gunicorn of its own while the block runs; gives where it listens."""
    app = ["--config", f"python:{config}", "web.app:create_app()"]
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        argv = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", *app]
        with subprocess.Popen(argv, pass_fds=[listener.fileno()]) as process:
            try:
                where = listener.getsockname()
                with socket.create_connection(where, timeout=PATIENCE_SECONDS) as first:
                    first.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert first.recv(15) == b"HTTP/1.1 200 OK"
                yield where
            finally:
                process.terminate()
                try:
                    process.wait(PATIENCE_SECONDS)
                finally:
                    process.kill()


class Lossy:
    """The application, but its first answers to `method` get lost: all is done, and nobody hears of it."""

    def __init__(self, app: Wsgi, method: str = "POST", times: int = 2) -> None:
        self.app, self.method, self.times = app, method, times
        self.asked: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(environ)
        answer = b"".join(self.app(environ, start))
        if environ["REQUEST_METHOD"] == self.method and self.times > 0:
            self.times -= 1
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return [answer]
