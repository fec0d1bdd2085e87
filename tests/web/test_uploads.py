"""POST /api/uploads: bringing a file."""

import hashlib
import json
from io import BytesIO
from uuid import UUID

import pytest

from models import db, files, uploads
from models.schema import ApiKey
from models.settings import settings
from tests.payloads import MIB, crlf_text, png, random_bytes, text
from tests.support import age_uploads, bring, let_time_pass, person, post, unchanged
from tests.web.answers import ok, refused
from tests.web.forms import UPLOADS, form, send, upload
from web.forms import FORM_ROOM, HEADER_MAX, PARTS_MAX

HOUR, DAY = 3600, 24 * 3600
FORM = "multipart/form-data; boundary=b"


def stored() -> list[str]:
    """The names of all files in the folder of uploads."""
    return [path.name for path in (settings().data / "uploads").glob("*/*")]


def told(answer) -> str:
    return refused(answer, 400, "invalid_request")["errors"][0]["message"]


def test_a_file_is_measured_and_kept(api):
    who = person()
    row = ok(upload(api, who, b"Rhine\n"), 201)
    assert row == {
        "key": row["key"],
        "name": "notes.md",
        "size": 6,
        "content_type": "text/markdown",
        "sha256": hashlib.sha256(b"Rhine\n").hexdigest(),
    }
    assert files.chosen().read(UUID(row["key"])) == b"Rhine\n"
    assert stored() == [row["key"]]


def test_every_upload_has_a_key_of_its_own(api):
    who = person()
    assert ok(upload(api, who), 201)["key"] != ok(upload(api, who), 201)["key"]


def test_five_mebibytes_fit_and_not_a_byte_more(api):
    who = person()
    assert ok(upload(api, who, random_bytes(5 * MIB)), 201)["size"] == 5 * MIB
    with unchanged():
        for size in (5 * MIB + 1, 6 * MIB):
            refused(upload(api, who, random_bytes(size)), 413, "content_too_large")
    assert len(stored()) == 1


def test_a_form_of_unannounced_size_is_limited_too(api):
    who = person()
    for size in (3 * MIB, 5 * MIB):
        assert ok(upload(api, who, random_bytes(size), announced=False), 201)["size"] == size
    with unchanged():
        for size in (5 * MIB + 1, 8 * MIB):
            refused(upload(api, who, random_bytes(size), announced=False), 413, "content_too_large")


def test_other_routes_keep_their_own_limit(api):
    who = person()
    body = json.dumps({"prompt": text(3 * MIB)}).encode()
    refused(api.send(who, "/api/jobs/run", body), 413, "content_too_large")


