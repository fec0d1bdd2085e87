"""Clients that are slow, rude or broken, at a real gunicorn: they keep nobody else waiting."""

import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain

import httpx2
import psutil
import pytest

from models.uploads import UPLOAD_MAX
from tests.journeys.listeners import waiting_at
from tests.payloads import MIB, random_bytes
from tests.serving import gunicorn
from tests.support import person
from tests.web.test_headers import POLICY, UUID7
from tests.workers.processes import PATIENCE_SECONDS, until
from web import arriving, contract, inputs, uploads
from web.forms import FORM_ROOM

Address = tuple[str, int]

CROWD = 200  # more than there are threads
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
UPLOAD = b"POST /api/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with gunicorn("tests.web.unhurried") as address:
        yield address


@pytest.fixture(scope="module")
def hurried() -> Iterator[Address]:
    with gunicorn("tests.web.hurried") as address:
        yield address


@contextmanager
def crowd(address: Address, said: bytes, count: int = CROWD) -> Iterator[list[socket.socket]]:
    """So many connections on which that was said."""
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sockets.append(stack.enter_context(socket.create_connection(address, timeout=PATIENCE_SECONDS)))
            sockets[-1].sendall(said)
        yield sockets


def others_are_served(address: Address, meanwhile: Callable[[], None]) -> None:
    """Newcomers get their answers, again and again, from a server that gives up nobody."""
    for _ in range(8):
        meanwhile()
        url = f"http://{address[0]}:{address[1]}/healthz"
        assert httpx2.get(url, timeout=PATIENCE_SECONDS, trust_env=False).status_code == 200


