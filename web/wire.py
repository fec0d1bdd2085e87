"""The socket of a client as a thread sees it: the request is there already, the answer leaves by itself.

Neither reading nor writing ever waits. What the client does not take at once stays here until it does.
"""

import errno
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

PIECE = 64 * 1024  # bytes at once: everybody gets a turn
UNSENT_BYTES = 128 * 1024  # that the system keeps for a client; by itself it would take megabytes of each
STREAM_ROOM = 1024 * 1024  # bytes that may wait when more is written: whoever streams is not being read


class Wire(socket.socket):
    """A client's socket. One thread at a time serves it, while the loop sends what is left over.

    Attributes:
        left_over: called, in the thread that writes, when bytes begin to wait for the client.
    """

    def __init__(self, plain: socket.socket, left_over: Callable[[], None]) -> None:
        family, kind, protocol = plain.family, plain.type, plain.proto
        super().__init__(family, kind, protocol, fileno=plain.detach())
        super().setblocking(False)
        with suppress(OSError, AttributeError):  # not every system and not every kind of socket has it
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self.left_over = left_over
        self._request, self._ended = BytesIO(), False
        self._guard = threading.Lock()
        self._answer = bytearray()
        self._cut = False

    def setblocking(self, flag: bool) -> None:
        """Never: gunicorn asks for it before each request."""

    def settimeout(self, value: float | None) -> None:
        """None is needed."""

    # What the thread does ---------------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """The next bytes of the request.

        Raises:
            TimeoutError: there are no more, and they are not waited for; gunicorn takes it for a client
                that went away.
        """
        data = self._request.read(bufsize)
        if data or self._ended:
            return data
        raise TimeoutError(errno.ECONNRESET, "the request is shorter than it says")

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        """Send what the client takes, and keep the rest for the loop.

        Raises:
            BrokenPipeError: the client was given up, or a stream runs ahead of it.
        """
        with self._guard:
            if self._cut or len(self._answer) > STREAM_ROOM:
                raise BrokenPipeError(errno.EPIPE, "the client does not read")
            waiting = bool(self._answer)
            sent = 0 if waiting else self._send(data)
            self._answer += memoryview(data)[sent:]
            begins = bool(self._answer) and not waiting
        if begins:
            self.left_over()

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        """As `sendall`."""
        self.sendall(data)
        return len(data)

    def hung_up(self) -> bool:
        """Whether the client has left. One that may send no more counts as one that has."""
        try:
            return not super().recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    # What the loop does -----------------------------------------------------------------------

    def hear(self) -> bytes:
        """What has come by now.

        Raises:
            BlockingIOError: nothing.
            OSError: the client is gone.
        """
        return super().recv(PIECE)

    def hand(self, request: bytearray, ended: bool) -> None:
        """Give the thread a request; behind its end may stand the beginning of the next."""
        self._request, self._ended = BytesIO(request), ended

    def unread(self) -> bytes:
        """What the thread has left of that."""
        return self._request.read()

    def has_unread(self) -> bool:
        """Whether it has left anything."""
        return self._request.tell() < self._request.getbuffer().nbytes

    def waiting_bytes(self) -> int:
        """How much of the answer the client has not taken yet."""
        return len(self._answer)

    def flush(self) -> bool:
        """Send more of what waits; gives whether nothing does any more."""
        with self._guard:
            try:
                with memoryview(self._answer)[:PIECE] as piece:
                    sent = self._send(piece)
                del self._answer[:sent]
            except OSError:
                self._give_up()
            return not self._answer

    def cut(self) -> None:
        """Give the client up. The thread that serves it finds out when it writes again."""
        with self._guard:
            self._give_up()

    def _give_up(self) -> None:
        self._cut = True
        self._answer = bytearray()  # not emptied: a view of it may live as long as an exception
        with suppress(OSError):  # gone already
            self.shutdown(socket.SHUT_RDWR)

    def _send(self, data: bytes | memoryview) -> int:
        rest = memoryview(data)
        sent = 0
        with suppress(BlockingIOError):
            while sent < len(rest):
                sent += super().send(rest[sent:])
        return sent
