"""GET /api/board/<id>: one drop as everybody may see it."""

from uuid import uuid4

import pytest

from models import db, spectating
from models.schema import Drop
from models.states import Status
from tests.models.stages import drop_in, sql
from tests.support import (
    bring,
    claim,
    close,
    drive,
    let_time_pass,
    people,
    person,
    post,
    status,
    submit,
    unchanged,
)
from tests.web.answers import hidden, ok, refused
from tests.web.scenes import completed, decided, default_agent
from workers import tasks

KEYS = {
    "id", "status", "title", "prompt", "pack", "price_cents", "fee_cents", "payout_cents",
    "time_limit_seconds", "min_grade", "attachments", "max_claims", "claims_count", "submissions_count",
    "slots", "opened_at", "window_closes_at", "seconds_left", "cancel_requested_at", "ballots_cast",
    "ballots_total", "ranking", "grade", "grade_rationale", "failure_reason", "ended_at", "created_at",
    "updated_at",
}  # fmt: skip
SLOT_KEYS = {"slot", "state", "agent", "expires_at", "revision"}
LONG = "Title\n" + "Beschreibe jeden Fluss, 每条河, каждую реку. " * 400


@pytest.fixture
def sender(database):
    return person(10_000)


def seen(api, job_id) -> dict:
    row = ok(api.get(None, f"/api/board/{job_id}"))
    assert row.keys() == KEYS
    assert all(slot.keys() == SLOT_KEYS for slot in row["slots"])
    assert [slot["slot"] for slot in row["slots"]] == list(range(1, row["max_claims"] + 1))
    return row


def test_an_open_drop_shows_the_whole_task_and_its_slots(api, sender):
    job_id = post(sender, LONG, pack="scout", min_grade="C", attachments=[bring(sender, name="brief.md")])
    first, second = people(2)
    submit(first, job_id)
    claim(second, job_id)
    row = seen(api, job_id)
    assert (row["status"], row["title"], row["prompt"]) == ("open", "Title", LONG)
    assert (row["pack"], row["price_cents"], row["min_grade"]) == ("scout", 200, "C")
    assert row["attachments"] == [{"name": "brief.md", "size": 5, "content_type": "text/markdown"}]
    assert (row["claims_count"], row["submissions_count"]) == (2, 1)
    assert 0 < row["seconds_left"] <= 300
    entered, claimed, *free = row["slots"]
    agent = {"id": default_agent(first), "name": first.name}
    assert (entered["state"], entered["agent"], entered["revision"]) == ("entered", agent, 1)
    assert entered["expires_at"] is None
    assert (claimed["state"], claimed["agent"]["name"], claimed["revision"]) == ("claimed", second.name, None)
    assert claimed["expires_at"] <= row["window_closes_at"]
    assert {(slot["state"], slot["agent"], slot["expires_at"]) for slot in free} == {("free", None, None)}
    assert (row["ballots_cast"], row["ballots_total"], row["ranking"], row["grade"]) == (0, 0, [], None)


def test_the_board_has_the_beginning_of_the_prompt(api, sender):
    for prompt in (LONG, "x" + "é" * 999, "x" + "é" * 1_000):
        post(sender, prompt)
    rows = ok(api.get(None, "/api/board"))["board"][::-1]
    assert [row["prompt"] for row in rows] == [LONG[:1000], "x" + "é" * 999, "x" + "é" * 999]
    assert [row["prompt_truncated"] for row in rows] == [True, False, True]


def test_a_slot_is_free_again_when_its_claim_ends(api, sender):
    job_id, (first, second) = post(sender, time_limit_seconds=3600), people(2)
    claim(first, job_id)
    claim(second, job_id)
    ok(api.http.delete(f"/api/jobs/{job_id}/claim", headers=first.auth))
    assert [slot["state"] for slot in seen(api, job_id)["slots"]] == ["free", "claimed", *["free"] * 3]
    let_time_pass(job_id, 301)  # no sweep has come by
    row = seen(api, job_id)
    assert ({slot["state"] for slot in row["slots"]}, row["claims_count"]) == ({"free"}, 0)


def test_what_is_judged_shows_how_far_it_is(api, sender):
    job_id = post(sender)
    for who in people(3):
        submit(who, job_id, f"Rhine, {who.name}.")
    let_time_pass(job_id, 400)
    close(job_id)
    for cast in range(3):
        row = seen(api, job_id)
        assert (row["status"], row["seconds_left"]) == ("ranking", 0)
        assert (row["ballots_cast"], row["ballots_total"], row["ranking"]) == (cast, 3, [])
        tasks.ballot(str(job_id), cast)
    assert drive(job_id) == "verified"


@pytest.mark.parametrize("make", [completed, decided])
def test_a_decided_drop_shows_ranking_and_grades_and_no_entry(api, sender, make):
    workers = people(3)
    job_id = make(sender, *workers)
    row = seen(api, job_id)
    assert [place["rank"] for place in row["ranking"]] == [1, 2, 3]
    assert {place["agent"]["name"] for place in row["ranking"]} == {who.name for who in workers}
    assert row["grade"] == row["ranking"][0]["grade"]
    assert row["grade_rationale"]
    assert {slot["state"] for slot in row["slots"]} == {"entered", "free"}
    assert (row["ballots_cast"], row["ballots_total"]) == (3, 3)
    assert "The answer of" not in str(row)
    assert "output" not in str(row)


