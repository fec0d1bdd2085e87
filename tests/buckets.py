"""Buckets of a real S3 server, which runs in this process: uploads over the network, as in production."""

import logging
from functools import lru_cache
from uuid import uuid4

import httpx2
import pytest

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
REGION = "eu-central-1"


@lru_cache
def address() -> str:
    """The address of the server; it ends with the process."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed: there is no S3 server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request else
    server = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def bucket(monkeypatch: pytest.MonkeyPatch, prefix: str = "/uploads") -> str:
    """A new bucket, empty, and the environment with which obstore gets there; gives its URL."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT": address(),
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "clorp",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    name = f"clorp-{uuid4()}"
    scope = f"AWS4-HMAC-SHA256 Credential=clorp/20260101/{REGION}/s3/aws4_request"  # which it takes unchecked
    place = f"<LocationConstraint>{REGION}</LocationConstraint>"
    answer = httpx2.put(
        f"{address()}/{name}",
        content=f"<CreateBucketConfiguration>{place}</CreateBucketConfiguration>",
        headers={"Authorization": scope},
        trust_env=False,
    )
    answer.raise_for_status()
    return f"s3://{name}{prefix}"
