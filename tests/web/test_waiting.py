"""`?wait=`: answers at once to who is behind, else as soon as something changes, and never too late."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from uuid import UUID, uuid4

import pytest

from models import arena, db, market
from tests.models.stages import sql
from tests.support import at_once, claim, let_time_pass, person, post, submit
from tests.web.answers import hidden, ok, refused
from tests.web.scenes import LONG, decided, end_window
from tests.workers.processes import PATIENCE_SECONDS, until
from web import caching, watch

LONGEST = 600  # seconds: what waits for so long was woken by nothing


@contextmanager
def meanwhile(do: Callable[[], object], crowd: int = 1) -> Iterator[Counter[UUID | None]]:
    """`do` in another thread, once so many wait here who have looked at what there is.

    Gives how often those who wait for a drop have begun to.
    """
    heard, settled, begun = watch._Waiter.heard, set(), Counter[UUID | None]()

    def spied(waiter: watch._Waiter, seconds: float) -> bool:
        begun[waiter.job_id] += 1
        if not waiter.unsure and not waiter.news.is_set():
            settled.add(waiter)
        return heard(waiter, seconds)

    def once_they_wait() -> None:
        until("somebody to wait", lambda: len(settled) >= crowd)
        do()

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(1) as other:
        patched.setattr(watch._Waiter, "heard", spied)
        done = other.submit(once_they_wait)
        yield begun
        done.result()


@contextmanager
def soon() -> Iterator[None]:
    """The block ends long before what it would have to wait for."""
    with taking(0):
        yield


@contextmanager
def taking(least: float) -> Iterator[None]:
    """The block takes so many seconds at least, and goes on when they are over."""
    begun = time.monotonic()
    yield
    assert least <= time.monotonic() - begun <= least + PATIENCE_SECONDS


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "WAIT_MAX", LONGEST)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What the signal to stop does; without an effect on other tests."""
    monkeypatch.setattr(watch, "_ending", threading.Event())
    return watch.end


@pytest.fixture
def sender(database):
    return person(1000)


@pytest.fixture
def job_id(sender):
    return post(sender, time_limit_seconds=LONG)


@pytest.fixture
def wait(http, sender, job_id, patient):
    """Asks for the drop, or another path, and waits."""

    def ask(seconds=5, etag=None, who=sender, path=f"/api/jobs/{job_id}"):
        headers = {**who.auth, **({"If-None-Match": etag} if etag else {})}
        return http.get(path, query_string={"wait": seconds}, headers=headers)

    return ask


def release(who, job_id):
    with db.transaction() as session:
        arena.release(session, who.id, job_id)


# A drop ----------------------------------------------------------------------------------------


def test_who_is_behind_is_answered_at_once(wait, job_id):
    stale = wait(0).headers["ETag"]
    claim(person(), job_id)
    with soon():
        answer = wait(LONGEST, stale)
    assert ok(answer)["claims_count"] == 1
    assert answer.headers["ETag"] != stale


def test_who_is_up_to_date_waits_for_a_304(wait):
    now = wait(0).headers["ETag"]
    with taking(1):
        answer = wait(1, now)
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", now)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
def test_an_etag_that_a_compressing_proxy_has_changed_is_known_again(wait, job_id, coding):
    """Apache's `mod_deflate` gives clients `W/"x-gzip"` and passes on what they send back."""
    now = wait(0).headers["ETag"]
    changed = f'{now[:-1]}-{coding}"'
    assert wait(0, changed).status_code == 304
    assert wait(0, f'W/"other", {changed}').status_code == 304
    with taking(1):
        assert wait(1, changed).status_code == 304
    claim(person(), job_id)
    with soon():
        assert wait(LONGEST, changed).status_code == 200


def test_who_names_no_state_waits_for_the_same_again(wait):
    now = wait(0)
    with taking(1):
        answer = wait(1)
    assert (answer.status_code, answer.data) == (200, now.data)


@pytest.mark.parametrize("names_it", [True, False])
def test_a_change_ends_the_waiting(wait, job_id, names_it):
    etag = wait(0).headers["ETag"] if names_it else None
    with meanwhile(lambda: submit(person(), job_id)), soon():
        answer = wait(LONGEST, etag)
    assert ok(answer)["submissions_count"] == 1


def test_the_verdict_ends_the_waiting(wait, job_id):
    submit(person(), job_id)
    with meanwhile(lambda: end_window(job_id)), soon():
        let_time_pass(job_id, LONG)
        assert ok(wait(LONGEST))["status"] == "ranking"


def test_a_cancel_that_is_only_scheduled_ends_the_waiting(wait, sender, job_id):
    def cancel():
        with db.transaction() as session:
            market.cancel(session, sender.id, job_id)

    claim(person(), job_id)
    with meanwhile(cancel), soon():
        assert ok(wait(LONGEST))["cancel_requested_at"]


def test_who_loses_sight_while_waiting_is_told_so(wait, job_id):
    who = person()
    claim(who, job_id)
    with meanwhile(lambda: release(who, job_id)), soon():
        hidden(wait(LONGEST, who=who))


def test_what_happens_elsewhere_or_changes_nothing_wakes_nobody(wait, sender, job_id):
    def elsewhere():
        before = begun[job_id]
        try:
            with watch.waiting() as changed:
                assert changed(PATIENCE_SECONDS)
                claim(who, job_id)
                submit(person(), post(sender))
                assert changed(PATIENCE_SECONDS)  # who waits for news of any drop has heard
            assert begun[job_id] == before
        finally:
            submit(person(), job_id)

    who = person()
    claim(who, job_id)
    with meanwhile(elsewhere) as begun:
        assert ok(wait(LONGEST))["submissions_count"] == 1


