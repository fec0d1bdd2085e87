"""Server-Sent Events: what is told, to whom, from where, and when a stream ends."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice, pairwise

import psycopg2
import pytest

from models import db, events
from tests import databases
from tests.models.stages import cancel
from tests.support import (
    Person,
    claim,
    close,
    drive,
    let_time_pass,
    people,
    person,
    post,
    status,
    submit,
    violations,
)
from tests.web.answers import hidden, ok, refused
from tests.web.messages import Message, messages, only_events
from tests.web.scenes import LONG, completed, decided
from tests.web.test_waiting import LONGEST, ends, meanwhile, soon, taking
from web import sse, watch

__all__ = ["ends"]

JUNK = ["x", "-1", "1.5", "1e3", "٣", "1 2", "1;2", "9" * 30, "0x10"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "STREAM_SECONDS", 0.6)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what has to end before its time is up."""
    monkeypatch.setattr(sse, "STREAM_SECONDS", LONGEST)


@pytest.fixture
def sender(database) -> Person:
    return person(1000)


class Listener:
    """Opens streams, each of which is read by nobody else."""

    def __init__(self, http):
        self.http = http

    def open(self, path, who=None, resume=None, **query):
        headers = {**(who.auth if who else {}), **({"Last-Event-ID": resume} if resume is not None else {})}
        return self.http.get(path, headers=headers, query_string=query)

    def log(self, who, job_id, resume=None, **query) -> Iterator[Message]:
        answer = self.open(f"/api/jobs/{job_id}/logs", who, resume, **query)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return messages(answer.response)

    def board(self, resume=None, **query) -> Iterator[Message]:
        answer = self.open("/api/board/stream", resume=resume, **query)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return messages(answer.response)


@pytest.fixture
def listen(http) -> Listener:
    return Listener(http)


def begun(stream: Iterator[Message]) -> str:
    """Past what a stream of the board says first; gives the place where it begins."""
    pace, start = islice(stream, 2)
    assert pace.kind is None
    return str(start.id)


def kinds(found) -> list[str]:
    return [message.kind for message in only_events(found)]


# A drop's log ----------------------------------------------------------------------------------


def test_a_decided_drop_is_told_from_the_beginning_and_the_stream_ends(listen, sender, patient):
    job_id = decided(sender, person())
    with soon():
        found = only_events(listen.log(sender, job_id))
    assert [message.kind for message in found] == [
        "drop.opened", "claim.created", "submission.received", "drop.ranking", "judge.step",
        "drop.completed", "payout.posted",
    ]  # fmt: skip
    assert all(int(a.id) < int(b.id) for a, b in pairwise(found))
    for message in found:
        assert message.data["id"] == int(message.id)
        assert message.data["kind"] == message.kind
        assert message.data["job_id"] == str(job_id)
        assert message.data["created_at"].endswith("Z")
    assert found[-1].data["payout_cents"] == 100


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
def test_a_drop_without_a_winner_ends_its_stream_too(listen, sender, patient, ending):
    job_id = post(sender)
    if ending == "failed":
        let_time_pass(job_id)
        close(job_id)
    else:
        cancel(sender, job_id)
    with soon():
        assert kinds(listen.log(sender, job_id)) == ["drop.opened", f"drop.{ending}"]


def test_a_stream_is_one_for_browsers_and_no_proxy_keeps_it(listen, sender):
    answer = listen.open(f"/api/jobs/{decided(sender, person())}/logs", sender)
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.get_data(as_text=True).startswith("retry: 1000\n\n")


def test_what_happens_comes_while_it_happens(listen, sender, patient):
    job_id = post(sender)
    stream = listen.log(sender, job_id)
    assert kinds(islice(stream, 2)) == ["drop.opened"]
    for who in people(2):
        with soon():
            submit(who, job_id)
            assert kinds(islice(stream, 2)) == ["claim.created", "submission.received"]
    let_time_pass(job_id)
    close(job_id)
    drive(job_id)
    rest = ["drop.ranking", "judge.step", "judge.step", "drop.completed", "payout.posted"]
    with soon():
        assert kinds(stream) == rest


@pytest.mark.parametrize("way", ["header", "query", "both"])
def test_a_stream_goes_on_behind_what_was_heard(listen, sender, way):
    job_id = decided(sender, person())
    whole = only_events(listen.log(sender, job_id))
    heard = whole[2].id
    asked = {"header": {"resume": heard}, "query": {"after": heard}, "both": {"resume": heard, "after": 0}}
    assert only_events(listen.log(sender, job_id, **asked[way])) == whole[3:]


def test_behind_the_end_there_is_nothing_and_a_browser_stops_asking(listen, sender):
    job_id = decided(sender, person())
    last = only_events(listen.log(sender, job_id))[-1].id
    answer = listen.open(f"/api/jobs/{job_id}/logs", sender, last)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_a_log_of_several_stretches_comes_whole(listen, sender, patient, monkeypatch):
    job_id = decided(sender, *people(3))
    whole = only_events(listen.log(sender, job_id))
    monkeypatch.setattr(events, "STRETCH", 2)
    assert only_events(listen.log(sender, job_id)) == whole


