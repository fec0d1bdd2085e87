"""Files on drops and entries: whose they have to be, how many, and what comes of them."""

from uuid import uuid4

import pytest

from tests.payloads import MIB, random_bytes
from tests.support import (
    bring,
    drive,
    drop,
    let_time_pass,
    person,
    post,
    submit,
    unchanged,
    violations,
)
from tests.web.answers import ok, refused
from tests.web.scenes import end_window

RUN = "/api/jobs/run"


def names(rows):
    return [row["key"] for row in rows]


@pytest.fixture(params=["run", "submit"])
def asking(request, api):
    """A function that hangs files on a drop, or on an entry; and whose they are."""
    who = person(1000)
    if request.param == "run":
        return who, lambda files, **more: api.post(
            who, RUN, **{"prompt": "Hi", "attachments": files, "confirmed": True, **more}
        )
    path = f"/api/jobs/{post(person(100))}/submit"
    return who, lambda files, **more: api.post(who, path, **{"text": "Hi", "files": files, **more})


# Both ------------------------------------------------------------------------------------------


def test_only_ones_own_uploads_are_taken(asking, subtests):
    who, ask = asking
    mine, theirs = bring(who), bring(person())
    with unchanged():
        for key in (theirs, str(uuid4()), "x", "", mine[:-1], mine.replace("-", ""), f"{{{mine}}}"):
            for item in (key, {"key": key}):
                with subtests.test(item=item):
                    refused(ask([mine, item]), 400, "unknown_file")


def test_an_item_is_a_key_or_has_one(asking, subtests):
    who, ask = asking
    mine = bring(who)
    with unchanged():
        for item in (
            None,
            True,
            7,
            1.5,
            [],
            {},
            [mine],
            {"key": None},
            {"key": 7},
            {"name": "x"},
            "\0",
        ):
            with subtests.test(item=item):
                refused(ask([item]), 400, "invalid_request")


def test_no_file_hangs_twice(asking):
    who, ask = asking
    key = bring(who)
    with unchanged():
        problem = refused(ask([key, {"key": key.upper()}]), 400, "invalid_request")
    assert "twice" in problem["errors"][0]["message"]


def test_six_files_are_too_many(asking):
    who, ask = asking
    keys = [bring(who) for _ in range(6)]
    with unchanged():
        refused(ask(keys), 400, "invalid_request")
    assert ask(keys[:5]).status_code in (200, 201)


def test_ten_mebibytes_in_all_fit_and_not_a_byte_more(asking):
    who, ask = asking
    large, other = (bring(who, random_bytes(5 * MIB, seed)) for seed in (1, 2))
    drop_too_many = bring(who, random_bytes(1))
    with unchanged():
        problem = refused(ask([large, other, drop_too_many]), 400, "invalid_request")
        assert "bytes in all" in problem["errors"][0]["message"]
    assert ask([large, other]).status_code in (200, 201)


# Drops -----------------------------------------------------------------------------------------


def test_a_drop_shows_its_files_in_order_as_they_are_stored(api):
    sender = person(100)
    first, second = bring(sender, b"123456", "brief.md"), bring(sender, b"x", "b.bin", "image/png")
    claimed = {"key": first, "name": "other.exe", "size": 1, "content_type": "x/y", "sha256": "0"}
    row = ok(api.post(sender, RUN, prompt="Hi", confirmed=True, attachments=[second, claimed]), 201)
    assert names(row["attachments"]) == [second, first]
    told = row["attachments"][1]
    assert (told["name"], told["size"], told["content_type"]) == ("brief.md", 6, "text/markdown")
    assert ok(api.get(sender, f"/api/jobs/{row['id']}"))["attachments"] == row["attachments"]


def test_the_estimate_checks_them_and_stores_nothing(api):
    sender = person()
    key, theirs = bring(sender), bring(person())
    with unchanged():
        assert ok(api.post(sender, RUN, prompt="Hi", attachments=[key]))["needs_confirmation"] is True
        refused(api.post(sender, RUN, prompt="Hi", attachments=[theirs]), 400, "unknown_file")
        refused(api.post(sender, RUN, prompt="Hi", attachments=[key, key]), 400, "invalid_request")