def everything(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def refusal(raw: bytes) -> tuple[int, str]:
    """The status and the code of a refusal, whose form is checked; the connection ended with it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    document = json.loads(body)
    assert first.startswith(f"HTTP/1.1 {document['status']} ")
    assert set(document) >= {"error", "code", "type", "title", "status", "request_id"}
    assert UUID7.fullmatch(document["request_id"])
    assert fields["X-Request-Id"] == document["request_id"]
    assert fields["Content-Type"] == "application/problem+json"
    assert fields["Connection"] == "close"
    assert fields["Server"] == "clorp"
    assert fields["Content-Security-Policy"] == POLICY
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Cache-Control"] == "no-store"
    return document["status"], document["code"]


def ask(address: Address, raw: bytes) -> bytes:
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as client:
        client.sendall(raw)
        return everything(client)


# Slow ------------------------------------------------------------------------------------------


KINDS = {
    "heads": [HEAD + b"X-Slow: "],
    "bodies": [
        POST + b"Content-Length: 1000\r\n\r\n{",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n{",
        UPLOAD + b"-",
    ],
}
UNREAD = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100


@contextmanager
def dribbling(address: Address, kinds: list[bytes], count: int) -> Iterator[tuple[list, Callable[[], None]]]:
    """Crowds who send requests byte by byte; gives one of each, and what has all of them send a byte."""
    with ExitStack() as stack:
        crowds = [stack.enter_context(crowd(address, said, count)) for said in kinds]

        def dribble() -> None:
            for dribbler in chain(*crowds):
                with suppress(ConnectionError):  # once the patience is over
                    dribbler.sendall(b"x")

        yield [dribblers[-1] for dribblers in crowds], dribble


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_who_dribbles_a_request_holds_up_nobody(server, kinds):
    with dribbling(server, kinds, CROWD // len(kinds) + 1) as (_, dribble):
        others_are_served(server, dribble)


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_who_dribbles_a_request_is_told_in_the_end(hurried, kinds):
    with dribbling(hurried, kinds, 5) as (some, dribble):
        until("an answer to each", lambda: dribble() or len(select.select(some, [], [], 0)[0]) == len(kinds))
        assert [refusal(everything(one)) for one in some] == [(408, "request_timeout")] * len(kinds)


def test_a_request_that_a_stop_interrupts_can_be_sent_again():
    """A restart is not the client's delay, and a client asks again only after a 503."""
    halves = [POST + b"Content-Length: 1000\r\n\r\n{", UPLOAD + random_bytes(MIB, 7), HEAD + b"X-Slow: "]
    with ExitStack() as stack:
        with gunicorn("tests.web.unhurried") as address:
            interrupted = [stack.enter_context(crowd(address, half, 1))[0] for half in halves]
            others_are_served(address, lambda: None)  # so they were heard before
        for client in interrupted:
            raw = everything(client)
            assert refusal(raw) == (503, "unavailable")
            assert b"\r\nRetry-After: " in raw


def test_who_does_not_read_the_answers_holds_up_nobody(server):
    with crowd(server, UNREAD):
        others_are_served(server, lambda: None)


def test_who_does_not_read_the_answers_is_given_up(hurried):
    with crowd(hurried, UNREAD, 1) as [asking]:
        until("the server to hang up", lambda: not held(hurried, asking))
        got = 0
        with suppress(ConnectionError):
            while piece := asking.recv(65536):
                got += len(piece)
        assert 0 < got < 5_000_000  # of fifteen


def held(address: Address, client: socket.socket) -> bool:
    """Whether the server still has this connection."""
    ends = [(c.laddr, c.raddr) for c in psutil.net_connections("tcp") if c.status == psutil.CONN_ESTABLISHED]
    return (address, client.getsockname()) in ends


def test_where_connections_get_scarce_the_slowest_make_way(server):
    with crowd(server, HEAD, 350) as asking:
        others_are_served(server, lambda: None)
        assert refusal(everything(asking[0])) == (503, "unavailable")


def test_where_memory_gets_scarce_somebody_has_to_go(server):
    with crowd(server, UPLOAD + random_bytes(4_900_000), 10) as bringing:
        until("an answer", lambda: select.select(bringing, [], [], 0)[0])
        told = select.select(bringing, [], [], 0)[0]
        assert {refusal(everything(client)) for client in told} == {(503, "unavailable")}
        assert len(told) < len(bringing)


def test_a_slow_answer_arrives_whole(server):
    whole = ask(server, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    body = whole.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["openapi"]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_SECONDS)
        client.connect(server)
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        got = everything(client)
    assert got.count(body) == 20


def test_requests_that_come_in_pieces_or_together_are_answered_one_after_the_other(server):
    once = HEAD + b"\r\n"
    body = POST + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nX-Trailer: z\r\n\r\n"
    last = HEAD + b"Connection: close\r\n\r\n"
    raw = once + body + POST + b"Content-Length: 2\r\n\r\n[]" + once + last
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        for n in range(0, len(raw), 7):
            client.sendall(raw[n : n + 7])
        pieces = everything(client)
    for got in (pieces, ask(server, raw)):
        assert got.count(b"HTTP/1.1 200 ") == 3
        assert got.count(b"HTTP/1.1 400 ") == 2


def test_who_asks_whether_to_go_on_is_told_once(server):
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        client.sendall(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"[]")
        assert everything(client).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_is_too_large_is_refused_before_it_comes(server):
    raw = POST + b"Content-Length: 50000000\r\nExpect: 100-continue\r\n\r\n"
    assert b'"content_too_large"' in ask(server, raw)
    chunk = b"%x\r\n%s\r\n" % (MIB, random_bytes(MIB))
    answer = ask(server, POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 5)
    assert b'"content_too_large"' in answer


def test_a_client_that_is_gone_before_its_request_is_whole_is_forgotten(server):
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        client.sendall(HEAD)
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b""
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        client.sendall(POST + b"Content-Length: 50\r\n\r\n{}")
        client.shutdown(socket.SHUT_WR)
        assert b'"invalid_json"' in everything(client)


def test_whatever_the_application_takes_has_room_while_it_arrives():
    assert arriving.BODY_ROOM > inputs.BODY_MAX
    assert arriving.UPLOAD_ROOM > UPLOAD_MAX + FORM_ROOM
    (route,) = (route for route in contract.routes if route.view is uploads.upload)
    assert f"{route.method} {route.path}".encode() == arriving.UPLOADS


# Broken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "bad_request"),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n", 400, "bad_request"),
        (POST + b"Content-Length: -1\r\n\r\n", 400, "bad_request"),
        (POST + b"Transfer-Encoding: rot13, chunked\r\n\r\n", 501, "not_implemented"),
        (HEAD + b"A line without a colon\r\n\r\n", 400, "bad_request"),
        (HEAD + b"X: a\n\r\n", 400, "bad_request"),
        (b"hello\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/3.0\r\n\r\n", 400, "bad_request"),
        (b"G\xe9T / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
        (b"GET /" + b"x" * 100_000, 414, "uri_too_long"),
        (HEAD + b"X: " + b"x" * 9000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
        (HEAD + b"X: x\r\n" * 200 + b"\r\n", 431, "request_header_fields_too_large"),
        (HEAD + b"X: x\r\n" * 20_000, 431, "request_header_fields_too_large"),
        (HEAD + b"Expect: the-worst\r\n\r\n", 417, "expectation_failed"),
    ],
)
def test_what_is_no_request_is_refused_in_our_form(server, raw, status, code):
    assert refusal(ask(server, raw)) == (status, code)


# Gone ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/board/stream", "/api/board?wait=25"])
def test_who_hangs_up_while_waiting_frees_the_place(database, path):
    auth = f"Authorization: {person().auth['Authorization']}"
    said = f"GET {path} HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n".encode()
    with gunicorn() as address:
        waiting = partial(waiting_at, f"http://{address[0]}:{address[1]}")
        with ExitStack() as stack:
            clients = [stack.enter_context(crowd(address, said, 1))[0] for _ in range(10)]

            def all_wait() -> bool:
                """On a busy machine one may be told to try again, or have waited for its time."""
                for place, client in enumerate(clients):
                    if select.select([client], [], [], 0)[0] and not streams(client):
                        clients[place] = stack.enter_context(crowd(address, said, 1))[0]
                return waiting() == 10

            until("they wait", all_wait)
        until("nobody waits", lambda: waiting() == 0)


def streams(client: socket.socket) -> bool:
    """Whether an answer has begun that has no end."""
    head = client.recv(4096, socket.MSG_PEEK)
    return head.startswith(b"HTTP/1.1 200 ") and b"text/event-stream" in head


# What comes after an answer -----------------------------------------------------------------------

CHUNKED = b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [b"0x2\r\n{}\r\n0\r\n\r\n", b"+2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n", b"0\r\nno trailer\r\n\r\n"],
)
def test_a_broken_body_that_nobody_reads_brings_no_second_answer(server, body):
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        client.sendall(CHUNKED + body)
        raw = everything(client)
    assert raw.count(b"HTTP/1.1 ") == 1
    assert raw.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"Content-Length: 4000000\r\n\r\n", "content_too_large"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n", "bad_request"),
    ],
)
def test_who_is_refused_for_the_body_is_told_that_the_connection_ends(server, said, code):
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        client.sendall(POST + said)
        raw = everything(client)
    assert raw.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in raw
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["code"] == code


def test_who_speaks_an_older_http_is_not_told_to_go_on(server):
    said = POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        client.sendall(said)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_chunk_that_is_too_large_is_not_waited_for(server):
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n{")
        raw = everything(client)
    assert raw.startswith(b"HTTP/1.1 4")
    assert not raw.startswith(b"HTTP/1.1 408")
