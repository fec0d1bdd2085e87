"""The caller's own matters: whoami, the wallet, and where they stand in which drop."""

from datetime import datetime
from uuid import UUID

from tests.support import claim, close, drive, let_time_pass, people, person, post, submit, unchanged
from tests.web.answers import ok
from tests.web.scenes import decided, end_window

STATUS_KEYS = {
    "job_id", "title", "status", "price_cents", "window_closes_at", "state", "claim_expires_at",
    "release_free_until", "submitted", "submission_id", "grade", "rank", "payout_cents",
}  # fmt: skip


def test_whoami_knows_the_caller(api):
    who = person(700, name="Ada")
    with unchanged():
        answer = ok(api.post(who, "/api/whoami"))
    assert answer.keys() == {"id", "name", "agent_id", "balance_cents", "created_at", "scopes"}
    assert (answer["id"], answer["name"], answer["balance_cents"]) == (str(who.id), "Ada", 700)
    assert UUID(answer["agent_id"])
    assert datetime.fromisoformat(answer["created_at"])


# The wallet ------------------------------------------------------------------------------------


def wallet(api, who, **page):
    return ok(api.get(who, "/api/wallet/balance", **page))


def moves(api, who, **page):
    return [(line["delta"], line["reason"]) for line in wallet(api, who, **page)["ledger"]]


def test_a_new_wallet_is_empty(api):
    assert wallet(api, person()) == {"balance_cents": 0, "escrow_cents": 0, "ledger": []}


def test_the_wallet_tells_every_movement_newest_first(api):
    sender, worker = person(1000), person()
    job_id = decided(sender, worker)
    refunded = post(sender)
    ok(api.post(sender, f"/api/jobs/{refunded}/cancel"))
    post(sender, price_cents=250)
    state = wallet(api, sender)
    assert (state["balance_cents"], state["escrow_cents"]) == (650, 250)
    history = [(-250, "hold"), (100, "refund"), (-100, "hold"), (-100, "hold"), (1000, "credit")]
    assert moves(api, sender) == history
    assert moves(api, sender, limit=2, offset=1) == history[1:3]
    (line,) = wallet(api, worker)["ledger"]
    assert line.keys() >= {"id", "delta", "reason", "created_at"}
    assert (line["delta"], line["reason"], line["job_id"]) == (100, "payout", str(job_id))


def test_the_fee_is_taken_from_the_payout(api, settle):
    settle(platform_fee_bps=1000)
    sender, worker = person(100), person()
    decided(sender, worker)
    assert moves(api, worker) == [(90, "payout")]
    assert moves(api, sender) == [(-100, "hold"), (100, "credit")]


# Where one stands ------------------------------------------------------------------------------


def standing(api, who):
    return {row["job_id"]: row for row in ok(api.get(who, "/api/users/status"))}


def test_who_does_nothing_has_an_empty_status(api):
    assert ok(api.get(person(), "/api/users/status")) == []


def test_a_live_claim_shows_until_it_runs_out(api):
    competitor, job_id = person(), post(person(100), time_limit_seconds=3600)
    row = ok(api.post(competitor, f"/api/jobs/{job_id}/claim"), 201)
    (item,) = ok(api.get(competitor, "/api/users/status"))
    assert item.keys() == STATUS_KEYS
    assert (item["job_id"], item["status"], item["submitted"]) == (str(job_id), "open", False)
    assert item["claim_expires_at"] == row["expires_at"]
    assert {item[key] for key in ("submission_id", "grade", "rank", "payout_cents")} == {None}
    assert item["state"] == "held"
    let_time_pass(job_id, 301)
    (lost,) = ok(api.get(competitor, "/api/users/status"))
    assert (lost["state"], lost["submitted"], lost["release_free_until"]) == ("expired", False, None)


def test_whoever_lost_a_slot_by_time_finds_it_for_an_hour(api):
    competitor, job_id = person(), post(person(100), time_limit_seconds=3600)
    claim(competitor, job_id)
    (item,) = ok(api.get(competitor, "/api/users/status"))
    assert item["release_free_until"] < item["claim_expires_at"]
    let_time_pass(job_id, 301)
    assert standing(api, competitor)[str(job_id)]["state"] == "expired"
    home = ok(api.get(competitor, "/api/home"))
    assert ([row["job_id"] for row in home["expired"]], home["claims"]) == ([str(job_id)], [])
    close(job_id)  # the sweep marks it; nothing changes for its user
    assert standing(api, competitor)[str(job_id)]["state"] == "expired"
    let_time_pass(job_id, 3_600)
    assert standing(api, competitor) == {}
    assert ok(api.get(competitor, "/api/home"))["expired"] == []


def test_a_slot_that_ended_with_the_window_was_lost_too(api):
    competitor, job_id = person(), post(person(100), time_limit_seconds=60)
    claim(competitor, job_id)
    let_time_pass(job_id, 61)
    close(job_id)
    row = standing(api, competitor)[str(job_id)]
    assert (row["state"], row["status"]) == ("expired", "failed")


def test_a_slot_that_was_taken_again_or_released_is_not_lost(api):
    again, released = person(), person()
    job_id = post(person(100), time_limit_seconds=3600)
    claim(again, job_id)
    let_time_pass(job_id, 301)
    claim(again, job_id)
    claim(released, job_id)
    ok(api.http.delete(f"/api/jobs/{job_id}/claim", headers=released.auth))
    assert standing(api, again)[str(job_id)]["state"] == "held"
    assert standing(api, released) == {}
    submit(again, job_id)
    assert standing(api, again)[str(job_id)]["state"] == "submitted"


def test_an_entry_shows_and_later_what_became_of_it(api):
    sender, workers = person(100), people(2)
    job_id = post(sender)
    for who in workers:
        submit(who, job_id)
    for who in workers:
        item = standing(api, who)[str(job_id)]
        assert (item["status"], item["submitted"], item["grade"]) == ("open", True, None)
        assert UUID(item["submission_id"])
    end_window(job_id)
    assert standing(api, workers[0])[str(job_id)]["status"] == "ranking"
    drive(job_id)
    results = sorted((standing(api, who)[str(job_id)] for who in workers), key=lambda item: item["rank"])
    assert [(item["rank"], item["payout_cents"]) for item in results] == [(1, 100), (2, None)]
    assert all(item["status"] == "verified" and item["grade"] in "SABCDF" for item in results)


def test_competitors_get_their_grade_even_where_nobody_was_paid(api):
    worker, job_id = person(), post(person(100), min_grade="S")
    submit(worker, job_id, "x")
    end_window(job_id)
    drive(job_id)
    item = standing(api, worker)[str(job_id)]
    assert (item["status"], item["rank"], item["payout_cents"]) == ("failed", 1, None)
    assert item["grade"] in "ABCDF"


def test_settled_entries_leave_after_a_day(api):
    worker = person()
    job_id = decided(person(100), worker)
    assert str(job_id) in standing(api, worker)
    let_time_pass(job_id, 86_400)
    assert standing(api, worker) == {}


def test_nobody_elses_entries_show(api):
    sender, worker = person(100), person()
    submit(worker, post(sender))
    assert standing(api, sender) == standing(api, person()) == {}