def test_an_estimate_with_files_is_not_kept_for_a_retry(api):
    sender, path = person(), RUN
    body, headers = {"prompt": "Hi", "attachments": [bring(sender)]}, {"Idempotency-Key": "x"}
    for _ in range(2):
        answer = api.http.post(path, json=body, headers={**sender.auth, **headers})
        assert "Idempotent-Replayed" not in answer.headers


def test_a_drop_that_waits_for_payment_has_its_files_too(api):
    sender = person()
    key = bring(sender)
    waiting = refused(
        api.post(sender, RUN, prompt="Hi", confirmed=True, attachments=[key]), 402, "insufficient_balance"
    )["id"]
    assert names(ok(api.get(sender, f"/api/jobs/{waiting}"))["attachments"]) == [key]


# Entries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["files", "attachments"])
def test_an_entry_may_be_files_alone(api, field):
    author, job_id = person(), post(person(100))
    key = bring(author)
    row = ok(api.post(author, f"/api/jobs/{job_id}/submit", **{field: [key]}))["submission"]
    assert (row["output_text"], names(row["output_attachments"]), row["revision"]) == ("", [key], 1)
    assert ok(api.get(author, f"/api/jobs/{job_id}/submissions/mine"))["submission"] == row


def test_the_same_text_and_files_change_nothing(api):
    author, job_id = person(), post(person(100))
    keys = [bring(author), bring(author)]
    first = ok(api.post(author, f"/api/jobs/{job_id}/submit", text="a", files=keys))
    with unchanged():
        assert ok(api.post(author, f"/api/jobs/{job_id}/submit", text="a", files=keys)) == first


@pytest.mark.parametrize("change", [lambda a, b: [b, a], lambda a, b: [a], lambda a, b: []])
def test_other_files_are_a_revision(api, change):
    author, job_id = person(), post(person(100))
    keys = [bring(author), bring(author)]
    path = f"/api/jobs/{job_id}/submit"
    ok(api.post(author, path, text="a", files=keys))
    with unchanged():
        refused(api.post(author, path, text="a", files=change(*keys)), 429, "revision_cooldown")
    let_time_pass(job_id, 10)
    row = ok(api.post(author, path, text="a", files=change(*keys)))["submission"]
    assert (row["revision"], names(row["output_attachments"])) == (2, change(*keys))


def test_a_revision_without_files_leaves_none(api):
    author, job_id = person(), post(person(100))
    submit(author, job_id, "a", files=[bring(author)])
    let_time_pass(job_id, 10)
    assert (
        ok(api.post(author, f"/api/jobs/{job_id}/submit", text="b"))["submission"]["output_attachments"] == []
    )


def test_after_the_window_no_file_comes_in(api):
    author, job_id = person(), post(person(100))
    key = bring(author)
    let_time_pass(job_id, 300)
    with unchanged():
        refused(api.post(author, f"/api/jobs/{job_id}/submit", files=[key]), 409, "window_closed")


def test_the_winners_files_come_with_the_output(api):
    sender, author = person(100), person()
    key, job_id = bring(author, b"1. Rhine\n2. Danube\n3. Nile"), post(sender)
    submit(author, job_id, "", files=[key])
    end_window(job_id)
    sealed = ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"][0]
    assert (sealed["output_attachments"], sealed["sealed"]) == ([], True)
    assert ok(api.get(sender, f"/api/jobs/{job_id}"))["output_attachments"] is None
    assert drive(job_id) == "verified"
    assert names(ok(api.get(sender, f"/api/jobs/{job_id}"))["output_attachments"]) == [key]
    assert names(
        ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"][0]["output_attachments"]
    ) == [key]
    assert drop(job_id).grade != "F"  # the judge has read the file
    assert violations() == []
