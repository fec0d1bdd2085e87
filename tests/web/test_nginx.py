"""The nginx configuration of the documentation, in a real nginx with TLS before a real gunicorn."""

import datetime
import ipaddress
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from models.uploads import UPLOAD_MAX
from tests.payloads import random_bytes
from tests.rules.source import ROOT
from tests.serving import gunicorn
from tests.support import claim, person, post
from tests.web.messages import messages
from tests.workers.processes import PATIENCE_SECONDS, until
from web.caching import WAIT_MAX
from workers import embedded

CONFIGURATION = (ROOT / "docs/nginx.conf").read_text()
REQUESTS = 500
AT_ONCE = 8
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/clorp.conf;
}}
"""

PROGRAM = shutil.which(
    "nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
)  # not in everyone's PATH

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="not installed: nginx")


def certificate(folder: Path) -> None:
    """Write a certificate for 127.0.0.1, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "certificate.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def configured(folder: Path, port: int, behind: int) -> None:
    """Write the documented configuration with the addresses of this test, and what stands around it."""
    own = CONFIGURATION
    for documented, here in {
        "127.0.0.1:8000": f"127.0.0.1:{behind}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/certs/market.example.pem": f"{folder}/certificate.pem",
        "/etc/ssl/private/market.example.key": f"{folder}/certificate.key",
    }.items():
        assert documented in own
        own = own.replace(documented, here)
    (folder / "clorp.conf").write_text(own)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))


@pytest.fixture
def market(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.Client]:
    """A client of a market behind nginx."""
    monkeypatch.setenv("CLORP_TRUSTED_PROXIES", "1")
    with gunicorn() as (_, behind), tempfile.TemporaryDirectory(prefix="clorp-nginx-", dir="/tmp") as name:
        folder, port = Path(name), embedded.free_port()
        folder.chmod(0o755)  # nginx's workers run as another user
        certificate(folder)
        configured(folder, port, behind)
        argv = [str(PROGRAM), "-p", name, "-c", f"{name}/nginx.conf", "-e", f"{name}/error.log"]
        with subprocess.Popen(argv) as process:
            try:
                until("nginx to listen", lambda: listens(port))
                trusted = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
                url = f"https://127.0.0.1:{port}"
                with httpx2.Client(base_url=url, verify=trusted, timeout=PATIENCE_SECONDS) as client:
                    yield client
            finally:
                process.terminate()
                process.wait(PATIENCE_SECONDS)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def gunicorns() -> psutil.Process:
    """The gunicorn of this test."""
    (found,) = [child for child in psutil.Process().children() if "gunicorn" in child.cmdline()]
    return found


def test_a_file_of_the_largest_size_goes_up_and_comes_back(market):
    content, auth = random_bytes(UPLOAD_MAX, 3), person().auth
    up = market.post("/api/uploads", files={"file": ("noise.bin", content)}, headers=auth)
    assert up.status_code == 201, up.text
    down = market.get(f"/api/uploads/{up.json()['key']}", headers=auth)
    assert (down.status_code, down.content == content) == (200, True)


def test_what_is_too_large_is_refused_in_our_form(market):
    answer = market.post(
        "/api/uploads", files={"file": ("noise.bin", random_bytes(UPLOAD_MAX + 1, 3))}, headers=person().auth
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
    assert str(UPLOAD_MAX) in answer.json()["error"]


def test_a_stream_comes_as_it_happens(market):
    sender = person(1_000)
    job_id = post(sender)
    with market.stream("GET", f"/api/jobs/{job_id}/logs", headers=sender.auth) as answer:
        told = messages(answer.iter_bytes())
        events = (message for message in told if message.kind)
        assert next(events).kind
        claim(person(), job_id)
        assert any("claim" in str(event.kind) for event in events)


def test_a_long_poll_is_answered_by_a_change(market):
    sender = person(1_000)
    job_id = post(sender)
    with ThreadPoolExecutor(1) as other:
        path = f"/api/jobs/{job_id}"
        tag = market.get(path, headers=sender.auth).headers["ETag"]
        waiting = {**sender.auth, "If-None-Match": tag}
        answer = other.submit(market.get, path, params={"wait": WAIT_MAX}, headers=waiting)
        claim(person(), job_id)
        assert answer.result(PATIENCE_SECONDS).json()["claims_count"] == 1


def test_nginx_waits_longer_than_a_long_poll():
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", CONFIGURATION)
    assert int(seconds) > 2 * WAIT_MAX


def test_the_market_knows_that_its_clients_come_over_tls(market):
    assert market.get("/api/board").headers["Strict-Transport-Security"]


def test_no_request_fails_while_gunicorn_replaces_its_processes(market):
    auth = person().auth

    def ask(number: int) -> int:
        if number == REQUESTS // 4:
            gunicorns().send_signal(signal.SIGHUP)
        if number % 2:
            return market.get("/api/board").status_code
        key = {"Idempotency-Key": str(uuid4())}
        answer = market.post("/api/agents", json={"name": f"agent {number}"}, headers={**auth, **key})
        return answer.status_code

    workers = {child.pid for child in gunicorns().children()}
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        statuses = list(crowd.map(ask, range(REQUESTS)))
    assert set(statuses) <= {200, 201, 409, 429}, statuses
    until("new processes", lambda: workers.isdisjoint({child.pid for child in gunicorns().children()}))