def test_what_surrounds_the_file_is_limited(api):
    who = person()
    with unchanged():
        for form in (
            {"note": text(FORM_ROOM + 1)},
            {f"note{n}": text(FORM_ROOM // 40) for n in range(50)},
            {f"field{n}": "x" for n in range(PARTS_MAX)},
            {"x" * HEADER_MAX: "x"},
        ):
            answer = send(api, who, {**form, "file": (BytesIO(b"x"), "a")})
            assert str(FORM_ROOM) in refused(answer, 413, "content_too_large")["error"]
    for form in ({"note": crlf_text(FORM_ROOM).decode()}, {f"field{n}": "x" for n in range(PARTS_MAX - 1)}):
        ok(send(api, who, {**form, "file": (BytesIO(png(70_000)), "a")}), 201)


def test_a_part_with_a_thousand_headers_is_refused(api):
    who = person()
    body = form(b"x").replace(b"\r\n\r\n", b"\r\n" + b"X-Y: z\r\n" * 1000 + b"\r\n", 1)
    with unchanged():
        refused(api.send(who, UPLOADS, body, FORM), 413, "content_too_large")


def test_there_has_to_be_exactly_one_file(api):
    who = person()
    two = {"file": [(BytesIO(b"x"), "a"), (BytesIO(b"y"), "b")]}
    with unchanged():
        assert "missing" in told(send(api, who, {}))
        assert "missing" in told(send(api, who, {"file": "not a file, but a field"}))
        assert "missing" in told(send(api, who, {"upload": (BytesIO(b"x"), "a")}))
        assert "one file" in told(send(api, who, two))
        assert "one file" in told(send(api, who, {"file": (BytesIO(b"x"), "a"), "b": (BytesIO(b"y"), "b")}))
        assert "empty" in told(upload(api, who, b""))
    assert stored() == []


@pytest.mark.parametrize("content", [b"Rhine", random_bytes(70_000)])
def test_a_form_that_breaks_off_is_refused_wherever(api, content):
    who, whole = person(), form(content, "a")
    with unchanged():
        for end in (*range(1, 90), len(whole) // 2, *range(len(whole) - 9, len(whole) - 2)):
            assert "broken" in told(api.send(who, UPLOADS, whole[:end], FORM)), end
    ok(api.send(who, UPLOADS, whole[:-2], FORM), 201)


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n\r\n",
        b"--b\r\n\r\nx\r\n--b--",
        form(b"x").replace(b"form-data", b"attachment"),
        form(b"x").replace(b"Content-Disposition:", b"Content-Disposition"),
        form(b"x").replace(b"notes", b"\xff\xfe"),
        form(b"x").replace(b"\r\n", b"\n"),
        form(b"x", boundary="c"),
        random_bytes(1000),
    ],
)
def test_a_broken_form_is_refused(api, body):
    who = person()
    with unchanged():
        assert "broken" in told(api.send(who, UPLOADS, body, FORM))


@pytest.mark.parametrize("boundary", ["", "; boundary", "; boundary=", '; boundary=""', "; boundary=ü"])
def test_a_form_without_a_boundary_is_refused(api, boundary):
    who = person()
    with unchanged():
        assert "broken" in told(api.send(who, UPLOADS, form(b"x"), "multipart/form-data" + boundary))


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/octet-stream"])
def test_anything_but_a_form_is_refused(api, content_type):
    who = person()
    with unchanged():
        refused(api.send(who, UPLOADS, b"x", content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("résumé 👩‍👧.pdf", "résumé 👩👧.pdf"),
        ("../../etc/passwd", "passwd"),
        ("a\tb\x07\x7f.txt", "ab.txt"),
        ("innocent\u202efdp.exe", "innocentfdp.exe"),
        ("line\u2028break", "linebreak"),
        ("  spaced  ", "spaced"),
        (text(300), text(200)),
        ("..", "file"),
        (".", "file"),
        ("dir/", "file"),
        ("\u200b", "file"),
        (".env", ".env"),
        (r"C:\Users\me\answer.txt", "answer.txt"),
        (r"C:\\Users\\me\\answer.txt", "answer.txt"),
        (r"\\server\share\answer.txt", "answer.txt"),
        (r"say \"hi\".txt", 'say "hi".txt'),
        ("say %22hi%22.txt", 'say "hi".txt'),
        ("dir\\\\", "file"),
    ],
)
def test_a_name_is_one_harmless_line(api, sent, kept):
    assert ok(upload(api, person(), name=sent), 201)["name"] == kept


def test_a_name_may_come_in_the_long_form_too(api):
    name = "x\"; filename*=UTF-8''C%3A%5Ctemp%5Cr%C3%A9sum%C3%A9.pdf; x=\""
    assert ok(upload(api, person(), name=name), 201)["name"] == "résumé.pdf"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("image/png", "image/png"),
        ("Text/HTML; charset=utf-8", "text/html"),
        ("application/vnd.api+json", "application/vnd.api+json"),
        (None, "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        ("text/html, text/plain", "application/octet-stream"),
        ("text/<script>", "application/octet-stream"),
        ("text/" + "x" * 101, "application/octet-stream"),
    ],
)
def test_a_content_type_is_a_type_or_none_in_particular(api, sent, kept):
    assert ok(upload(api, person(), name="unknown", content_type=sent), 201)["content_type"] == kept


def test_a_key_that_only_reads_brings_nothing(api):
    who = person()
    with db.transaction() as session:
        session.query(ApiKey).update({"scopes": ["read"]})
    refused(upload(api, who), 403, "insufficient_scope")
    refused(upload(api, None), 401, "unauthenticated")
    assert stored() == []


@pytest.mark.parametrize("scope", ["work", "spend"])
def test_senders_and_competitors_bring_files(api, scope):
    who = person()
    with db.transaction() as session:
        session.query(ApiKey).update({"scopes": [scope]})
    ok(upload(api, who), 201)


# Twice -----------------------------------------------------------------------------------------


def test_a_retry_gets_the_same_upload(api):
    who, key = person(), {"Idempotency-Key": "once"}
    first = upload(api, who, headers=key)
    again = upload(api, who, headers=key)  # with another boundary
    assert (ok(first, 201), again.headers["Idempotent-Replayed"]) == (again.json, "true")
    assert first.data == again.data
    assert stored() == [first.json["key"]]


def test_another_file_under_the_same_key_is_refused(api):
    who, key = person(), {"Idempotency-Key": "once"}
    ok(upload(api, who, headers=key), 201)
    with unchanged():
        for changed in ({"content": b"Nile"}, {"name": "other.md"}, {"content_type": "text/plain"}):
            refused(upload(api, who, headers=key, **changed), 422, "idempotency_key_reused")
    assert len(stored()) == 1


# Too much --------------------------------------------------------------------------------------


