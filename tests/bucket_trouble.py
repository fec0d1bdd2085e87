"""A door before the bucket's server that falls shut: for good, or in the middle of a file."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

import httpx2
import pytest

from models import files
from tests.buckets import address

Mode = Literal["open", "mute", "cut going in", "cut coming out"]


class Door:
    """Forwards connections; `mode` says how. What it cuts ends after half of what it is to forward."""

    def __init__(self, listener: socket.socket, server: tuple[str, int]) -> None:
        self.mode: Mode = "open"
        self._listener, self._server = listener, server

    def serve(self) -> None:
        """Accept until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for ends in ((client, server, "cut going in"), (server, client, "cut coming out")):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, cut: Mode) -> None:
        with source, target, suppress(OSError):
            while data := source.recv(65536):
                if self.mode == cut:
                    target.sendall(data[: len(data) // 2])
                    break
                if self.mode != "mute":
                    target.sendall(data)
            for end in (source, target):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Let buckets that are opened in this block be reached through a door, with little patience."""
    monkeypatch.setattr(files, "_TRIES", 0)
    monkeypatch.setenv("AWS_TIMEOUT", "2s")
    server = urlsplit(address())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Door(listener, (str(server.hostname), int(server.port or 80)))
        threading.Thread(target=found.serve, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield found
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def keys_that_count() -> Iterator[None]:
    """Have the server refuse every key in the block: it has been given none."""
    _require_keys_after("0")
    try:
        yield
    finally:
        _require_keys_after("inf")


def _require_keys_after(requests: str) -> None:
    url = f"{address()}/moto-api/reset-auth"
    httpx2.post(url, content=requests, trust_env=False).raise_for_status()