@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_no_place_to_resume(listen, api, sender, junk):
    path = f"/api/jobs/{post(sender)}/logs"
    refused(listen.open(path, sender, junk.encode().decode("latin-1")), 400, "invalid_request")
    if junk not in ("-1", "9" * 30):  # brought into bounds, as all numbers in a query
        refused(api.get(sender, path, after=junk), 400, "invalid_request")


def test_a_log_is_for_those_who_see_the_drop(listen, sender):
    claimant, submitter, stranger = people(3)
    job_id = post(sender, time_limit_seconds=LONG)
    claim(claimant, job_id)
    submit(submitter, job_id)
    logs = [kinds(listen.log(who, job_id)) for who in (sender, claimant, submitter)]
    assert logs[0] == logs[1] == logs[2]
    hidden(listen.open(f"/api/jobs/{job_id}/logs", stranger))
    hidden(listen.open(f"/api/jobs/{stranger.id}/logs", stranger))
    refused(listen.open(f"/api/jobs/{job_id}/logs"), 401, "unauthenticated")
    let_time_pass(job_id, 301)
    hidden(listen.open(f"/api/jobs/{job_id}/logs", claimant))


def test_who_loses_sight_hears_nothing_more(listen, sender, patient):
    claimant, job_id = person(), post(sender, time_limit_seconds=LONG)
    claim(claimant, job_id)
    stream = listen.log(claimant, job_id)
    assert kinds(islice(stream, 3)) == ["drop.opened", "claim.created"]
    let_time_pass(job_id, 301)
    submit(person(), job_id)
    with soon():
        assert list(stream) == []


def test_who_loses_sight_in_silence_is_found_out_at_the_next_beat(listen, sender, patient, monkeypatch):
    monkeypatch.setattr(sse, "BEAT_SECONDS", 0.2)
    claimant, job_id = person(), post(sender, time_limit_seconds=LONG)
    claim(claimant, job_id)
    stream = listen.log(claimant, job_id)
    assert kinds(islice(stream, 3)) == ["drop.opened", "claim.created"]
    let_time_pass(job_id, 301)
    with soon():
        assert kinds(stream) == []


def test_no_stream_tells_what_is_sealed(listen, sender):
    job_id = post(sender, env_vars={"NAME": "a-secret"})
    begin = begun(listen.board())
    submit(person(), job_id, "a-secret of rivers")
    let_time_pass(job_id)
    close(job_id)
    drive(job_id)
    assert "a-secret" not in str(list(listen.log(sender, job_id)))
    assert "a-secret" not in str(only_events(listen.board(begin)))


def test_listening_changes_nothing(listen, sender):
    job_id = post(sender)
    before = status(job_id)
    assert kinds(listen.log(sender, job_id)) == ["drop.opened"]
    assert status(job_id) == before
    assert violations() == []


# How long --------------------------------------------------------------------------------------


def test_silence_is_broken_by_comments_and_the_stream_ends_in_time(listen, sender, monkeypatch):
    monkeypatch.setattr(sse, "BEAT_SECONDS", 0.15)
    job_id = post(sender)
    with taking(0.6):
        found = list(listen.log(sender, job_id))
    assert kinds(found) == ["drop.opened"]
    assert 1 <= sum(message.comment for message in found) <= 5
    assert not watch._waiting


@pytest.mark.parametrize("path", ["/api/board/stream", "log"])
def test_the_end_of_the_process_ends_a_stream_at_once(listen, sender, patient, ends, path):
    job_id = post(sender)
    with meanwhile(ends), soon():
        list(listen.board() if path != "log" else listen.log(sender, job_id))
    assert not watch._waiting


def test_a_stream_that_is_closed_leaves_its_place_to_others(listen, http, sender):
    path = f"/api/jobs/{post(sender)}/logs"
    answer = listen.open(path, sender)
    next(iter(answer.response))
    assert len(watch._waiting) == 1
    answer.close()
    assert not watch._waiting
    assert http.head(path, headers=sender.auth).status_code == 200
    assert http.head("/api/board/stream").status_code == 200
    assert not watch._waiting


def test_where_too_many_listen_the_next_is_told_when_to_come_again(listen, sender, monkeypatch):
    monkeypatch.setattr(watch, "WAITING_MAX", 1)
    with watch.waiting():
        for path in (f"/api/jobs/{post(sender)}/logs", "/api/board/stream"):
            answer = listen.open(path, sender)
            assert refused(answer, 503, "unavailable")["retry_after"] == int(answer.headers["Retry-After"])


def test_streams_hold_no_connection(listen, api, sender, settle, patient):
    settle(database_pool=1)
    db.engine().dispose()
    db.engine.cache_clear()
    job_id = post(sender)
    with ExitStack() as opened:
        answers = [listen.open(f"/api/jobs/{job_id}/logs", sender) for _ in range(5)]
        for answer in answers:
            opened.callback(answer.close)
        assert [kinds(islice(messages(answer.response), 2)) for answer in answers] == [["drop.opened"]] * 5
        with soon():
            ok(api.get(sender, f"/api/jobs/{job_id}"))


