"""A Redis that is not there, that answers nobody, or that has no room left."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from workers import embedded

KINDS = ["closed", "mute", "frozen", "full"]


@contextmanager
def broken(kind: str) -> Iterator[str]:
    """The URL of such a Redis: nothing there, a port that is mute, a server that stands still or is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        if kind == "mute":
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
            return
    url = f"redis://127.0.0.1:{embedded.free_port()}/0"
    if kind == "closed":
        yield url
        return
    with server(url, maxmemory=1 if kind == "full" else 0) as process:
        if kind == "frozen":
            process.send_signal(signal.SIGSTOP)
        yield url


@contextmanager
def server(url: str, maxmemory: int = 0) -> Iterator["subprocess.Popen[bytes]"]:
    """A server of the test's own at that URL."""
    port = url.rsplit(":", 1)[1].partition("/")[0]
    options = ["--port", port, "--save", "", "--maxmemory", str(maxmemory), "--loglevel", "nothing"]
    with subprocess.Popen([str(embedded.valkey_binary()), *options], stdout=subprocess.DEVNULL) as process:
        try:
            while not embedded.redis_answers(url):
                assert process.poll() is None
            yield process
        finally:
            process.kill()
