"""Names and types of files, and what becomes of those that nobody uses."""

import os
import time
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

import celeryconfig
from models import db, files, replay, uploads
from models.errors import FileLost, UnknownFile
from models.ids import uuid7
from models.settings import settings
from models.states import Status
from models.uploads import Parcel
from tests.models.stages import PRICE, cancel, cast_all, close, rank, settled, sql
from tests.support import Person, age_uploads, bring, give, let_time_pass, person, post, submit
from workers import tasks

pytestmark = pytest.mark.usefixtures("database")

HOUR = 3600


def kept() -> set[str]:
    """The keys that have a row."""
    return {str(row.id) for row in sql("SELECT id FROM uploads")}


def bytes_kept() -> set[str]:
    return {path.name for path in folder().glob("*/*")}


def folder() -> Path:
    return settings().data / "uploads"


def age_bytes(hours: float = 25) -> None:
    then = time.time() - hours * HOUR
    for path in folder().glob("*/*"):
        os.utime(path, (then, then))


@pytest.mark.parametrize(
    ("sent", "name"),
    [("C:\\Users\\ada\\notes.txt", "notes.txt"), ("a\0b\r\nc", "abc"), ("", "file"), ("\ud800x", "x")],
)
def test_a_name_is_made_harmless(sent: str, name: str):
    assert Parcel.of(sent, "", b"x").name == name


# Unused ----------------------------------------------------------------------------------------


def test_what_hangs_on_nothing_for_a_day_is_removed():
    old = bring(person())
    age_uploads(24.1)
    young = bring(person())
    assert uploads.tidy(files.chosen()) == (1, 0)
    assert kept() == bytes_kept() == {young}
    with pytest.raises(FileLost):
        files.chosen().read(UUID(old))


def test_what_hangs_somewhere_stays_for_ever():
    sender, author = person(100), person()
    of_drop, of_entry = bring(sender), bring(author)
    job_id = post(sender, attachments=[of_drop])
    submit(author, job_id, files=[of_entry])
    age_uploads()
    age_bytes()
    assert uploads.tidy(files.chosen()) == (0, 0)
    assert kept() == bytes_kept() == {of_drop, of_entry}


# Of drops that ended without a payout -----------------------------------------------------------

WEEK = 7 * 24 * HOUR


def cancelled_unpaid(sender: Person, key: str) -> UUID:
    job_id = post(sender, attachments=[key])
    assert cancel(sender, job_id) is Status.CANCELLED
    return job_id


def refunded(sender: Person, key: str) -> UUID:
    give(sender, 100)
    return cancelled_unpaid(sender, key)


def without_an_entry(sender: Person, key: str) -> UUID:
    give(sender, 100)
    job_id = post(sender, attachments=[key])
    let_time_pass(job_id)
    assert close(job_id) is Status.FAILED
    return job_id


def paid_out(sender: Person, key: str) -> UUID:
    give(sender, 100)
    job_id = post(sender, attachments=[key])
    submit(person(), job_id, "a", files=[])
    let_time_pass(job_id)
    close(job_id)
    assert settled(job_id) is Status.VERIFIED
    return job_id


@pytest.mark.parametrize("ended", [cancelled_unpaid, refunded, without_an_entry])
def test_the_files_of_a_drop_without_a_payout_lose_their_bytes_a_week_after_its_end(ended):
    sender = person()
    key = bring(sender)
    job_id = ended(sender, key)
    row = sql("SELECT size, sha256 FROM uploads")
    age_uploads(24 * 30)  # how old a file is does not count
    let_time_pass(job_id, WEEK - 60)
    assert uploads.tidy(files.chosen()) == (0, 0)
    let_time_pass(job_id, 120)
    assert uploads.tidy(files.chosen()) == (1, 0)
    assert (kept(), bytes_kept()) == ({key}, set())
    assert sql("SELECT size, sha256 FROM uploads") == row
    assert uploads.tidy(files.chosen()) == (0, 0)


def test_so_do_the_files_of_its_entries_and_the_setting_says_when(settle):
    settle(unpaid_files_days=2)
    author, sender = person(), person(PRICE)
    key = bring(author)
    job_id = post(sender, price_cents=PRICE, min_grade="A")
    submit(author, job_id, "a", files=[key])
    let_time_pass(job_id)
    close(job_id)
    cast_all(job_id, "C")
    assert rank(job_id) is Status.FAILED
    let_time_pass(job_id, 47 * HOUR)
    assert uploads.tidy(files.chosen()) == (0, 0)
    let_time_pass(job_id, 2 * HOUR)
    assert uploads.tidy(files.chosen()) == (1, 0)
    assert bytes_kept() == set()


