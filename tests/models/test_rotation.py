"""Rotating the keys that secrets are sealed with."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from models import db, replay, rotation, settlement, vault
from models.errors import Unavailable
from models.replay import Kept
from models.rotation import SEALED, Tally
from models.states import Status
from tests.models.stages import drop_in, sql
from tests.support import at_once, drop, let_time_pass, person, violations
from tests.workers.processes import PATIENCE_SECONDS

SECRETS = {"TOKEN": "töken"}
ANSWER = Kept(201, "application/json", b'{"api_key": "clorp_x"}')
HASH = b"the request"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def keys(settle):
    """Sets the server's keys, the first of which encrypts."""
    return lambda *keys: settle(encryption_keys=",".join(keys))


@pytest.fixture
def stored(keys):
    """Drops in every status and kept answers, all sealed with the old key."""
    keys(OLD)
    drops = [drop_in(status, env_vars=SECRETS) for status in Status]
    who = person()
    for key in ("a", "b", "ß"):
        with db.transaction() as session:
            session.execute(CHANGE)
            replay.keep(session, who.id, key, HASH, ANSWER)
    return drops, who


# What is kept is only the answer of a transaction that changed something.
CHANGE = text("SELECT pg_current_xact_id()")


def readable(drops, who):
    """Every secret, by the keys of now."""
    with db.transaction() as session:
        answers = [replay.recall(session, who.id, key, HASH) for key in ("a", "b", "ß")]
    return [vault.unseal(drop(job_id).env_vars) for job_id in drops] == [SECRETS] * len(
        drops
    ) and answers == [ANSWER] * 3


def test_after_a_rotation_the_new_key_alone_reads_everything(keys, stored):
    keys(NEW, OLD)
    assert rotation.rotate() == {"drops": Tally(7, 7), "answers": Tally(3, 3)}
    keys(NEW)
    assert readable(*stored)
    assert violations() == []


def test_it_changes_nothing_else_of_a_drop(keys, stored):
    keys(NEW, OLD)
    rows = "SELECT to_jsonb(j) - 'env_vars' FROM jobs j ORDER BY id"
    before = sql(rows)
    rotation.rotate()
    assert sql(rows) == before


def test_a_second_rotation_finds_nothing_to_do(keys, stored):
    keys(NEW, OLD)
    rotation.rotate()
    before = sql("SELECT env_vars FROM jobs ORDER BY id")
    assert rotation.rotate() == {"drops": Tally(7, 0), "answers": Tally(3, 0)}
    assert sql("SELECT env_vars FROM jobs ORDER BY id") == before


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_what_a_killed_rotation_did_stays_done_and_the_next_does_the_rest(keys, stored, monkeypatch, batch):
    monkeypatch.setattr(rotation, "BATCH", batch)
    keys(NEW, OLD)

    def killed(name: str, tally: Tally) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(killed)
    assert rotation.rotate() == {"drops": Tally(7, 7 - batch), "answers": Tally(3, 3)}
    keys(NEW)
    assert readable(*stored)


def test_it_tells_how_far_it_is(keys, stored, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 3)
    keys(NEW, OLD)
    told: list[tuple[str, int]] = []
    rotation.rotate(lambda name, tally: told.append((name, tally.seen)))
    assert told == [("drops", 3), ("drops", 6), ("drops", 7), ("answers", 3)]


def test_a_drop_that_is_wiped_meanwhile_stays_wiped(keys):
    keys(OLD)
    job_id = drop_in(Status.VERIFIED, env_vars=SECRETS)
    let_time_pass(job_id, 100_000)
    keys(NEW, OLD)

    def reseal() -> str:
        with db.transaction() as session:
            return rotation.reseal(session, SEALED[0], (job_id,))

    with ThreadPoolExecutor(1) as other:
        with db.transaction() as session:
            settlement.wipe(session, job_id)
            session.flush()
            waiting = other.submit(reseal)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=PATIENCE_SECONDS) == "settled"
    assert drop(job_id).env_vars is None
    assert rotation.rotate() == {"drops": Tally(), "answers": Tally()}


def test_an_answer_that_is_forgotten_meanwhile_stays_forgotten(keys, stored):
    keys(NEW, OLD)
    sql("DELETE FROM idempotency_keys")
    with db.transaction() as session:
        assert rotation.reseal(session, SEALED[1], (stored[1].id, "a")) == "settled"


def test_what_no_key_opens_is_counted_and_left_as_it_is(keys, stored):
    before = sql("SELECT env_vars FROM jobs ORDER BY id")
    keys(NEW)
    assert rotation.rotate() == {"drops": Tally(7, 0, 7), "answers": Tally(3, 0, 3)}
    assert sql("SELECT env_vars FROM jobs ORDER BY id") == before
    keys(NEW, OLD)
    assert rotation.rotate() == {"drops": Tally(7, 7), "answers": Tally(3, 3)}


def test_rotations_at_once_seal_each_row_anew_once(keys, stored):
    keys(NEW, OLD)
    tallies = at_once([rotation.rotate] * 10)
    assert all(isinstance(tally, dict) for tally in tallies), tallies
    assert sum(tally["drops"].rotated for tally in tallies) == 7
    assert sum(tally["answers"].rotated for tally in tallies) == 3
    keys(NEW)
    assert readable(*stored)


def test_what_still_needs_an_older_key_is_counted(keys, stored):
    def outstanding() -> tuple[int, int, int]:
        with db.transaction() as session:
            return rotation.outstanding(session)

    assert outstanding() == (0, 0, 10)
    keys(NEW, OLD)
    assert outstanding() == (10, 0, 10)
    rotation.rotate()
    assert outstanding() == (0, 0, 10)


def test_without_a_key_there_is_nothing_to_rotate_to(keys):
    keys("")
    with pytest.raises(Unavailable):
        rotation.rotate()
