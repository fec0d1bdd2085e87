"""Files as people send them come back byte for byte: over HTTP and by the client, in both stores."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from itertools import cycle
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from models.settings import settings
from tests.buckets import bucket
from tests.payloads import FILE_MAX, KIB, KINDS, MIB, SIZES, random_bytes, sizes
from tests.serving import gunicorn, serving
from tests.support import Person, person, unchanged
from tests.web.answers import ok, refused
from tests.web.forms import UPLOADS, form, upload
from web.app import create_app
from web.client import BadRequest, Client

PIECE = 64 * KIB  # what forms are commonly read in
ODD = (1_000, 4_097, PIECE - 1, PIECE + 1, MIB + 3)  # bytes that are sent at once
SEED = 20_240_607


@pytest.fixture(params=["folder", "bucket"])
def store(request, settle, monkeypatch) -> str:
    """Where uploads are kept in this test."""
    if request.param == "bucket":
        settle(uploads=bucket(monkeypatch))
    return request.param


@pytest.fixture
def client(store) -> Iterator[Client]:
    with serving(create_app()) as url, Client(url, person().key) as client:
        yield client


@pytest.fixture
def server(store) -> Iterator[tuple[str, int]]:
    with gunicorn() as address:
        yield address


# Over HTTP -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_of_every_size_comes_back(api, kind):
    who, (make, name, content_type) = person(), KINDS[kind]
    for size in SIZES:
        for announced in (True, False):
            content = make(size, size)
            row = ok(upload(api, who, content, name, content_type, announced=announced), 201)
            assert (row["size"], row["sha256"]) == (size, hashlib.sha256(content).hexdigest())
            assert api.get(who, f"{UPLOADS}/{row['key']}").data == content


@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_too_many_is_refused_with_a_sentence(api, kind):
    who, content = person(), KINDS[kind].make(FILE_MAX + 1, 1)
    with unchanged():
        for announced in (True, False):
            problem = refused(upload(api, who, content, announced=announced), 413, "content_too_large")
            assert str(FILE_MAX) in problem["error"]
    assert not (settings().data / "uploads").exists()


def test_wherever_a_piece_of_the_form_ends_the_file_is_the_same(api):
    who, around = person(), len(form(b"", "a", None, "b" * 32))
    for beyond in range(-2, around + 8):  # bytes of the form behind the end of a piece
        content = random_bytes(PIECE + beyond - around, beyond + 2)
        row = ok(upload(api, who, content, "a", None), 201)
        assert row["sha256"] == hashlib.sha256(content).hexdigest(), f"{beyond} bytes behind"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\n-", b"\r\n--", b"--", b"\r\n--x", b"\r\r\n"])
def test_what_looks_like_the_end_of_a_file_is_part_of_it(api, end):
    who = person()
    for size in (0, PIECE - 200, PIECE - 3):
        content = end + random_bytes(size) + end
        row = ok(upload(api, who, content), 201)
        assert api.get(who, f"{UPLOADS}/{row['key']}").data == content


# In odd pieces, at a real server ------------------------------------------------------------------


def exchange(address: tuple[str, int], who: Person, method: str, path: str, *pieces: bytes, head: str = ""):
    """The status and the body of an answer to a request whose body is sent in these pieces."""
    with closing(socket.create_connection(address, timeout=60)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = f"Authorization: {who.auth['Authorization']}\r\n"
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{key}{head}\r\n".encode())
        for piece in pieces:
            connection.sendall(piece)
        answer = HTTPResponse(connection, method=method)
        answer.begin()
        return answer.status, answer.read()


def cut(body: bytes, step: int) -> list[bytes]:
    return [body[at : at + step] for at in range(0, len(body), step)]


def send(address: tuple[str, int], who: Person, content: bytes, step: int, chunked: bool, **file: str):
    """A file in a form, in pieces or chunks of `step` bytes; the status and the document."""
    boundary = uuid4().hex
    pieces = cut(form(content, boundary=boundary, **file), step)
    length = f"Content-Length: {sum(map(len, pieces))}"
    head = f"Content-Type: multipart/form-data; boundary={boundary}\r\n"
    head += ("Transfer-Encoding: chunked" if chunked else length) + "\r\n"
    if chunked:
        pieces = [*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]
    status, body = exchange(address, who, "POST", UPLOADS, *pieces, head=head)
    return status, json.loads(body)


def test_files_come_back_however_they_are_cut_on_the_way(server):
    who, steps = person(), cycle(ODD)
    for size in (*SIZES, 300 * KIB):
        for kind, chunked in ((kind, chunked) for kind in KINDS.values() for chunked in (True, False)):
            content = kind.make(size, size)
            file = {"name": kind.name, "content_type": kind.content_type}
            status, row = send(server, who, content, next(steps), chunked, **file)
            assert (status, row["size"]) == (201, size), row
            assert exchange(server, who, "GET", f"{UPLOADS}/{row['key']}") == (200, content)
    content = random_bytes(PIECE + 1)
    status, row = send(server, who, content, 1, chunked=True)
    assert (status, row["sha256"]) == (201, hashlib.sha256(content).hexdigest())


def test_a_real_server_says_what_is_too_large(database, tmp_path):
    who = person()
    with gunicorn() as address, Client("http://{}:{}".format(*address), who.key) as client:
        for size in (FILE_MAX + 1, FILE_MAX + 100 * KIB, 8 * MIB):
            content = random_bytes(size)
            for chunked in (True, False):
                status, problem = send(address, who, content, MIB + 3, chunked)
                assert (status, problem["code"]) == (413, "content_too_large")
                assert str(FILE_MAX) in problem["error"]
            (tmp_path / "large.bin").write_bytes(content)
            with pytest.raises(BadRequest, match=str(FILE_MAX)) as refusal:
                client.upload(tmp_path / "large.bin")
            assert refusal.value.status == 413
        # Every chunk is held as it came, so that those of a few bytes need more room than there is.
        status, problem = send(address, who, random_bytes(FILE_MAX), 16, chunked=True)
        assert (status, "chunks of 1 KiB" in problem["error"]) == (400, True)


# By the client -----------------------------------------------------------------------------------


def there_and_back(client: Client, folder: Path, content: bytes, name: str) -> bytes:
    path = folder / name
    path.write_bytes(content)
    row = client.upload(path)
    assert row["size"] == len(content)
    return client.download(row["key"], folder / "back").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_client_brings_every_kind_and_gets_it_back(client, tmp_path, kind):
    for size in SIZES:
        content = KINDS[kind].make(size, size + 1)
        assert there_and_back(client, tmp_path, content, KINDS[kind].name) == content


def test_two_hundred_files_of_any_size_come_back(client, tmp_path):
    chance = Random(SEED)
    for number, size in enumerate([*sizes(196, SEED), FILE_MAX, FILE_MAX, FILE_MAX - 1, FILE_MAX - 2]):
        kind = KINDS[chance.choice(list(KINDS))]
        content = kind.make(size, SEED + number)
        told = f"file {number} of {size} bytes, {kind.name}, seed {SEED}"
        assert there_and_back(client, tmp_path, content, kind.name) == content, told
