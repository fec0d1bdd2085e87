"""The same file in many hands at once, and the sweep among them."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import pytest

from models import db, files, market, uploads
from models.errors import UnknownFile
from models.market import Draft
from models.states import Status
from models.uploads import Parcel
from tests.models.stages import PRICE, cancel, drop_in, sql
from tests.payloads import random_bytes
from tests.races.outcomes import outcomes
from tests.races.test_settling import BLOCKED
from tests.support import (
    Person,
    age_uploads,
    at_once,
    balance,
    bring,
    insist,
    let_time_pass,
    people,
    person,
    post,
    submit,
    violations,
)
from tests.workers.processes import until

CROWD = 50
DAY = 24 * 3600


def hanging() -> int:
    return sql("SELECT count(*) FROM attachments")[0].count


def cancelled(sender: Person, key: str) -> UUID:
    """A drop with this file that was refunded."""
    job_id = post(sender, price_cents=PRICE, attachments=[key])
    assert cancel(sender, job_id) is Status.CANCELLED
    return job_id


def test_one_file_hangs_on_fifty_drops_at_once():
    sender = person(CROWD * PRICE)
    key = bring(sender)
    posting = partial(post, sender, price_cents=PRICE, attachments=[key])
    assert outcomes([posting] * CROWD) == {"ok": CROWD}
    assert hanging() == CROWD
    assert violations() == []


def test_an_entry_revised_fifty_times_at_once_has_the_files_of_one_revision(settle):
    settle(revision_cooldown_seconds=0)
    job_id, author = drop_in(Status.OPEN), person()
    keys = [bring(author) for _ in range(5)]
    calls = [
        partial(submit, author, job_id, f"draft {n}", files=keys[n % 5 :] + keys[: n % 5])
        for n in range(CROWD)
    ]
    assert outcomes(calls) == {"ok": CROWD}
    rows = sql("SELECT upload_id::text AS key, position FROM attachments ORDER BY position")
    assert [row.position for row in rows] == [0, 1, 2, 3, 4]
    first = keys.index(rows[0].key)
    body = sql("SELECT body FROM submissions")[0].body
    assert int(body.removeprefix("draft ")) % 5 == first
    assert [row.key for row in rows] == keys[first:] + keys[:first]


def test_the_same_entry_handed_in_fifty_times_at_once_is_one():
    job_id, author = drop_in(Status.OPEN), person()
    key = bring(author)
    assert outcomes([partial(submit, author, job_id, "", files=[key])] * CROWD) == {"ok": CROWD}
    assert hanging() == 1
    assert sql("SELECT revision FROM submissions") == [(1,)]


def test_what_is_being_used_is_not_swept_and_what_is_swept_is_not_used():
    sender = person(25 * PRICE)
    keys = [bring(sender) for _ in range(25)]
    age_uploads()

    def sweep() -> tuple[int, int]:
        return uploads.tidy(files.chosen())

    posting = [partial(post, sender, price_cents=PRICE, attachments=[key]) for key in keys]
    mixed = [call for pair in zip(posting, [sweep] * 25, strict=True) for call in pair]
    results = at_once(mixed)
    posted = [result for result in results if isinstance(result, UUID)]
    refused = [result for result in results if isinstance(result, UnknownFile)]
    swept = sum(result[0] for result in results if isinstance(result, tuple))
    assert len(posted) + len(refused) == 25
    assert len(posted) == hanging() == sql("SELECT count(*) FROM uploads")[0].count
    assert len(refused) == swept
    for row in sql("SELECT id FROM uploads"):
        assert files.chosen().read(row.id) == b"Rhine"


def test_the_sweep_passes_over_what_is_just_being_used():
    sender = person(PRICE)
    key = bring(sender)
    age_uploads()
    with db.transaction() as session:
        market.post(session, sender.id, Draft(prompt="Hi", price_cents=PRICE, attachments=[key]))
        assert uploads.tidy(files.chosen()) == (0, 0)  # at once: it waits for nobody
    assert hanging() == 1
    assert files.chosen().read(UUID(key)) == b"Rhine"


def test_who_waits_for_the_sweep_learns_that_the_file_is_gone():
    sender = person(PRICE)
    key = bring(sender)
    age_uploads()
    with db.transaction() as session, ThreadPoolExecutor(1) as waiting:
        assert uploads.forget_idle(session) == [UUID(key)]
        posting = waiting.submit(insist, partial(post, sender, price_cents=PRICE, attachments=[key]))
        until("the lock to be waited for", lambda: posting.done() or sql(BLOCKED) == [(1,)])
        session.commit()
        with pytest.raises(UnknownFile):
            posting.result()
    assert (balance(sender), sql("SELECT id FROM jobs")) == (PRICE, [])


def test_fifty_sweeps_remove_each_file_once():
    for who in people(20):
        bring(who)
    age_uploads()
    results = at_once([lambda: uploads.tidy(files.chosen())] * CROWD)
    assert sum(rows for rows, _ in results) == 20
    assert sql("SELECT id FROM uploads") == []


def test_fifty_files_at_once_stay_within_the_quota(monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_BYTES_MAX", 100)
    who = person()

    def record() -> None:
        with db.transaction() as session:
            uploads.record(session, who.id, Parcel.of("x", "text/plain", random_bytes(10)))

    assert outcomes([record] * CROWD) == {"ok": 10, "UploadQuota": 40}


def test_a_file_that_is_being_used_again_is_not_given_up_and_one_given_up_is_not_used():
    sender = person(25 * PRICE)
    keys = [bring(sender) for _ in range(25)]
    for key in keys:
        let_time_pass(cancelled(sender, key), 8 * DAY)

    def sweep() -> tuple[int, int]:
        return uploads.tidy(files.chosen())

    posting = [partial(post, sender, price_cents=PRICE, attachments=[key]) for key in keys]
    results = at_once([call for pair in zip(posting, [sweep] * 25, strict=True) for call in pair])
    posted = [result for result in results if isinstance(result, UUID)]
    refused = [result for result in results if isinstance(result, UnknownFile)]
    swept = sum(result[0] for result in results if isinstance(result, tuple))
    assert len(posted) + len(refused) == 25
    assert len(refused) == swept == sql("SELECT count(removed_at) FROM uploads")[0].count
    for row in sql("SELECT id FROM uploads WHERE removed_at IS NULL"):
        assert files.chosen().read(row.id) == b"Rhine"


def test_a_post_that_waits_for_the_sweep_learns_that_the_file_was_given_up():
    sender = person(PRICE)
    key = bring(sender)
    let_time_pass(cancelled(sender, key), 8 * DAY)
    with db.transaction() as session, ThreadPoolExecutor(1) as waiting:
        assert uploads.give_up_unpaid(session) == [UUID(key)]
        posting = waiting.submit(insist, partial(post, sender, price_cents=PRICE, attachments=[key]))
        until("the lock to be waited for", lambda: posting.done() or sql(BLOCKED) == [(1,)])
        session.commit()
        with pytest.raises(UnknownFile):
            posting.result()
    assert (balance(sender), hanging()) == (PRICE, 1)
