"""Many competitors at once: never more than there are slots, never a hoarder."""

from collections import Counter
from functools import partial

from models.states import Status
from tests.models.stages import drop_in, settled, sql
from tests.races.outcomes import outcomes
from tests.support import at_once, claim, people, person, post, status, submit, violations

CROWD = 50


def test_the_last_slot_goes_to_one_of_fifty():
    job_id = drop_in(Status.OPEN)
    for who in people(4):
        claim(who, job_id)
    assert outcomes([partial(claim, who, job_id) for who in people(CROWD)]) == {"ok": 1, "ArenaFull": 49}
    assert sorted(row.slot for row in sql("SELECT slot FROM claims")) == [1, 2, 3, 4, 5]
    assert violations() == []


def test_five_of_fifty_direct_entries_come_in_and_close_the_window():
    job_id = drop_in(Status.OPEN)
    entries = [partial(submit, who, job_id) for who in people(CROWD)]
    assert outcomes(entries) == {"ok": 5, "WindowClosed": 45}
    assert status(job_id) is Status.RANKING
    assert settled(job_id) is Status.VERIFIED
    assert violations() == []


def test_claims_and_entries_together_never_use_more_than_five_slots():
    job_id = drop_in(Status.OPEN)
    callers = [partial(do, who, job_id) for who, do in zip(people(CROWD), [claim, submit] * 25, strict=True)]
    done = outcomes(callers)
    assert done["ok"] == 5
    assert set(done) <= {"ok", "ArenaFull", "WindowClosed", "DropNotOpen"}
    assert sql("SELECT count(*) FROM claims")[0].count == 5
    assert violations() == []


def test_one_user_asking_fifty_times_has_one_slot():
    job_id, who = drop_in(Status.OPEN), person()
    assert outcomes([partial(claim, who, job_id)] * CROWD) == {"ok": CROWD}
    assert sql("SELECT slot FROM claims") == [(1,)]
    assert violations() == []


def test_one_user_entering_fifty_times_at_once_has_one_entry(settle):
    settle(revision_cooldown_seconds=0)
    job_id, who = drop_in(Status.OPEN), person()
    assert outcomes([partial(submit, who, job_id, f"draft {n}") for n in range(CROWD)]) == {"ok": CROWD}
    assert sql("SELECT revision FROM submissions") == [(CROWD,)]
    assert violations() == []


def test_a_user_holds_three_idle_claims_even_when_claiming_fifty_drops_at_once():
    sender, who = person(CROWD * 100), person()
    drops = [post(sender, price_cents=100) for _ in range(CROWD)]
    results = at_once([partial(claim, who, job_id) for job_id in drops])
    assert Counter(type(result).__name__ for result in results) == {"NoneType": 3, "TooManyOpenClaims": 47}
    assert violations() == []
