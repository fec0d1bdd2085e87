"""The address that `clorp up` takes, and the question whether it is ready."""

import socket
from contextlib import closing

import click
import httpx2
import pytest
from werkzeug.wrappers import Request, Response

from tests.serving import serving
from tests.workers.processes import PATIENCE_SECONDS, until
from web.cli import listening
from web.cli.readiness import Probe, ask, local_client
from workers.embedded import HOST


def test_a_port_is_ours_from_the_first_moment():
    with closing(listening.listen(HOST, 0)) as listener:
        port = listener.getsockname()[1]
        assert listening.url(HOST, listener) == f"http://{HOST}:{port}"
        with pytest.raises(click.ClickException, match=f"Port {port} is taken"):
            listening.listen(HOST, port)
        with closing(socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS)):
            pass  # who comes early waits instead of being refused


def has_ipv6() -> bool:
    """Whether a socket can be bound there, past all of our code."""
    try:
        with closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("::", marks=ipv6)])
def test_every_address_includes_the_one_that_is_told(host):
    with closing(listening.listen(host, 0)) as listener:
        assert listening.url(host, listener).startswith("http://127.0.0.1:")
        with closing(socket.create_connection((HOST, listener.getsockname()[1]), timeout=PATIENCE_SECONDS)):
            pass


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_refused_with_a_reason(host):
    with pytest.raises(click.ClickException, match=rf"^Cannot listen on {host}:8000: .*\. See --host"):
        listening.listen(host, 8000)


def answering(body: str, status: int = 200):
    return serving(Request.application(lambda request: Response(body, status)))


@pytest.mark.parametrize("body", ["", "ok", "[]", "7", '{"ready": 1, "checks": "x"}', '{"status": "ready"}'])
def test_an_answer_that_is_not_ours_counts_for_nothing(body):
    with answering(body) as url, local_client() as client:
        assert ask(client, url) is None


def test_nobody_there_is_not_ready():
    with closing(listening.listen(HOST, 0)) as listener:
        url = listening.url(HOST, listener)
    with local_client() as client:
        assert ask(client, url) is None


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{HOST}:1")
    with answering('{"ready": true, "checks": []}') as url:
        with pytest.raises(httpx2.TransportError):
            httpx2.get(url)
        probe = Probe(url)
        until("the answer", probe.ready)


def test_a_probe_says_what_is_missing():
    body = '{"ready": false, "checks": [{"name": "judge queue", "ok": false, "detail": "silent"}]}'
    with answering(body, 503) as url:
        probe = Probe(url)
        until("the answer", lambda: probe.missing == "judge queue: silent")
        assert not probe.ready()
