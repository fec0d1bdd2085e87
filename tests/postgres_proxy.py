"""A door before PostgreSQL that falls shut at a COMMIT: what a client cannot know, a test then can."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from sqlalchemy import make_url

from models import db
from models.settings import settings

Cut = Literal["before", "after"]  # the server has heard of the COMMIT, or carried it out

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Proxy:
    """Forwards connections; `cut` makes it break off at the next COMMITs, which it counts down."""

    def __init__(self, listener: socket.socket, server: tuple[str, int]) -> None:
        self.cut: Cut = "after"
        self.cuts = 0  # how many COMMITs are still to be broken off
        self.shut = False  # whether new connections are refused once it has cut
        self.cut_off = 0
        self.queries: list[str] = []  # that it forwarded, each of which is a round trip
        self._listener, self._server = listener, server

    def serve(self) -> None:
        """Accept until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.shut and self.cut_off:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client), daemon=True).start()

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if data[:1] == b"Q":  # a client that waits for its answer sends nothing beside it
                    self.queries.append(data[5:-1].decode())
                if _COMMIT in data and self.cuts:
                    self.cuts -= 1
                    self.cut_off += 1
                    client.shutdown(socket.SHUT_RDWR)
                    if self.cut == "after":
                        server.sendall(data)
                    break
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)  # it carries out what it has heard, and goes

    @staticmethod
    def _forward(server: socket.socket, client: socket.socket) -> None:
        with server, client, suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)


@contextmanager
def proxied() -> Iterator[Proxy]:
    """Let this process reach its database through a proxy while the block runs."""
    straight = os.environ["CLORP_DATABASE_URL"]
    url = make_url(straight)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener, (str(url.host), int(url.port or 5432)))
        threading.Thread(target=proxy.serve, daemon=True).start()
        use(url.set(host="127.0.0.1", port=listener.getsockname()[1]).render_as_string(hide_password=False))
        try:
            yield proxy
        finally:
            use(straight)
            listener.shutdown(socket.SHUT_RDWR)


def use(url: str) -> None:
    """Let this process use that database from now on."""
    os.environ["CLORP_DATABASE_URL"] = url
    if db.engine.cache_info().currsize:
        db.engine().dispose()
        db.engine.cache_clear()
    settings.cache_clear()
