"""What the tests of the HTTP door share: a client that speaks for somebody."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.payments import SECRET
from tests.stripe_double import Double, serving
from tests.support import Person


class Api:
    """The API as tests speak to it: who asks, for what, and the fields they send."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http

    def get(self, who: Person | None, path: str, **query: Any) -> TestResponse:
        return self.http.get(path, query_string=query, headers=who.auth if who else {})

    def post(self, who: Person | None, path: str, **fields: Any) -> TestResponse:
        return self.http.post(path, json=fields or None, headers=who.auth if who else {})

    def send(
        self, who: Person | None, path: str, body: bytes, content_type: str | None = "application/json"
    ) -> TestResponse:
        """Bytes as they are, for what no JSON library would write."""
        return self.http.post(path, data=body, content_type=content_type, headers=who.auth if who else {})


@pytest.fixture
def api(http: FlaskClient) -> Api:
    return Api(http)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, database: str) -> Iterator[Double]:
    """A Stripe of the test's own, where the settings say that Stripe is."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLORP_PUBLIC_URL", "https://clorp.test")
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_of_ours")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    with serving() as double:
        monkeypatch.setenv("CLORP_STRIPE_API_URL", double.url)
        yield double
