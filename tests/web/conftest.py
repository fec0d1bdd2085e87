"""What the tests of the HTTP door share: a client that speaks for somebody."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

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