def test_who_keeps_too_many_bytes_unused_brings_no_more(api, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_BYTES_MAX", 10)
    who = person()
    ok(upload(api, who, random_bytes(6)), 201)
    with unchanged():
        refused(upload(api, who, random_bytes(5)), 429, "upload_quota")
    assert len(stored()) == 1
    ok(upload(api, who, random_bytes(4)), 201)
    ok(upload(api, person(), random_bytes(10)), 201)


def test_who_keeps_too_many_files_unused_brings_no_more(api, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_FILES_MAX", 2)
    who = person()
    bring(who)
    age_uploads(12)
    bring(who)
    wait = refused(upload(api, who), 429, "upload_quota")["retry_after"]
    assert 12 * HOUR < wait <= 13 * HOUR  # the run that removes it comes within an hour


def test_what_hangs_on_a_paid_drop_does_not_count_but_what_waits_for_payment_does(api, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_FILES_MAX", 1)
    rich, poor = person(100), person()
    post(rich, attachments=[bring(rich)])
    ok(upload(api, rich), 201)
    post(poor, attachments=[bring(poor)])
    wait = refused(upload(api, poor), 429, "upload_quota")["retry_after"]
    assert 8 * DAY < wait <= 8 * DAY + HOUR  # a day until it is cancelled, and seven more


def test_filling_the_storage_by_posting_and_cancelling_ends_at_the_quota(api, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_BYTES_MAX", 200_000)
    who, content = person(50), random_bytes(20_000)
    for _ in range(10):
        key = ok(upload(api, who, content), 201)["key"]
        job_id = post(who, price_cents=50, attachments=[key])
        ok(api.post(who, f"/api/jobs/{job_id}/cancel"))
    with unchanged():
        problem = refused(upload(api, who, content), 429, "upload_quota")
    assert 7 * DAY < problem["retry_after"] <= 7 * DAY + HOUR
    assert "7 days after that end" in problem["error"]
    assert len(stored()) == 10


def test_the_quota_of_a_user_whose_drops_were_never_paid_comes_back(api, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_BYTES_MAX", 200_000)
    who, content = person(), random_bytes(10_000)
    drops = [post(who, attachments=[ok(upload(api, who, content), 201)["key"]]) for _ in range(20)]
    refused(upload(api, who, content), 429, "upload_quota")
    for job_id in drops:
        ok(api.post(who, f"/api/jobs/{job_id}/cancel"))
        let_time_pass(job_id, 7 * DAY + 1)
    age_uploads(24 * 7)
    assert uploads.tidy(files.chosen())[0] == 20
    for _ in range(20):
        ok(upload(api, who, content), 201)


def test_a_folder_that_cannot_be_written_is_not_the_clients_fault(api):
    who = person()
    settings().data.write_text("a file stands in its place")
    with unchanged():
        problem = refused(upload(api, who), 503, "unavailable")
    assert "operator" in problem["error"]


# As aiohttp 3.14 sends them, and browsers, curl and httpx; then what RFC 2231 means.
HEADS = {
    rb'filename="R%C3%A9sum%C3%A9%202024.pdf"': "Résumé 2024.pdf",
    rb'filename="%E6%97%A5%E6%9C%AC%E8%AA%9E.txt"': "日本語.txt",
    rb'filename="100%25.txt"': "100%.txt",
    rb'filename="a%2Bb%26c%3Dd%3Be.txt"': "a+b&c=d;e.txt",
    rb'filename="a%2520b.txt"': "a%20b.txt",
    rb'filename="a%20%22b%22%20c.txt"': 'a "b" c.txt',
    b'filename="R\xc3\xa9sum\xc3\xa9 2024.pdf"': "Résumé 2024.pdf",
    rb'filename="a \"b\" c.txt"': 'a "b" c.txt',
    rb'filename="my %22best%22 file.txt"': 'my "best" file.txt',
    rb'filename="up 50% of it.txt"': "up 50% of it.txt",
    rb'filename="100%.txt"': "100%.txt",
    rb'filename="a %41 b.txt"': "a %41 b.txt",
    rb'filename="100%ff.txt"': "100%ff.txt",
    b"filename*=UTF-8''na%C3%AFve%20b.txt": "naïve b.txt",
    b"filename=\"x.txt\"; filename*=UTF-8''na%C3%AFve.txt": "naïve.txt",
    b"filename*=UTF-8''na%C3%AFve.txt; filename=\"x.txt\"": "naïve.txt",
    b"filename*=UTF-8''a%2520b.txt": "a%20b.txt",
    b"filename*=iso-8859-1'en'na%EFve.txt": "naïve.txt",
    rb'filename="a; filename*=b"': "a; filename*=b",
}


@pytest.mark.parametrize("head", HEADS)
def test_a_name_is_what_its_client_means(api, head):
    part = b'--b\r\nContent-Disposition: form-data; name="file"; %s\r\n\r\nRhine\r\n--b--\r\n' % head
    assert ok(api.send(person(), UPLOADS, part, FORM), 201)["name"] == HEADS[head]


def test_an_encoded_name_hides_no_path_and_no_line_break(api):
    for head, name in {
        b'filename="%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"': "passwd",
        b'filename="a%0D%0Ab.txt"': "ab.txt",
        b'filename="a b%0D%0Ac.txt"': "a bc.txt",
        b'filename="%00%E2%80%AE.txt"': ".txt",
    }.items():
        part = b'--b\r\nContent-Disposition: form-data; name="file"; %s\r\n\r\nx\r\n--b--\r\n' % head
        assert ok(api.send(person(), UPLOADS, part, FORM), 201)["name"] == name
