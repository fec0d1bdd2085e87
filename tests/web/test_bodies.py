"""Whatever a client may send: a clear refusal in the one form, nothing changed, never a 500."""

import gzip
from io import BytesIO
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.payloads import text, unicode_text
from tests.support import person, post, unchanged, violations
from tests.web.answers import hidden, ok, refused

BOM = b"\xef\xbb\xbf"

MIB = 1024 * 1024


@pytest.fixture
def sender(database):
    return person(10_000)


@pytest.fixture
def posts(sender):
    """Every route that takes a body, as (who, path): each would do something if asked properly."""
    competitor = person()
    claimable, submittable, cancellable = (post(sender) for _ in range(3))
    poor = person(10)
    return [
        (sender, "/api/jobs/run"),
        (poor, f"/api/jobs/{post(poor)}/pay"),
        (competitor, f"/api/jobs/{claimable}/claim"),
        (competitor, f"/api/jobs/{submittable}/submit"),
        (sender, f"/api/jobs/{cancellable}/cancel"),
        (sender, "/api/whoami"),
    ]


NOT_JSON = {
    "cut off": b'{"prompt": "Hi"',
    "bare words": b"{prompt: Hi}",
    "single quotes": b"{'prompt': 'Hi'}",
    "a trailing comma": b'{"prompt": "Hi",}',
    "two documents": b'{"prompt": "Hi"}{}',
    "white space": b" \n",
    "a byte order mark of UTF-16": '{"prompt": "Hi"}'.encode("utf-16"),
    "NaN": b'{"prompt": "Hi", "price_cents": NaN}',
    "Infinity": b'{"prompt": "Hi", "price_cents": Infinity}',
    "-Infinity": b'{"prompt": "Hi", "price_cents": -Infinity}',
    "a number of 5,000 digits": b'{"prompt": "Hi", "price_cents": ' + b"9" * 5000 + b"}",
    "half a surrogate pair, escaped": b'{"prompt": "\\ud800", "text": "\\ud800"}',
    "the other half": b'{"prompt": "\\udc00x", "text": "\\udc00x"}',
    "half a surrogate pair, raw": b'{"prompt": "\xed\xa0\x80", "text": "\xed\xa0\x80"}',
    "a surrogate in a key": b'{"\\ud800": 1}',
    "bytes that are not UTF-8": b'{"prompt": "\xff\xfe", "text": "\xff\xfe"}',
    "UTF-16": '{"prompt": "Hi"}'.encode("utf-16"),
    "a raw control character": b'{"prompt": "\x01", "text": "\x01"}',
    "a raw NUL": b'{"prompt": "\0", "text": "\0"}',
    "100,000 [": b"[" * 100_000,
    "100,000 nested objects": b'{"a":' * 100_000,
    "a deep value": b'{"prompt": "Hi", "text": "Hi", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a form": b"prompt=Hi&confirmed=true",
    "nothing but a quote": b'"',
}


def test_what_is_not_json_is_refused(api, posts, subtests):
    with unchanged():
        for name, body in NOT_JSON.items():
            for who, path in posts:
                with subtests.test(name, path=path):
                    refused(api.send(who, path, body), 400, "invalid_json")


def test_a_body_has_to_be_an_object(api, posts, subtests):
    with unchanged():
        for body in (b"[]", b"[{}]", b"null", b"true", b"0", b"1e999", b'"prompt"', b'""'):
            for who, path in posts:
                with subtests.test(body=body, path=path):
                    refused(api.send(who, path, body), 400, "invalid_request")


MEDIA_TYPES = [
    None,
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "application/json-seq",
    "nonsense",
]


def test_another_media_type_is_refused(api, posts, subtests):
    with unchanged():
        for content_type in MEDIA_TYPES:
            for who, path in posts:
                with subtests.test(content_type, path=path):
                    answer = api.send(who, path, b'{"prompt": "Hi", "text": "Hi"}', content_type)
                    refused(answer, 415, "unsupported_media_type")


def test_parameters_and_case_of_the_media_type_do_not_matter(api, sender):
    for content_type in ("application/json; charset=utf-8", "Application/JSON", "application/json;x"):
        ok(api.send(sender, "/api/jobs/run", b'{"prompt": "Hi"}', content_type))


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_no_body_counts_as_an_empty_object(api, posts, content_type):
    run, _, claim_, submit_, cancel, whoami = posts
    with unchanged():
        problem = refused(api.send(*run, b"", content_type), 400, "invalid_request")
        assert problem["errors"][0]["field"] == "prompt"
        problem = refused(api.send(*submit_, b"", content_type), 400, "invalid_request")
        assert problem["errors"][0]["field"] == "text"
        ok(api.send(*whoami, b"", content_type))
    ok(api.send(*claim_, b"", content_type), 201)
    ok(api.send(*cancel, b"", content_type))