def test_a_drop_that_was_refunded_shows_no_grade(api, sender):
    job_id = post(sender, min_grade="S")
    submit(person(), job_id, "x")
    let_time_pass(job_id, 400)
    close(job_id)
    assert drive(job_id) == "failed"
    row = seen(api, job_id)
    assert (row["status"], row["failure_reason"]) == ("failed", "below_min_grade")
    assert (row["ranking"], row["grade"], row["grade_rationale"]) == ([], None, None)


@pytest.mark.parametrize(
    "state", [Status.OPEN, Status.RANKING, Status.COMPLETED, Status.VERIFIED, Status.FAILED]
)
def test_from_its_opening_on_it_is_there_for_good(api, state):
    assert seen(api, drop_in(state))["status"] == state


def test_a_drop_that_was_called_off_stays_to_be_seen(api, sender):
    job_id = post(sender)
    ok(api.post(sender, f"/api/jobs/{job_id}/cancel"))
    assert seen(api, job_id)["status"] == "cancelled"


def test_what_was_never_opened_is_hidden(api, sender):
    poor = person()
    pending, never = post(poor), post(poor)
    ok(api.post(poor, f"/api/jobs/{never}/cancel"))
    for job_id in (pending, never, uuid4()):
        hidden(api.get(None, f"/api/board/{job_id}"))
        hidden(api.get(sender, f"/api/board/{job_id}"))


def alike(sender, number):
    """Make drops whose ids begin alike, as those of one minute do; return them, and how they begin."""
    for _ in range(3):  # a minute may end meanwhile
        made = sorted(str(post(sender)) for _ in range(number))
        length = next(at for at, digits in enumerate(zip(*made, strict=True)) if len(set(digits)) > 1)
        if length >= 8:
            return made, made[0][:length]
    raise AssertionError


def test_the_beginning_of_an_id_is_enough(api, sender):
    (job_id, other), common = alike(sender, 2)
    for beginning in (job_id[: len(common) + 1], job_id[:-1], job_id[:-1].upper(), job_id):
        assert ok(api.get(None, f"/api/board/{beginning}"))["id"] == job_id
    problem = refused(api.get(None, f"/api/board/{common}"), 409, "ambiguous_id")
    assert problem["ids"] == [job_id, other]
    for nothing in ("00000000", job_id[:7], f"{job_id}0", f"{job_id[:8]}--{job_id[9:]}", "zzzzzzzz"):
        hidden(api.get(None, f"/api/board/{nothing}"))


def test_the_beginning_of_a_hidden_id_names_nothing(api):
    pending = str(post(person(0)))
    hidden(api.get(None, f"/api/board/{pending[:-1]}"))


def test_of_many_ids_that_begin_alike_some_are_named(api, sender):
    made, common = alike(sender, spectating.CANDIDATES_MAX + 1)
    problem = refused(api.get(None, f"/api/board/{common}"), 409, "ambiguous_id")
    assert problem["ids"] == made[: spectating.CANDIDATES_MAX]


def test_nothing_private_is_shown(api, sender):
    key = bring(sender, b"secret-bytes", name="brief.md")
    job_id = post(sender, env_vars={"SECRET_NAME": "secret-value"}, attachments=[key])
    submit(person(), job_id, "secret-entry of rivers")
    private = ("SECRET_NAME", "secret-value", "secret-entry", "secret-bytes", key, str(sender.id))
    for _ in range(2):
        shown = api.get(None, f"/api/board/{job_id}").get_data(as_text=True)
        assert [word for word in private if word in shown] == []
        let_time_pass(job_id, 400)
        close(job_id)
        drive(job_id)
    assert status(job_id) == "verified"


def test_a_reason_that_quotes_an_entry_is_withheld_from_the_public(api, sender):
    worker = person()
    job_id = completed(sender, worker)
    sql("ALTER TABLE jobs DISABLE TRIGGER jobs_guard")
    with db.transaction() as session:
        drop = session.get_one(Drop, job_id)
        drop.grade_rationale, drop.rationale_quotes = "It says: The answer of the entry.", True
    for path, find in ((f"/api/board/{job_id}", dict), ("/api/feed", lambda answer: answer["feed"][0])):
        assert find(ok(api.get(None, path)))["grade_rationale"] == spectating.WITHHELD
    for who in (sender, worker):
        assert "It says" in ok(api.get(who, f"/api/jobs/{job_id}"))["grade_rationale"]


def test_looking_changes_nothing_and_an_unchanged_drop_is_304(api, sender):
    job_id = post(sender)
    claim(person(), job_id)
    with unchanged():
        tag = api.get(None, f"/api/board/{job_id}").headers["ETag"]
    again = api.http.get(f"/api/board/{job_id}", headers={"If-None-Match": tag})
    assert again.status_code == 304
    submit(person(), job_id)
    assert api.http.get(f"/api/board/{job_id}", headers={"If-None-Match": tag}).status_code == 200
