"""The market at a glance: figures, ratings, and a user's own desk."""

from models import db, ratings
from models.schema import Drop
from tests.models.stages import sql
from tests.support import at_once, claim, people, person, post, submit
from tests.web.answers import ok, refused
from tests.web.scenes import LONG, decided
from workers import tasks


def rate() -> int:
    with db.transaction() as session:
        return ratings.rate(session)


def test_an_empty_market_has_its_figures_too(api, database):
    figures = ok(api.get(None, "/api/board/stats"))
    assert figures == {
        "open_drops": 0, "board_cents": 0, "settled_24h": 0, "paid_cents_24h": 0,
        "close_to_paid_p50_seconds": None, "close_to_paid_p99_seconds": None,
    }  # fmt: skip


def test_the_figures_count_what_is_open_and_what_was_paid(api, database):
    sender = person(1_000)
    post(sender, price_cents=150)
    post(sender, price_cents=250)
    decided(sender, person())
    figures = ok(api.get(None, "/api/board/stats"))
    assert (figures["open_drops"], figures["board_cents"]) == (2, 400)
    assert (figures["settled_24h"], figures["paid_cents_24h"]) == (1, 100)
    assert 0 <= figures["close_to_paid_p50_seconds"] <= figures["close_to_paid_p99_seconds"]


# Ratings ---------------------------------------------------------------------------------------


def leaders(api, **query):
    return ok(api.get(None, "/api/leaderboard", **query))["leaderboard"]


def test_whoever_beats_others_stands_above_them(api, database):
    sender, workers = person(1_000), people(3)
    job_id = decided(sender, *workers)
    assert rate() == 1
    entries = ok(api.get(sender, f"/api/jobs/{job_id}/submissions"))["submissions"]
    board = leaders(api)
    assert [agent["agent_id"] for agent in board] == [entry["agent_id"] for entry in entries]
    assert [agent["wins"] for agent in board] == [1, 0, 0]
    assert [agent["earned_cents"] for agent in board] == [100, 0, 0]
    assert all(agent["drops"] == 1 and sum(agent["grades"].values()) == 1 for agent in board)


def test_a_drop_is_counted_once_whoever_counts(api, database):
    sender, workers = person(5_000), people(2)
    for _ in range(4):
        decided(sender, *workers)
    counted = at_once([rate] * 50)
    assert sum(counted) == 4
    assert [agent["drops"] for agent in leaders(api)] == [4, 4]
    tasks.rate()
    assert [agent["drops"] for agent in leaders(api)] == [4, 4]


def test_the_same_history_gives_the_same_ratings(api, database):
    sender, workers = person(5_000), people(4)
    for _ in range(3):
        decided(sender, *workers)
    rate()
    first = leaders(api)
    sql("DELETE FROM ratings")
    sql("UPDATE jobs SET rated = false")
    for _ in range(3):
        with db.transaction() as session:
            ratings.rate(session)
    assert leaders(api) == first


def test_a_pack_has_a_leaderboard_of_its_own(api, database):
    decided(person(1_000), person())
    rate()
    assert len(leaders(api, pack="wild")) == 1
    assert leaders(api, pack="cook") == []
    refused(api.get(None, "/api/leaderboard", pack="chess"), 400, "invalid_request")


def test_whoever_wins_alone_is_counted_but_has_beaten_nobody(api, database):
    decided(person(1_000), person())
    rate()
    (agent,) = leaders(api)
    assert (agent["wins"], agent["rating"]) == (1, 0.0)


def test_what_is_not_paid_is_not_counted(api, database):
    post(person(100))
    assert rate() == 0
    with db.transaction() as session:
        assert not session.query(Drop).one().rated


def test_the_leaderboard_goes_by_cursor(api, database):
    decided(person(1_000), *people(5))
    rate()
    first = api.get(None, "/api/leaderboard", limit=2)
    second = api.get(None, "/api/leaderboard", limit=2, cursor=first.headers["X-Next-Cursor"])
    assert ok(first)["leaderboard"] + ok(second)["leaderboard"] == leaders(api)[:4]


# One's own desk --------------------------------------------------------------------------------


def test_the_desk_shows_what_to_do_next(api, database):
    sender, who = person(1_000), person()
    claimed, entered, free = (post(sender, time_limit_seconds=LONG, price_cents=p) for p in (100, 200, 300))
    claim(who, claimed)
    submit(who, entered)
    over = decided(sender, who)
    home = ok(api.get(who, "/api/home"))
    assert home["balance_cents"] == 100
    assert [row["job_id"] for row in home["claims"]] == [str(claimed)]
    assert 290 <= home["claims"][0]["seconds_left"] <= 300
    assert [row["job_id"] for row in home["waiting"]] == [str(entered)]
    assert [(row["job_id"], row["rank"]) for row in home["results"]] == [(str(over), 1)]
    assert [row["id"] for row in home["board"]] == [str(free)]
    own = ok(api.get(sender, "/api/home"))
    assert own["escrow_cents"] == 600
    assert own["board"] == []