@pytest.mark.parametrize("other", [paid_out, lambda sender, key: post(give(sender, 100), attachments=[key])])
def test_a_file_that_hangs_on_a_paid_drop_or_one_that_goes_on_stays(other):
    sender = person()
    key = bring(sender)
    let_time_pass(refunded(sender, key), 52 * WEEK)
    other(sender, key)
    assert uploads.tidy(files.chosen()) == (0, 0)
    assert kept() == bytes_kept() == {key}


def test_the_files_of_a_paid_drop_and_of_its_entries_stay_for_ever():
    sender, author = person(PRICE), person()
    of_drop, of_entry = bring(sender), bring(author)
    job_id = post(sender, price_cents=PRICE, attachments=[of_drop])
    submit(author, job_id, "a", files=[of_entry])
    let_time_pass(job_id)
    close(job_id)
    assert settled(job_id) is Status.VERIFIED
    let_time_pass(job_id, 520 * WEEK)
    age_uploads(24 * 365)
    age_bytes()
    assert uploads.tidy(files.chosen()) == (0, 0)
    assert kept() == bytes_kept() == {of_drop, of_entry}


def test_what_was_given_up_and_not_removed_before_a_crash_goes_with_the_next_run():
    sender = person()
    key = bring(sender)
    let_time_pass(refunded(sender, key), WEEK + 60)
    with db.transaction() as session:
        assert uploads.give_up_unpaid(session) == [UUID(key)]
    age_bytes()  # the crash came here
    assert uploads.tidy(files.chosen()) == (0, 1)
    assert (kept(), bytes_kept()) == ({key}, set())


def test_a_file_that_was_removed_hangs_on_nothing_new():
    sender = person()
    key = bring(sender)
    let_time_pass(refunded(sender, key), WEEK + 60)
    uploads.tidy(files.chosen())
    with pytest.raises(UnknownFile, match="upload the file again"):
        post(sender, attachments=[key])


def test_refusals_count_on_a_run_as_often_as_beat_begins_one():
    assert celeryconfig.beat_schedule["tidy"]["schedule"] == uploads.TIDY_EVERY.total_seconds()


# Unused, in other ways --------------------------------------------------------------------------


def test_what_a_revision_took_away_is_unused_again(settle):
    settle(revision_cooldown_seconds=0)
    author, job_id = person(), post(person(100))
    first, second = bring(author), bring(author)
    submit(author, job_id, files=[first])
    submit(author, job_id, files=[second])
    age_uploads()
    assert uploads.tidy(files.chosen()) == (1, 0)
    assert kept() == {second}


def test_many_are_removed_in_batches(monkeypatch):
    monkeypatch.setattr(uploads, "TIDY_BATCH", 2)
    who = person()
    for _ in range(5):
        bring(who)
    age_uploads()
    assert uploads.tidy(files.chosen()) == (5, 0)
    assert kept() == bytes_kept() == set()


def test_a_run_has_an_end(monkeypatch):
    monkeypatch.setattr(uploads, "TIDY_BATCH", 2)
    monkeypatch.setattr(uploads, "TIDY_BATCHES_MAX", 2)
    who = person()
    for _ in range(5):
        bring(who)
    age_uploads()
    assert uploads.tidy(files.chosen()) == (4, 0)
    assert uploads.tidy(files.chosen()) == (1, 0)


def test_bytes_that_no_row_names_are_removed_after_a_day(monkeypatch):
    monkeypatch.setattr(uploads, "TIDY_BATCH", 2)
    known = bring(person())
    for _ in range(5):
        files.chosen().put(uuid7(), b"x")
    assert uploads.tidy(files.chosen()) == (0, 0)  # somebody may just be bringing them
    age_bytes()
    assert uploads.tidy(files.chosen()) == (0, 5)
    assert bytes_kept() == {known}


def test_a_row_whose_bytes_could_not_be_removed_leaves_bytes_for_the_next_run(monkeypatch):
    bring(person())
    age_uploads()
    with db.transaction() as session:
        assert len(uploads.forget_idle(session)) == 1
    age_bytes()  # the crash came here
    assert uploads.tidy(files.chosen()) == (0, 1)


def test_the_task_tidies_all_of_it():
    who = person()
    bring(who)
    age_uploads()
    answer = replay.Kept(200, "application/json", b"{}")
    with db.transaction() as session:
        session.execute(text("UPDATE users SET name = name"))
        replay.keep(session, who.id, "old", b"hash", answer)
        replay.keep(session, who.id, "new", b"hash", answer)
    sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'old'")
    tasks.tidy()
    tasks.tidy()
    assert kept() == bytes_kept() == set()
    assert sql("SELECT key FROM idempotency_keys") == [("new",)]


def test_where_nothing_was_ever_brought_there_is_nothing_to_do():
    assert uploads.tidy(files.chosen()) == (0, 0)
    assert not folder().exists()