# Size ------------------------------------------------------------------------------------------


def padded(size):
    head, tail = b'{"prompt": "Hi", "padding": "', b'"}'
    return head + unicode_text(size - len(head) - len(tail)).replace(b"\n", b" ") + tail


def test_two_mebibytes_are_the_most(api, sender, posts, subtests):
    ok(api.send(sender, "/api/jobs/run", padded(2 * MIB)))
    with unchanged():
        for who, path in posts:
            with subtests.test(path):
                problem = refused(api.send(who, path, padded(2 * MIB + 1)), 413, "content_too_large")
                assert str(2 * MIB) in problem["error"]


def test_a_body_of_unannounced_size_is_measured_too(api, sender):
    def chunked(size):
        return api.http.post(
            "/api/jobs/run",
            input_stream=BytesIO(padded(size)),
            content_type="application/json",
            headers=sender.auth,
            environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
        )

    assert ok(chunked(1000))["prompt"] == "Hi"
    assert ok(chunked(2 * MIB))["prompt"] == "Hi"
    with unchanged():
        assert str(2 * MIB) in refused(chunked(2 * MIB + 1), 413, "content_too_large")["error"]


def test_a_compressed_body_is_never_unpacked(http):
    """Ten kilobytes may become ten mebibytes."""
    packed = gzip.compress(b'{"prompt": "' + b"x" * 10 * 1024**2 + b'"}')
    headers = {**person().auth, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = http.post("/api/jobs/run", data=packed, headers=headers)
    refused(answer, 415, "unsupported_media_type")
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate", "zstd", "identity, gzip", "aes128gcm"])
def test_no_route_takes_a_compressed_body(http, posts, coding):
    for who, path in [*posts, (person(), "/api/uploads")]:
        headers = {**who.auth, "Content-Encoding": coding, "Content-Type": "application/json"}
        answer = http.post(path, data=gzip.compress(b"{}"), headers=headers)
        refused(answer, 415, "unsupported_media_type")
        assert answer.headers["Accept-Encoding"] == "identity"


def test_a_body_that_says_it_is_not_compressed_is_read(http):
    headers = {**person().auth, "Content-Encoding": "identity"}
    ok(http.post("/api/jobs/run", json={"prompt": "Hi"}, headers=headers))


def test_a_byte_order_mark_before_the_json_is_skipped(api):
    who = person()
    plain = '{"prompt": "Zürich ist schön"}'.encode()
    assert ok(api.send(who, "/api/jobs/run", BOM + plain)) == ok(api.send(who, "/api/jobs/run", plain))
    refused(api.send(who, "/api/jobs/run", BOM), 400, "invalid_json")
    refused(api.send(who, "/api/jobs/run", BOM + BOM + plain), 400, "invalid_json")


def test_a_body_that_ends_early_is_no_body_at_all(api, posts, subtests):
    with unchanged():
        for who, path in posts:
            for body in (b"", b"{}"):
                with subtests.test(path, body=body):
                    answer = api.http.post(
                        path,
                        input_stream=BytesIO(body),
                        content_type="application/json",
                        headers=who.auth,
                        # As gunicorn hands it over: the stream ends where the client ended it.
                        environ_overrides={"CONTENT_LENGTH": "60", "wsgi.input_terminated": True},
                    )
                    refused(answer, 400, "invalid_json")


# Fields ----------------------------------------------------------------------------------------

WRONG = {
    "prompt": [None, True, 7, 1.5, [], {}, ["Hi"], "", " \n\t ", "a\0b", text(20_001)],
    "envVars": [None, True, 7, "A=b", [], [["A", "b"]], {"A": 1}, {"A": None}, {"A": True}, {"A": {}},
                {"A": ["b"]}, {"A": "\0"}, {"\0": "a"}, {"": "a"}],
    "attachments": [None, True, 7, "key", {}, ["a"] * 6],
    "pack": [None, True, 7, [], {}, "", "chess", "WILD", "wild ", "wild\0"],
    "price_cents": [True, False, "100", 100.0, 1e2, 1.5, 1e300, [], {}, ""],
    "time_limit_seconds": [True, False, "300", 300.0, 1e300, [], {}],
    "confirmed": [None, "true", "", 1, 0, [], {}],
    "min_grade": [True, 7, [], {}, "", "s", "E", "AA", "A\0"],
}  # fmt: skip


def test_every_field_of_a_drop_has_its_type(api, sender, subtests):
    with unchanged():
        for field, value in ((field, value) for field, values in WRONG.items() for value in values):
            with subtests.test(field, value=repr(value)[:40]):
                body = {"prompt": "Hi", "confirmed": True, field: value}
                problem = refused(api.post(sender, "/api/jobs/run", **body), 400, "invalid_request")
                assert {error["field"] for error in problem["errors"]} == {field}
                assert all(error["message"] for error in problem["errors"])


def test_numbers_beyond_all_bounds_are_no_numbers(api, sender):
    with unchanged():
        for number in (b"1e999", b"-1e999", b"1E+400", b"0.1e-999"):
            body = b'{"prompt": "Hi", "confirmed": true, "price_cents": ' + number + b"}"
            refused(api.send(sender, "/api/jobs/run", body), 400, "invalid_request")


def test_every_field_of_an_entry_has_its_type(api, sender, subtests):
    competitor, path = person(), f"/api/jobs/{post(sender)}/submit"
    wrong = {
        "text": [None, True, 7, 1.5, [], {}, "a\0b", text(100_001)],
        "files": [None, True, 7, "key", {}, ["key"] * 6],
        "attachments": [None, True, "key", {}],
        "agentId": [True, 7, "", "me", [], {}, "0\0"],
    }
    with unchanged():
        for field, values in wrong.items():
            for value in values:
                with subtests.test(field, value=repr(value)[:40]):
                    refused(
                        api.post(competitor, path, **{"text": "Hi", field: value}), 400, "invalid_request"
                    )


def test_several_wrong_fields_are_named_at_once(api, sender):
    problem = refused(
        api.post(sender, "/api/jobs/run", pack="chess", price_cents="7"), 400, "invalid_request"
    )
    assert {error["field"] for error in problem["errors"]} == {"prompt", "pack", "price_cents"}


def test_a_refusal_stays_small(api, sender):
    env_vars = {f"NAME_{n}": n for n in range(50_000)}
    answer = api.post(sender, "/api/jobs/run", prompt="Hi", envVars=env_vars)
    refused(answer, 400, "invalid_request")
    assert len(answer.data) < 2000


def test_text_comes_back_as_it_was_sent(api, sender):
    strange = "\u202e<b>&amp;'\"\\\u2028\ufeff\U0010ffff e\u0301 👩‍👩‍👧 %s {} \x7f\x1b[31m"
    job_id = ok(api.post(sender, "/api/jobs/run", prompt=strange, confirmed=True), 201)["id"]
    assert ok(api.get(sender, f"/api/jobs/{job_id}"))["prompt"] == strange
    entry = ok(api.post(person(), f"/api/jobs/{job_id}/submit", text=strange))
    assert entry["submission"]["output_text"] == strange


# Addresses -------------------------------------------------------------------------------------


def test_unknown_routes_are_not_found(api, sender, subtests):
    for path in ("/", "/api", "/api/nothing", "/api/jobs/run/x", "/%00", "/%ff%fe", "/api/%2e%2e/x"):
        for who in (None, sender):
            with subtests.test(path, key=who is not None):
                hidden(api.get(who, path))
                hidden(api.post(who, path, prompt="Hi"))


def test_the_wrong_method_names_the_right_ones(api, sender):
    for method, path, allowed in [
        ("GET", "/api/jobs/run", "POST"),
        ("PUT", "/api/jobs/run", "POST"),
        ("POST", "/api/board", "GET"),
        ("DELETE", "/api/feed", "GET"),
        ("PATCH", f"/api/jobs/{uuid4()}", "GET"),
        ("GET", "/api/whoami", "POST"),
    ]:
        answer = api.http.open(path, method=method, headers=sender.auth)
        refused(answer, 405, "method_not_allowed")
        assert allowed in answer.headers["Allow"]


def test_malformed_and_unknown_ids_are_hidden_alike(api, sender, subtests):
    ids = [str(uuid4()), "x", "0", "-1", "None", "1 or 1=1", "%00", "%ff", "g" * 36, "1" * 5000]
    with unchanged():
        for job_id in ids:
            with subtests.test(job_id[:40]):
                hidden(api.get(sender, f"/api/jobs/{job_id}"))
                hidden(api.get(sender, f"/api/jobs/{job_id}/submissions"))
                for action in ("pay", "claim", "submit", "cancel"):
                    hidden(api.post(sender, f"/api/jobs/{job_id}/{action}", text="Hi"))


# Anything at all -------------------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["wild", "S", "0190a1b2-0000-7000-8000-000000000000", "\0", "\ud800", 10**40, 2**63, -(2**63)]
    )
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
FIELDS = [*WRONG, "text", "files", "agentId"]
BODIES = TREES | st.dictionaries(st.sampled_from(FIELDS), TREES, max_size=6)


def test_no_json_at_all_breaks_anything(api, posts):
    """The drops stay as random bodies leave them: opened, claimed, revised, cancelled."""

    @settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(body=BODIES, route=st.integers(0, len(posts) - 1))
    def fuzz(body, route):
        who, path = posts[route]
        answer = api.http.post(path, json=body, headers=who.auth)
        assert answer.status_code < 500
        assert answer.mimetype in ("application/json", "application/problem+json")

    fuzz()
    assert violations() == []
