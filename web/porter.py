"""Who stands between the clients and the threads: no thread ever waits for a client.

The loop that accepts connections also hears each request to its end, and only then gives it to a thread;
what a client does not take of its answer, the loop hands out later. Slow clients cost memory, which is
bounded, and no threads. What a worker does otherwise is gunicorn's.
"""

import logging
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.workers import gthread

from web import malformed
from web.arriving import Arriving
from web.wire import Wire

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 60.0  # for the client to take what waits for it: 5 MiB at 700 kbit/s
FAREWELL_SECONDS = 2.0  # after the answer, for the client to hang up: closing at once could destroy it
STOP_SECONDS = 1.0  # for all of that, once the worker is to stop
LOOK_SECONDS = 0.1  # between two looks at the clock
HELD_MAX = 128 * 1024 * 1024  # bytes of requests and answers that clients keep here together
CROWDED = 0.9  # of the connections that a worker may have: then the slowest leave, so that others can come
SLOW_SECONDS = 1.0  # a request that is not whole by then can be one of them

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class Porter(gthread.ThreadWorker):
    """gunicorn's threads behind a loop that does all the waiting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[Any, Arriving] = {}  # by connection: what it asks
        self._leaving: dict[Any, float] = {}  # whose answer waits here, and until when
        self._served: dict[Any, Future[Any]] = {}  # of them, whom no thread serves any more
        self._parting: dict[Any, float] = {}  # who should hang up, and until when
        self._next_look = 0.0

    # From a client to a thread ----------------------------------------------------------------

    def enqueue_req(self, conn: Any) -> None:
        """Hear what comes over a connection: a new one, one that speaks again, one that has said more."""
        if self.cfg.is_ssl:  # then gunicorn reads and writes by itself
            super().enqueue_req(conn)
            return
        if not isinstance(conn.sock, Wire):
            conn.sock = Wire(conn.sock, lambda: self.method_queue.defer(self._send, conn))
            conn.init()
        self._arriving[conn] = Arriving(self.cfg.keepalive if self.alive else STOP_SECONDS)
        self._watch(conn, _READ, self._hear)
        self._hear(conn)

    def _hear(self, conn: Any, _socket: Any = None) -> None:
        arriving = self._arriving.get(conn)
        if arriving is None:
            return  # sent away a moment ago
        try:
            # What came behind the request before is there already.
            arriving.take(conn.parser.unreader.take_buffered() + conn.sock.unread() or conn.sock.hear())
        except BlockingIOError:
            return
        except OSError:
            self._close(conn)
            return
        if arriving.complete:
            self._ignore(conn)
            del self._arriving[conn]
            conn.sock.hand(arriving.data, arriving.ended)
            super().enqueue_req(conn)
        elif arriving.ended:
            self._close(conn)
        elif arriving.overlong:
            self._refuse(conn, 431 if b"\r\n" in arriving.data else 414)
        elif arriving.expecting:
            arriving.expecting = False
            with suppress(OSError):
                conn.sock.sendall(_GO_ON)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """In a thread. Who wanted to hear that it may go on has heard it."""
        if isinstance(conn.sock, Wire):
            req._expected_100_continue = False
        return super().handle_request(req, conn)

    def load_wsgi(self) -> None:
        """Load the application, and believe it where it says that a connection ends.

        gunicorn leaves such headers out, and writes its own.
        """
        super().load_wsgi()
        self.wsgi: Any = _closing(self.wsgi)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """In a thread, after the answer. What is left of a broken body gets no second one."""
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except ParseException:
            return False

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """In a thread. What is no request is refused in our form, not in gunicorn's."""
        status = malformed.status_of(exc)
        if status == 500:
            logger.error("unexpected %s outside of the application", type(exc).__name__, exc_info=exc)
        with suppress(OSError):
            client.sendall(malformed.answer(status))

    # From a thread to a client ----------------------------------------------------------------

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread is done with a connection, whose client may not have taken everything yet."""
        if not isinstance(conn.sock, Wire):
            super().finish_request(conn, fs)
            return
        self._served[conn] = fs
        if conn.sock.fileno() < 0:  # closed by gunicorn, in the middle of an answer that broke
            self._forget(conn)
        else:
            self._send(conn)

    def _send(self, conn: Any, _socket: Any = None) -> None:
        if conn.sock.fileno() < 0:
            return
        if not conn.sock.flush():
            if conn not in self._leaving:
                self._leaving[conn] = time.monotonic() + (ANSWER_SECONDS if self.alive else STOP_SECONDS)
                self._watch(conn, _WRITE, self._send)
            return
        if self._leaving.pop(conn, None):
            self._ignore(conn)
        if fs := self._served.pop(conn, None):
            self._go_on(conn, fs)

    def _go_on(self, conn: Any, fs: Any) -> None:
        """After an answer: the next request, or the end."""
        if fs.cancelled() or fs.exception() or not fs.result():
            self._part(conn)
        elif conn.parser.unreader.buf.getbuffer().nbytes or conn.sock.has_unread():
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def _refuse(self, conn: Any, status: int) -> None:
        """Say no to who has not finished asking."""
        self._arriving.pop(conn, None)
        with suppress(OSError):
            conn.sock.sendall(malformed.answer(status))
        self._part(conn)

    def _part(self, conn: Any) -> None:
        """Say that there will be no more, and wait a moment until the client says so too."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        self._parting[conn] = time.monotonic() + (FAREWELL_SECONDS if self.alive else STOP_SECONDS)
        self._watch(conn, _READ, self._see_off)

    def _see_off(self, conn: Any, _socket: Any = None) -> None:
        try:
            gone = not conn.sock.hear()
        except BlockingIOError:
            return
        except (OSError, ValueError):
            gone = True
        if gone:
            self._close(conn)

    # The clock --------------------------------------------------------------------------------

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """A turn of the loop: a short one where somebody's time may run out."""
        timed = self._arriving or self._leaving or self._parting
        super().wait_for_and_dispatch_events(min(timeout, LOOK_SECONDS) if timed else timeout)

    def murder_pending(self) -> None:
        """At each turn of the loop: who has had their time goes, and who takes too much room."""
        super().murder_pending()
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        for conn in [conn for conn, arriving in self._arriving.items() if now >= arriving.due]:
            self._turn_away(conn, 408 if self.alive else 503)  # a stop is not the client's delay
        for conn in [conn for conn, due in self._leaving.items() if now >= due]:
            self._give_up(conn)
        for conn in [conn for conn, due in self._parting.items() if now >= due]:
            self._close(conn)
        self._make_way(now)
        self._make_room()

    def leave_the_slow(self) -> None:
        """At a stop: who has asked nothing goes, and all others have little time."""
        soon = time.monotonic() + STOP_SECONDS
        for conn, arriving in list(self._arriving.items()):
            arriving.due = min(arriving.due, soon)
            if not arriving.data:
                self._close(conn)
        for dues in (self._leaving, self._parting):
            dues.update({conn: min(due, soon) for conn, due in dues.items()})

    def _make_way(self, now: float) -> None:
        """Where connections get scarce, farewells are short, and who has been asking for longest goes."""
        excess = self.nr_conns - int(self.worker_connections * CROWDED)
        for conn in list(self._parting)[: max(0, excess)]:
            self._close(conn)
            excess -= 1
        if excess > 0:
            slow = [(a.since, conn) for conn, a in self._arriving.items() if now - a.since > SLOW_SECONDS]
            for _, conn in sorted(slow, key=lambda pair: pair[0])[:excess]:
                self._turn_away(conn, 503)

    def _make_room(self) -> None:
        """Where memory gets scarce, those go that hold the most of it."""
        held = {conn: len(arriving.data) for conn, arriving in self._arriving.items()}
        held |= {conn: conn.sock.waiting_bytes() for conn in self._leaving}
        excess = sum(held.values()) - HELD_MAX
        for conn in sorted(held, key=held.__getitem__, reverse=True):
            if excess <= 0:
                return
            excess -= held[conn]
            if conn in self._arriving:
                self._turn_away(conn, 503)
            else:
                self._give_up(conn)

    def _turn_away(self, conn: Any, status: int) -> None:
        """Who has not even begun to ask needs no answer."""
        if self._arriving[conn].data:
            self._refuse(conn, status)
        else:
            self._close(conn)

    def _give_up(self, conn: Any) -> None:
        conn.sock.cut()
        self._send(conn)  # there is nothing left to send; the thread, if there is one, has yet to come back

    # Connections ------------------------------------------------------------------------------

    def _watch(self, conn: Any, events: int, do: Callable[..., None]) -> None:
        self._ignore(conn)
        self.poller.register(conn.sock, events, partial(do, conn))

    def _ignore(self, conn: Any) -> None:
        with suppress(KeyError, ValueError):
            self.poller.unregister(conn.sock)

    def _close(self, conn: Any) -> None:
        if conn.sock.fileno() >= 0:
            self._forget(conn)
            conn.close()

    def _forget(self, conn: Any) -> None:
        self._ignore(conn)
        for kept in (self._arriving, self._leaving, self._served, self._parting):
            kept.pop(conn, None)
        self.nr_conns -= 1


def _closing(application: Callable[..., Any]) -> Callable[..., Any]:
    """The application, whose `Connection: close` has gunicorn close."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if ("Connection", "close") in headers:
                start_response.__self__.force_close()
            return start_response(status, headers, *rest)

        return application(environ, start)

    return call
