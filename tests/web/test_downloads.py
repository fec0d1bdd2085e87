"""GET /api/uploads/<key>: a file, for who brought it and for those who may see what it hangs on."""

from hashlib import sha256
from uuid import UUID, uuid4

import pytest

from models import files, uploads
from tests.models.stages import cast_all, rank
from tests.support import Person, bring, claim, close, drive, let_time_pass, person, post, status, submit
from tests.web.answers import hidden, ok, refused
from tests.web.forms import UPLOADS
from tests.web.scenes import end_window


def fetch(api, who: Person | None, key: str, **headers: str):
    return api.http.get(f"{UPLOADS}/{key}", headers={**(who.auth if who else {}), **headers})


def readers(api, key: str, *people: Person) -> list[bool]:
    """Which of these people get the file; the others must not learn that there is one."""
    answers = [fetch(api, who, key) for who in people]
    for answer in answers:
        if answer.status_code != 200:
            hidden(answer)
    return [answer.status_code == 200 for answer in answers]


# What comes ------------------------------------------------------------------------------------


def test_a_file_comes_back_as_it_was_sent(api):
    who = person()
    answer = fetch(api, who, bring(who, b"\0\xffbytes", "a.bin", "application/x-thing"))
    assert (answer.status_code, answer.data) == (200, b"\0\xffbytes")
    assert answer.headers["Content-Type"] == "application/x-thing"
    assert answer.headers["Content-Length"] == "7"


def test_a_page_is_only_ever_saved(api):
    who = person()
    answer = fetch(api, who, bring(who, b"<script>alert(1)</script>", "x.html", "text/html"))
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.txt", "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"),
        ("é€.txt", "attachment; filename=\"e.txt\"; filename*=UTF-8''%C3%A9%E2%82%AC.txt"),
        ("木", "attachment; filename=\"file\"; filename*=UTF-8''%E6%9C%A8"),
        ('"; x="y', "attachment; filename=\"_; x=_y\"; filename*=UTF-8''%22%3B%20x%3D%22y"),
    ],
)
def test_its_name_survives_in_a_header(api, name, header):
    who = person()
    assert fetch(api, who, bring(who, name=name)).headers["Content-Disposition"] == header


def test_what_one_has_is_not_sent_again(api):
    who = person()
    key = bring(who, b"Rhine")
    tag = fetch(api, who, key).headers["ETag"]
    answer = fetch(api, who, key, **{"If-None-Match": tag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert fetch(api, who, key, **{"If-None-Match": '"other"'}).data == b"Rhine"
    hidden(fetch(api, person(), key, **{"If-None-Match": tag}))


def test_a_file_whose_content_is_lost_says_so(api):
    who = person()
    key = bring(who)
    files.chosen().delete(UUID(key))
    assert "operator" in refused(fetch(api, who, key), 503, "file_lost")["error"]


def test_a_file_that_was_removed_is_gone_for_those_who_saw_it_and_hidden_from_others(api):
    sender, claimant, stranger = person(100), person(), person()
    key = bring(sender)
    job_id = post(sender, attachments=[key], time_limit_seconds=3600)
    claim(claimant, job_id)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"), 202)
    let_time_pass(job_id, 301)
    assert close(job_id) == "cancelled"
    let_time_pass(job_id, 8 * 24 * 3600)
    assert uploads.tidy(files.chosen()) == (1, 0)
    assert "size and hash" in refused(fetch(api, sender, key), 404, "file_removed")["error"]
    for who in (claimant, stranger):  # the claim ended with the drop
        hidden(fetch(api, who, key))
    (row,) = ok(api.get(sender, f"/api/jobs/{job_id}"))["attachments"]
    assert (row["size"], row["sha256"]) == (5, sha256(b"Rhine").hexdigest())


def test_unknown_and_malformed_keys_are_hidden(api):
    who = person()
    for key in (uuid4(), "x", "%00", "../../etc/passwd", "..%2f..%2fetc%2fpasswd"):
        hidden(fetch(api, who, str(key)))


# Who may read ----------------------------------------------------------------------------------


def test_what_hangs_on_nothing_is_its_owners(api):
    owner, other = person(), person()
    assert readers(api, bring(owner), owner, other) == [True, False]
    refused(fetch(api, None, bring(owner)), 401, "unauthenticated")


def test_the_files_of_a_drop_are_for_those_who_see_the_drop(api):
    sender, claimant, submitter, stranger = person(100), person(), person(), person()
    key = bring(sender)
    job_id = post(sender, attachments=[key], time_limit_seconds=3600)
    assert readers(api, key, sender, claimant, submitter, stranger) == [True, False, False, False]
    claim(claimant, job_id)
    submit(submitter, job_id)
    assert readers(api, key, sender, claimant, submitter, stranger) == [True, True, True, False]
    let_time_pass(job_id, 301)  # the claim ran out
    assert readers(api, key, sender, claimant, submitter, stranger) == [True, False, True, False]


def test_the_files_of_an_entry_are_sealed_until_the_drop_is_decided(api):
    sender, winner, loser, claimant, stranger = person(100), person(), person(), person(), person()
    everyone = (sender, winner, loser, claimant, stranger)
    best, worse = bring(winner), bring(loser)
    job_id = post(sender)
    submit(winner, job_id, "a", files=[best])
    submit(loser, job_id, "b", files=[worse])
    claim(claimant, job_id)

    def sealed() -> None:
        assert readers(api, best, *everyone) == [False, True, False, False, False]
        assert readers(api, worse, *everyone) == [False, False, True, False, False]

    sealed()
    end_window(job_id)
    assert status(job_id) == "ranking"
    sealed()
    cast_all(job_id)
    rank(job_id)
    assert status(job_id) == "completed"
    for _ in ("completed", "verified"):
        assert readers(api, best, *everyone) == [True, True, True, False, False]
        assert readers(api, worse, *everyone) == [True, False, True, False, False]
        drive(job_id)


def test_what_was_not_paid_stays_sealed(api):
    sender, author, other = person(100), person(), person()
    key = bring(author)
    job_id = post(sender, min_grade="S")
    submit(author, job_id, "no", files=[key])
    submit(other, job_id, "nor this")
    end_window(job_id)
    cast_all(job_id, "F")
    assert rank(job_id) == "failed"
    assert readers(api, key, sender, author, other) == [False, True, False]


def test_a_file_that_a_revision_took_away_is_its_authors_again(api, settle):
    settle(revision_cooldown_seconds=0)
    sender, author = person(100), person()
    first, second = bring(author), bring(author)
    job_id = post(sender)
    submit(author, job_id, "a", files=[first])
    submit(author, job_id, "a", files=[second])
    end_window(job_id)
    drive(job_id)
    assert readers(api, first, sender, author) == [False, True]
    assert readers(api, second, sender, author) == [True, True]


def test_one_place_where_it_may_be_seen_is_enough(api):
    sender, worker = person(200), person()
    key = bring(sender)
    post(sender, attachments=[key])
    seen = post(sender, attachments=[key])
    assert readers(api, key, worker) == [False]
    claim(worker, seen)
    assert readers(api, key, worker) == [True]
