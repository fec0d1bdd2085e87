"""Whatever process dies, wherever it can be made to: the drop ends, and its bounty is paid once."""

import signal
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from models import db, payments, remittance, settlement
from models.crash import Point
from models.states import Status
from tests.journeys import doomed
from tests.models.stages import sql
from tests.payments import SECRET, state
from tests.support import balance, drive, let_time_pass, people, person, post, status, submit, violations
from tests.web.scenes import completed, full_arena
from workers import tasks

PRICE = 100  # cents, of every drop here
DROP = {"prompt": "Name three rivers.", "confirmed": True, "price_cents": PRICE}
LAST_WORDS = {"text": "Rhine, Danube, Volga."}
LOST_CONTACT = {"Idempotency-Key": "one"}


@pytest.fixture(autouse=True)
def _own_secret(database, monkeypatch, settle):
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    settle()


def dies(here: Point, step: Callable[..., None], *arguments: Any) -> None:
    assert doomed.run(here, step, *arguments) == -signal.SIGKILL


def lives_on() -> None:
    """What the rest of the system does: every lease ends, every message comes twice, all comes to its end."""
    while True:
        sql("UPDATE jobs SET due_at = clock_timestamp() WHERE status IN ('ranking', 'completed')")
        sql("UPDATE jobs SET due_at = window_closes_at WHERE status = 'open'")
        sql("UPDATE payments SET due_at = clock_timestamp() WHERE state = 'requested'")
        if not settlement.sweep(_twice) and not remittance.sweep(_twice):
            return


def _twice(task: str, row_id: UUID) -> None:
    for _ in range(2):
        drive(row_id) if task == "judge" else getattr(tasks, task)(str(row_id))


def kinds() -> list[str]:
    return [kind for (kind,) in sql("SELECT kind FROM transfers WHERE kind <> 'credit' ORDER BY kind")]


def paid_once() -> None:
    assert sql("SELECT status FROM jobs") == [(Status.VERIFIED,)]
    assert kinds() == ["hold", "payout"]
    assert violations() == []


def one_entry() -> UUID:
    """A drop whose time is up, with an entry."""
    job_id = post(person(PRICE))
    submit(person(), job_id)
    let_time_pass(job_id)
    return job_id


def in_ranking() -> UUID:
    job_id = one_entry()
    with db.transaction() as session:
        settlement.close(session, job_id)
    return job_id


def with_ballots() -> UUID:
    job_id = in_ranking()
    tasks.ballot(str(job_id), 0)
    return job_id


def owed() -> UUID:
    return completed(person(PRICE), *people(2))


# Where it dies, and what it was about to do ----------------------------------------------------


def a_request(here: Point) -> None:
    """The client, who got no answer, sends it again."""
    sender = person(PRICE)
    dies(here, doomed.request, "POST", "/api/jobs/run", sender.key, DROP, LOST_CONTACT)
    doomed.request("POST", "/api/jobs/run", sender.key, DROP, LOST_CONTACT)
    assert (balance(sender), kinds()) == (0, ["hold"])
    ((job_id,),) = sql("SELECT id FROM jobs")
    submit(person(), job_id)
    let_time_pass(job_id)


def the_last_entry(here: Point) -> None:
    job_id, everyone = full_arena()
    for who in everyone[1:]:
        submit(who, job_id)
    dies(here, doomed.request, "POST", f"/api/jobs/{job_id}/submit", everyone[0].key, LAST_WORDS, {})
    assert status(job_id) is Status.RANKING


def a_task(name: str, drop: Callable[[], UUID], left: Status) -> Callable[[Point], None]:
    def scene(here: Point) -> None:
        job_id = drop()
        dies(here, doomed.task, name, *([] if name == "sweep" else [str(job_id)]), *_number(name))
        assert status(job_id) is left

    return scene


def _number(name: str) -> list[int]:
    return [0] if name == "ballot" else []


def a_payment(here: Point) -> None:
    with db.transaction() as session:
        payment_id = payments.begin_withdrawal(session, person(500).id, 500, "sandbox").id
    dies(here, doomed.task, "remit", str(payment_id))
    lives_on()
    assert (state(payment_id), kinds()) == ("succeeded", ["withdrawal"])
    assert violations() == []


SCENES: dict[Point, Callable[[Point], None]] = {
    Point.FUNDED: a_request,
    Point.ANSWER: a_request,
    Point.HANDOFF: the_last_entry,
    Point.LEASED: a_task("sweep", one_entry, Status.OPEN),
    Point.MOVED: a_task("close", one_entry, Status.OPEN),
    Point.CHORD_UNSENT: a_task("close", one_entry, Status.RANKING),
    Point.CHORD_SENT: a_task("judge", in_ranking, Status.RANKING),
    Point.BALLOT_JUDGED: a_task("ballot", in_ranking, Status.RANKING),
    Point.BALLOT_RECORDED: a_task("ballot", in_ranking, Status.RANKING),
    Point.RANKED: a_task("rank", with_ballots, Status.COMPLETED),
    Point.PAYING: a_task("pay", owed, Status.COMPLETED),
    Point.PAID: a_task("pay", owed, Status.VERIFIED),
    Point.RAIL_TOLD: a_payment,
    Point.REMITTED: a_payment,
}


def test_every_place_is_tried():
    assert list(SCENES) == list(Point)


@pytest.mark.parametrize("here", Point)
def test_who_dies_there_loses_nothing(here):
    SCENES[here](here)
    lives_on()
    if sql("SELECT 1 FROM jobs"):
        paid_once()


def test_a_window_without_an_entry_is_refunded_once():
    sender = person(PRICE)
    job_id = post(sender)
    let_time_pass(job_id)
    dies(Point.MOVED, doomed.task, "close", str(job_id))
    assert (status(job_id), kinds()) == (Status.OPEN, ["hold"])
    lives_on()
    assert (status(job_id), kinds(), balance(sender)) == (Status.FAILED, ["hold", "refund"], PRICE)
    assert violations() == []


def test_it_happens_at_the_time_that_was_said():
    job_id = in_ranking()
    assert doomed.run("ballot_judged:2", doomed.task, "ballot", str(job_id), 0) == 0
    assert sql("SELECT k FROM ballots") == [(0,)]