# The board -------------------------------------------------------------------------------------


def test_the_board_stream_begins_with_now_and_tells_what_changes(listen, sender, patient):
    old = post(sender, time_limit_seconds=LONG)
    stream = listen.board()
    begun(stream)
    with soon():
        new = post(sender)
        opened = next(stream)
    assert (opened.kind, opened.data["job_id"]) == ("drop.opened", str(new))
    assert (opened.data["drop"]["slots_left"], opened.data["joinable"]) == (5, True)
    submit(person(), old)
    claimed, entered = islice(stream, 2)
    assert (claimed.kind, entered.kind) == ("claim.created", "submission.received")
    assert entered.data["drop"].keys() >= {"claims_count", "submissions_count", "slots_left"}
    assert entered.data["drop"]["submissions_count"] == 1
    cancel(sender, new)
    cancelled = next(stream)
    assert (cancelled.kind, cancelled.data["joinable"]) == ("drop.cancelled", False)


def test_the_board_stream_waits_for_older_transactions_of_the_whole_server(listen, sender, patient):
    with closing(psycopg2.connect(os.environ[databases.SERVER])) as other, meanwhile(other.commit), soon():
        stream = listen.board()
        begun(stream)
        other.cursor().execute("SELECT pg_current_xact_id()")  # may still write, and come in between
        new = post(sender)
        opened = next(stream)
    assert (opened.kind, opened.data["job_id"]) == ("drop.opened", str(new))


def test_the_board_stream_goes_on_after_a_drop_has_ended(listen, sender):
    begin = begun(listen.board())
    completed(sender, person())
    cancel(sender, post(sender))
    assert kinds(listen.board(begin)) == [
        "drop.opened", "claim.created", "submission.received", "drop.ranking", "drop.completed",
        "drop.opened", "drop.cancelled",
    ]  # fmt: skip


def test_everybody_hears_what_changes_the_board_and_not_by_whom(listen, sender):
    begin = begun(listen.board())
    decided(sender, *people(2))
    found = only_events(listen.board(begin))
    assert {message.kind for message in found} == {
        "drop.opened", "claim.created", "submission.received", "drop.ranking", "drop.completed",
    }  # fmt: skip
    for message in found:
        assert message.data.keys() == {"id", "kind", "job_id", "created_at", "joinable", "drop"}
        assert not {"agent_id", "sender"} & message.data["drop"].keys()


def test_a_drop_that_is_never_paid_is_never_told_of(listen, sender):
    begin = begun(listen.board())
    poor = person()
    cancel(poor, post(poor))
    paid = post(sender)
    assert {message.data["job_id"] for message in only_events(listen.board(begin))} == {str(paid)}


@pytest.mark.parametrize("way", ["header", "query"])
def test_the_board_stream_goes_on_behind_what_was_heard(listen, sender, way):
    begin = begun(listen.board())
    decided(sender, person())
    asked = {"header": "resume", "query": "after"}[way]
    whole = only_events(listen.board(**{asked: begin}))
    assert len(whole) == 5
    order = [tuple(map(int, message.id.split("-"))) for message in whole]
    assert order == sorted(set(order))
    again = only_events(listen.board(**{asked: whole[2].id}))
    assert [message.id for message in again] == [message.id for message in whole[3:]]


def test_who_missed_too_much_is_sent_back_to_the_board(listen, sender, monkeypatch):
    begin = begun(listen.board())
    decided(sender, person())
    monkeypatch.setattr(events, "CATCH_UP_MAX", 3)
    for place in (begin, "999999999999999-1"):
        stream = listen.board(resume=place)
        next(stream)  # the pace
        reset = next(stream)
        assert (reset.kind, reset.data) == ("reset", {"id": reset.id, "kind": "reset"})
        assert kinds(stream) == []
    new = post(sender)
    assert [m.data["job_id"] for m in only_events(listen.board(resume=reset.id))] == [str(new)]


@pytest.mark.parametrize("junk", [*JUNK, "1", "1-", "-1-1", "1-1-1", "1-x", f"1-{'9' * 19}"])
def test_junk_is_no_place_of_the_board(listen, junk):
    junk = junk.encode().decode("latin-1")
    refused(listen.open("/api/board/stream", resume=junk), 400, "invalid_request")
    refused(listen.open("/api/board/stream", after=junk), 400, "invalid_request")


def test_the_end_of_the_database_ends_a_stream_without_a_noise(
    listen, sender, database, patient, monkeypatch
):
    monkeypatch.setattr(sse, "BEAT_SECONDS", 0.2)
    stream = listen.board()
    begun(stream)
    away = database.rsplit("/", 1)[0] + "/nothing_here"
    monkeypatch.setenv("CLORP_DATABASE_URL", away)
    _reconnect()
    try:
        with soon():
            assert kinds(stream) == []
    finally:
        monkeypatch.setenv("CLORP_DATABASE_URL", database)
        _reconnect()


def _reconnect() -> None:
    from models.settings import settings

    db.engine().dispose()
    db.engine.cache_clear()
    settings.cache_clear()
