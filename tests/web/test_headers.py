"""What every answer says to browsers, and the id that names it."""

import re

import pytest

from tests.support import person

POLICY = "default-src 'none'; frame-ancestors 'none'"
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_every_answer_has_safe_headers(http, subtests):
    auth = person().auth
    answers = [
        http.get("/healthz"),
        http.get("/api/board"),
        http.get("/api/jobs"),
        http.get("/api/jobs", headers=auth),
        http.post("/api/jobs/run", data=b"{", headers=auth),
        http.put("/api/jobs"),
        http.get("/nothing"),
    ]
    for answer in answers:
        with subtests.test(answer.request.path):
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Content-Security-Policy"] == POLICY
            assert "camera=()" in answer.headers["Permissions-Policy"]
            assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
            assert answer.headers["Cross-Origin-Resource-Policy"] in ("same-origin", "cross-origin")
            assert "Strict-Transport-Security" not in answer.headers


def test_a_json_answer_ends_with_a_newline(http, subtests):
    """In a terminal the prompt then begins on a line of its own."""
    auth = person().auth
    for path in ("/healthz", "/readyz", "/api/board", "/api/jobs", "/api/trust", "/openapi.json", "/nothing"):
        for headers in ({}, auth):
            answer = http.get(path, headers=headers)
            with subtests.test(path):
                assert "json" in answer.mimetype
                assert answer.data.endswith(b"}\n") or answer.data == b"[]\n"
    assert http.put("/api/jobs", headers=auth).data.endswith(b"}\n")
    assert http.post("/api/jobs/run", data=b"{", headers=auth).data.endswith(b"}\n")


def test_a_page_keeps_a_policy_of_its_own(http):
    policy = http.get("/docs").headers["Content-Security-Policy"]
    assert policy != POLICY
    assert "frame-ancestors 'none'" in policy


def test_over_https_it_stays_https(http):
    answer = http.get("/healthz", base_url="https://localhost")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_only_a_trusted_proxy_may_say_that_it_is_https(database, settle):
    from web.app import create_app

    told = {"X-Forwarded-Proto": "https"}
    assert "Strict-Transport-Security" not in create_app().test_client().get("/healthz", headers=told).headers
    settle(trusted_proxies=1)
    assert "Strict-Transport-Security" in create_app().test_client().get("/healthz", headers=told).headers


@pytest.mark.parametrize("name", ["a", "0190a1b2-0000-7000-8000-000000000000", "Az.09_-", "x" * 64])
def test_a_well_formed_request_id_is_kept(http, name):
    assert http.get("/healthz", headers={"X-Request-Id": name}).headers["X-Request-Id"] == name
    answer = http.get("/nothing", headers={"X-Request-Id": name})
    assert answer.json["request_id"] == name


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 65, "a b", "a;b", "a\tb", "<script>", "é", "{}", 'a"b', "../etc", "clorp key"]
)
def test_any_other_is_replaced(http, name):
    answer = http.get("/healthz", headers={"X-Request-Id": name})
    assert UUID7.fullmatch(answer.headers["X-Request-Id"])