def test_what_is_hidden_answers_at_once(wait):
    with soon():
        hidden(wait(LONGEST, who=person()))
        hidden(wait(LONGEST, path=f"/api/jobs/{uuid4()}"))


# The board -------------------------------------------------------------------------------------


def test_the_board_answers_when_a_drop_comes(wait, sender):
    etag = wait(0, path="/api/board").headers["ETag"]
    with meanwhile(lambda: post(sender)), soon():
        answer = wait(LONGEST, etag, path="/api/board")
    assert ok(answer)["total"] == 2


def test_time_alone_is_no_change_of_the_board(wait):
    etag = wait(0, path="/api/board").headers["ETag"]
    with taking(2):
        assert wait(2, etag, path="/api/board").status_code == 304


def test_what_a_filter_leaves_out_does_not_end_the_waiting(api, sender, patient):
    def other_drops():
        before = begun[None]
        post(sender, pack="code")
        until("another look", lambda: begun[None] > before)
        post(sender, pack="roast")

    with meanwhile(other_drops) as begun:
        assert ok(api.get(None, "/api/board", pack="roast", wait=LONGEST))["total"] == 1


# How long --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/board", "job"])
@pytest.mark.parametrize("junk", ["", "x", "1.5", "1e1", "NaN", "٣", "5 ", "--5", "+5"])
def test_junk_is_refused_at_once(api, sender, job_id, path, junk):
    path = path.replace("job", f"/api/jobs/{job_id}")
    with soon():
        problem = refused(api.get(sender, path, wait=junk), 400, "invalid_request")
    assert problem["errors"][0]["field"] == "wait"


@pytest.mark.parametrize(
    ("asked", "given"), [("0", 0), ("-1", 0), ("7", 7), ("25", 25), ("26", 25), ("9" * 5000, 25)]
)
def test_waiting_is_clamped(http, asked, given):
    with http.application.test_request_context(query_string={"wait": asked}):
        assert caching._seconds() == given


# One process -----------------------------------------------------------------------------------


def test_where_too_many_wait_already_one_is_answered_at_once(wait, monkeypatch):
    monkeypatch.setattr(watch, "WAITING_MAX", 2)
    with ExitStack() as others, soon():
        places = [others.enter_context(watch.waiting()) for _ in range(3)]
        assert [place is not None for place in places] == [True, True, False]
        ok(wait(LONGEST))
    with watch.waiting() as again:
        assert again


def test_the_end_of_the_process_ends_the_waiting(wait, ends):
    etag = wait(0).headers["ETag"]
    with meanwhile(ends), soon():
        assert wait(LONGEST, etag).status_code == 304
    with soon():
        assert wait(LONGEST, etag).status_code == 304


def test_who_waits_holds_no_connection(wait, settle, job_id):
    settle(database_pool=2)
    db.engine().dispose()
    db.engine.cache_clear()
    with meanwhile(lambda: claim(person(), job_id), crowd=10):
        answers = at_once([lambda: wait(LONGEST)] * 10)
    assert [ok(answer)["claims_count"] for answer in answers] == [1] * 10


def test_the_thread_that_looks_is_there_only_while_somebody_waits(database):
    with watch.waiting():
        assert watch._thread
        assert watch._thread.is_alive()
    until("it to end", lambda: watch._thread is None)


def test_nothing_that_happens_between_looking_and_waiting_is_missed(job_id):
    """Newcomers join a thread that looks already, at every moment of its round, while things change."""

    def see_one_more(n: int) -> None:
        time.sleep(n / 200)
        with watch.waiting(job_id) as changed:
            before = entries()
            submit(crowd[n], job_id, "x")  # nothing wakes who has looked, unless it is noticed
            assert changed
            assert changed(PATIENCE_SECONDS)
            assert entries() > before

    def entries() -> int:
        return int(sql("SELECT count(*) FROM submissions")[0].count)

    crowd = [person() for _ in range(5)]
    with watch.waiting():
        results = at_once([lambda n=n: see_one_more(n) for n in range(5)])
    assert results == [None] * 5


def test_each_change_wakes_once_and_quiet_lets_sleep(job_id):
    with watch.waiting(job_id) as changed:
        assert changed
        assert changed(PATIENCE_SECONDS)  # for what may have slipped in between
        assert not changed(0.5)
        for _ in range(3):
            claim(person(), job_id)
            assert changed(PATIENCE_SECONDS)
            assert not changed(0.5)


def test_connections_that_break_lose_no_news(job_id):
    with watch.waiting(job_id) as changed:
        assert changed
        assert changed(PATIENCE_SECONDS)
        sql("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()""")
        claim(person(), job_id)
        assert changed(PATIENCE_SECONDS)


def test_a_terminal_drop_can_be_waited_for_too(api, sender):
    job_id: UUID = decided(sender, person())
    with taking(1):
        assert ok(api.get(sender, f"/api/jobs/{job_id}", wait=1))["status"] == "verified"


def test_nobody_takes_the_places_of_all(monkeypatch, database):
    monkeypatch.setattr(watch, "WAITING_EACH_MAX", 2)
    with ExitStack() as places:
        greedy = [places.enter_context(watch.waiting(None, "ann")) for _ in range(3)]
        assert [place is not None for place in greedy] == [True, True, False]
        assert places.enter_context(watch.waiting(None, "bob"))
