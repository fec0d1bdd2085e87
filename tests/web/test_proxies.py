"""Over a real gunicorn: which headers of a request are believed, without a trusted proxy and with one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from tests.serving import gunicorn
from tests.workers.processes import PATIENCE_SECONDS

STRANGERS = 1_000  # of one address, before any is refused: far more than a test sends
ELSEWHERE = "203.0.113.7"

# What gunicorn, Werkzeug or another server of WSGI takes from a proxy, with a value that would show.
HEADERS = {
    "SCRIPT_NAME": "/x",
    "Script-Name": "/x",
    "PATH_INFO": "/metrics",
    "REMOTE_ADDR": ELSEWHERE,
    "REMOTE_USER": "ada",
    "Remote-Addr": ELSEWHERE,
    "X_FORWARDED_FOR": ELSEWHERE,
    "X_FORWARDED_PROTO": "https",
    "X-Forwarded-For": ELSEWHERE,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "/x",
    "X-Script-Name": "/x",
    "X-Scheme": "https",
    "X-Url-Scheme": "https",
    "X-Real-Ip": ELSEWHERE,
    "X-Client-Ip": ELSEWHERE,
    "Front-End-Https": "on",
    "Forwarded": f"for={ELSEWHERE};proto=https;host=evil.example",
    "X-Original-Url": "/metrics",
    "X-Rewrite-Url": "/metrics",
    "X-Http-Method-Override": "DELETE",
    "wsgi.url_scheme": "https",
}
OF_A_PROXY = ("X-Forwarded-For", "X-Forwarded-Proto")


@dataclass(frozen=True)
class Seen:
    """What answers tell of how a request was understood."""

    healthz: int
    elsewhere: int  # of a path that nothing serves
    links: str  # how they begin
    secure: bool  # it is taken to have come over TLS
    address: str  # `its own`, or `another` that was not heard of before


def ask(where: tuple[str, int], path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection(*where, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def seen(where: tuple[str, int], headers: dict[str, str]) -> Seen:
    _, told, guide = ask(where, "/skill.md", headers)
    links = re.search(r"\bhttps?://[^/\s]+(?:/x)?(?=/api)", guide)
    assert links
    ask(where, "/api/jobs", {})  # so that our own address has been heard of
    _, counted, _ = ask(where, "/api/jobs", headers)
    left = int(re.findall(r";r=(\d+)", counted["RateLimit"])[0])
    return Seen(
        healthz=ask(where, "/healthz", headers)[0],
        elsewhere=ask(where, "/x/metrics", headers)[0],
        links=links[0],
        secure="Strict-Transport-Security" in told,
        address="another" if left == STRANGERS - 1 else "its own",
    )


@pytest.fixture
def limited(settle) -> None:
    settle(rate_limits="on", strangers_per_minute=STRANGERS)


@pytest.fixture
def direct(limited) -> Iterator[tuple[str, int]]:
    with gunicorn() as where:
        yield where


@pytest.fixture
def behind_a_proxy(limited, settle) -> Iterator[tuple[str, int]]:
    settle(trusted_proxies=1)
    with gunicorn() as where:
        yield where


def as_it_is(where: tuple[str, int]) -> Seen:
    return Seen(200, 404, f"http://{where[0]}:{where[1]}", False, "its own")


def test_without_a_trusted_proxy_no_header_is_believed(direct, subtests):
    for name, value in HEADERS.items():
        with subtests.test(header=name):
            assert seen(direct, {name: value}) == as_it_is(direct)


def test_of_a_trusted_proxy_two_are_believed_and_no_other(behind_a_proxy, subtests):
    for name, value in HEADERS.items():
        with subtests.test(header=name):
            if name not in OF_A_PROXY:
                assert seen(behind_a_proxy, {name: value}) == as_it_is(behind_a_proxy)
    assert seen(behind_a_proxy, {"X-Forwarded-For": ELSEWHERE}).address == "another"
    secure = seen(behind_a_proxy, {"X-Forwarded-Proto": "https"})
    assert (secure.secure, secure.links) == (True, "https://{}:{}".format(*behind_a_proxy))


@pytest.mark.parametrize(
    "line",
    [b"PROXY TCP4 203.0.113.7 127.0.0.1 9 8000\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)],
)
def test_the_proxy_protocol_is_not_spoken(direct, line):
    connection = HTTPConnection(*direct, timeout=PATIENCE_SECONDS)
    connection.connect()
    assert connection.sock
    connection.sock.sendall(line + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.sock.recv(12) == b"HTTP/1.1 400"
    connection.close()
