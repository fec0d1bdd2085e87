"""The event rows: every change tells of itself, in its own transaction, once and in order; and who reads them
misses nothing."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from models import arena, chronicle, db, events, market, settlement
from models.arena import Entry
from models.errors import ArenaFull, OwnDrop
from models.events import News, Place
from models.schema import Event
from models.states import Status
from tests.models.stages import cancel, cast, cast_all, close, drop_in, pay, rank, refusal, settled, sql
from tests.support import at_once, claim, let_time_pass, people, person, post, submit

CROWD = 50
LONG = 3600  # seconds: a window that outlives the claims in it

pytestmark = pytest.mark.usefixtures("database")


def told(job_id: UUID) -> list[Event]:
    with db.transaction() as session:
        return events.of_job(session, job_id)


def kinds(job_id: UUID) -> list[str]:
    return [event.kind for event in told(job_id)]


def release(who, job_id) -> None:
    with db.transaction() as session:
        arena.release(session, who.id, job_id)


# What is told ----------------------------------------------------------------------------------


def test_a_drop_tells_its_whole_life():
    job_id = drop_in(Status.VERIFIED)
    entry = ["claim.created", "submission.received"]
    judged = ["drop.ranking", "judge.step", "judge.step", "drop.completed", "payout.posted"]
    assert kinds(job_id) == ["drop.opened", *entry, *entry, *judged]


def test_a_claim_that_is_given_back_is_told():
    job_id, who = drop_in(Status.OPEN), person()
    claim(who, job_id)
    release(who, job_id)
    assert kinds(job_id) == ["drop.opened", "claim.created", "claim.released"]


def test_a_claim_that_ran_out_is_told_once_as_soon_as_anyone_looks():
    job_id, late, next_one = drop_in(Status.OPEN, time_limit_seconds=LONG), *people(2)
    claim(late, job_id)
    let_time_pass(job_id, 301)
    claim(next_one, job_id)
    close(job_id)
    assert kinds(job_id) == ["drop.opened", "claim.created", "claim.expired", "claim.created"]


def test_every_revision_is_told(settle):
    settle(revision_cooldown_seconds=0)
    job_id, who = drop_in(Status.OPEN), person()
    submit(who, job_id, "first")
    submit(who, job_id, "second")
    received = [event.data["revision"] for event in told(job_id) if event.kind == "submission.received"]
    assert received == [1, 2]


def test_a_failure_says_why():
    nobody = drop_in(Status.FAILED)
    below = drop_in(Status.RANKING, min_grade="A")
    cast_all(below, "C")
    rank(below)
    for job_id, reason in ((nobody, "no_submissions"), (below, "below_min_grade")):
        last = told(job_id)[-1]
        assert (last.kind, last.data) == ("drop.failed", {"reason": reason})


def test_a_cancelled_drop_says_so_though_it_was_never_paid():
    assert kinds(drop_in(Status.CANCELLED)) == ["drop.opened", "drop.cancelled"]
    sender = person()
    job_id = post(sender)
    assert kinds(job_id) == []
    cancel(sender, job_id)
    assert kinds(job_id) == ["drop.cancelled"]


def test_a_cancel_that_waits_is_told_once_and_then_carried_out():
    sender, who = person(100), person()
    job_id = post(sender)
    claim(who, job_id)
    cancel(sender, job_id)
    cancel(sender, job_id)
    release(who, job_id)
    asked = ["drop.cancel_requested", "claim.released", "drop.cancelled"]
    assert kinds(job_id) == ["drop.opened", "claim.created", *asked]


def test_the_terminal_event_is_the_last_one():
    for status in (Status.VERIFIED, Status.FAILED, Status.CANCELLED):
        found = kinds(drop_in(status))
        assert [kind for kind in found if kind in events.LAST] == found[-1:]


# What is not -----------------------------------------------------------------------------------


def test_what_changes_nothing_tells_nothing():
    sender, who = person(100), person()
    job_id = post(sender)
    claim(who, job_id)
    submit(who, job_id, "the same")
    before = kinds(job_id)
    claim(who, job_id)
    submit(who, job_id, "the same")
    close(job_id)
    with db.transaction() as session:
        market.pay(session, sender.id, job_id)
    assert kinds(job_id) == before


def test_a_refreshed_claim_tells_nothing():
    job_id, who = drop_in(Status.OPEN), person()
    claim(who, job_id)
    claim(who, job_id)
    assert kinds(job_id) == ["drop.opened", "claim.created"]


def test_tasks_that_are_told_twice_tell_nothing_again():
    job_id = drop_in(Status.VERIFIED)
    before = kinds(job_id)
    cast(job_id, 0)
    close(job_id)
    rank(job_id)
    pay(job_id)
    assert kinds(job_id) == before


def test_a_refusal_tells_nothing(settle):
    settle(max_claims=1)
    sender = person(100)
    job_id = post(sender)
    claim(person(), job_id)
    before = kinds(job_id)
    with pytest.raises(ArenaFull):
        claim(person(), job_id)
    with pytest.raises(OwnDrop):
        submit(sender, job_id)
    assert kinds(job_id) == before


def _abandon(do: Callable[[Any], object]) -> None:
    with suppress(ZeroDivisionError), db.transaction() as session:
        do(session)
        session.flush()
        raise ZeroDivisionError


def test_what_is_rolled_back_was_never_told():
    job_id, who = drop_in(Status.OPEN), person()
    claim(who, job_id)
    before = sql("SELECT count(*) FROM events")
    _abandon(lambda session: arena.claim(session, person().id, job_id))
    _abandon(lambda session: arena.submit(session, who.id, job_id, Entry(text="gone")))
    _abandon(lambda session: arena.release(session, who.id, job_id))
    let_time_pass(job_id)
    _abandon(lambda session: settlement.close(session, job_id))
    assert sql("SELECT count(*) FROM events") == before


def test_no_event_has_more_in_it_than_it_should(settle):
    settle(revision_cooldown_seconds=0)
    known = {
        "drop.opened": {"price_cents", "pack", "window_closes_at"},
        "claim.created": {"agent_id", "agent_name", "slot", "expires_at"},
        "claim.released": {"agent_id", "agent_name"},
        "claim.expired": {"agent_id", "agent_name"},
        "submission.received": {"agent_id", "agent_name", "revision"},
        "judge.step": {"ballot", "of", "judge"},
        "drop.completed": {"agent_id", "agent_name", "grade", "winning_submission_id"},
        "drop.failed": {"reason"},
        "payout.posted": {"agent_id", "agent_name", "payout_cents"},
    }
    sender = person(100)
    job_id = post(sender, "a-secret prompt", env_vars={"A": "a-secret"})
    for who in people(2):
        claim(who, job_id)
        submit(who, job_id, f"a-secret of {who.name}")
    let_time_pass(job_id)
    close(job_id)
    assert settled(job_id) == "verified"
    drop_in(Status.FAILED)
    for row in sql("SELECT kind, data, events::text AS whole FROM events"):
        assert set(row.data) == known.get(row.kind, set())
        assert "secret" not in row.whole


def test_events_are_for_good():
    drop_in(Status.OPEN)
    for statement in ("UPDATE events SET kind = 'x'", "DELETE FROM events", "TRUNCATE events"):
        assert refusal(statement) == "events_append_only"


# The order -------------------------------------------------------------------------------------


def listening(look: Callable[[], object], calls: list[Callable[[], object]]) -> None:
    """All calls at once, while another thread looks again and again; and one last look."""
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            look()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        at_once(calls)
    finally:
        done.set()
        listener.join()
    look()


def test_who_goes_on_behind_the_last_id_of_a_drop_misses_nothing_while_fifty_write(settle):
    settle(database_pool=CROWD + 1, max_claims=CROWD)
    job_id = drop_in(Status.OPEN)
    seen: list[Event] = []

    def look() -> None:
        with db.transaction() as session:
            seen.extend(events.of_job(session, job_id, seen[-1].id if seen else 0))

    listening(look, [partial(submit, who, job_id) for who in people(CROWD)])
    assert [event.id for event in seen] == [row.id for row in sql("SELECT id FROM events ORDER BY id")]
    assert len(seen) > CROWD  # on a busy machine some of fifty give up waiting for the lock


def test_who_goes_on_behind_a_place_of_all_drops_misses_nothing_while_fifty_write(settle):
    settle(database_pool=CROWD + 1)
    sender = person(CROWD * 100)
    seen: list[Event] = []

    def look() -> None:
        place = Place.of(seen[-1]) if seen else Place(0, 0)
        with db.transaction() as session:
            seen.extend(events.of_all(session, place, chronicle.BOARD, limit=7))

    listening(look, [partial(post, sender, price_cents=100)] * CROWD)
    while len(seen) < CROWD:  # other tests write in the same server, and each holds the horizon a moment
        look()
    assert sorted(event.id for event in seen) == [row.id for row in sql("SELECT id FROM events ORDER BY id")]


def test_news_misses_no_drop_while_fifty_write(settle):
    settle(database_pool=CROWD + 1)
    sender, news = person(CROWD * 100), News()
    heard: set[UUID] = set()

    def look() -> None:
        with db.transaction() as session:
            heard.update(news.changed(session))

    look()
    listening(look, [partial(post, sender, price_cents=100)] * CROWD)
    assert heard == {row.id for row in sql("SELECT id FROM jobs")}


# News ------------------------------------------------------------------------------------------


def ask(news: News) -> set[UUID]:
    with db.transaction() as session:
        return news.changed(session)


def until_complete(news: News) -> set[UUID]:
    """What it says until everything that has happened is below the horizon."""
    end = sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS end")[0].end
    heard: set[UUID] = set()
    while True:
        heard |= ask(news)
        if news._last.horizon >= end:
            return heard


def test_news_begins_with_now_and_tells_everything_once():
    news, old = News(), drop_in(Status.OPEN)
    assert ask(news) == set()
    until_complete(news)
    new = drop_in(Status.OPEN)
    assert until_complete(news) == {new}
    claim(person(), old)
    assert until_complete(news) == {old}
    assert ask(news) == set()


def test_what_was_begun_before_and_is_committed_later_is_news():
    news, job_id, who = News(), drop_in(Status.OPEN), person()
    with db.transaction() as session:
        arena.claim(session, who.id, job_id)
        session.flush()
        ask(news)
        other = drop_in(Status.OPEN)
        assert ask(news) >= {other}
    assert ask(news) >= {job_id}


def test_what_was_hidden_behind_an_older_transaction_is_news_again_when_that_is_over():
    news, slow, who = News(), drop_in(Status.OPEN), person()
    ask(news)
    until_complete(news)
    with db.transaction() as before:
        place = events.now(before)
    with db.transaction() as session:
        arena.claim(session, who.id, slow)
        session.flush()
        quick = drop_in(Status.OPEN)
        assert ask(news) >= {quick}
        assert ask(news) == set()  # it was told, and cannot be read in its order yet
        with db.transaction() as reader:
            assert not {slow, quick} & {e.job_id for e in events.of_all(reader, place, chronicle.BOARD)}
    assert until_complete(news) == {slow, quick}
    with db.transaction() as reader:
        found = [e.job_id for e in events.of_all(reader, place, chronicle.BOARD)]
    assert found[-2:] == [slow, quick]


# The board -------------------------------------------------------------------------------------


def test_a_drop_that_was_never_paid_is_never_in_what_changed_the_board():
    sender = person()
    cancel(sender, post(sender))
    paid = drop_in(Status.CANCELLED)
    until_complete(News())
    with db.transaction() as session:
        changes = chronicle.board(session, Place(0, 0)).rows
    told = [(change.event.job_id, change.event.kind, change.item.joinable) for change in changes]
    assert told == [(paid, "drop.opened", False), (paid, "drop.cancelled", False)]


def test_a_place_is_out_of_reach_when_too_much_is_behind_it_or_it_is_not_of_this_database(monkeypatch):
    drop_in(Status.VERIFIED)
    count = sql("SELECT count(*) FROM events")[0].count
    with db.transaction() as session:
        assert events.within_reach(session, events.now(session))
        assert events.within_reach(session, Place(0, 0))
        assert not events.within_reach(session, Place(10**17, 1))
        monkeypatch.setattr(events, "CATCH_UP_MAX", count)
        assert events.within_reach(session, Place(0, 0))
        monkeypatch.setattr(events, "CATCH_UP_MAX", count - 1)
        assert not events.within_reach(session, Place(0, 0))
