"""POST /api/jobs/run: what a drop would cost, then posting and paying it."""

from datetime import datetime

import pytest

from models.market import NO_MIN_GRADE
from models.packs import DEFAULT_BOUNTY_CENTS
from tests.payloads import SCRIPTS, text, unicode_text
from tests.support import balance, person, post, unchanged, violations
from tests.web.answers import JOB_KEYS, ok, refused

RUN = "/api/jobs/run"
ROOM = 16 * 1024 - len("NAME")  # bytes, for the value of an envVar of that name


def test_an_estimate_has_exactly_these_fields(api):
    assert ok(api.post(person(), RUN, prompt="Name three rivers.")) == {
        "needs_confirmation": True,
        "prompt": "Name three rivers.",
        "title": "Name three rivers.",
        "pack": "wild",
        "estimated_price_cents": 100,
        "estimated_time_limit_seconds": 300,
        "fee_cents": 0,
        "payout_cents": 100,
        "max_claims": 5,
        "min_grade": None,
        "price_clamped": False,
        "price_min_cents": 50,
        "price_max_cents": 100_000,
        "time_limit_clamped": False,
        "time_limit_min_seconds": 30,
        "time_limit_max_seconds": 3600,
        "warnings": [NO_MIN_GRADE],
    }


@pytest.mark.parametrize("confirmed", [{}, {"confirmed": False}])
def test_an_estimate_stores_nothing(api, confirmed):
    sender = person(500)
    with unchanged():
        ok(api.post(sender, RUN, prompt="Hi", envVars={"A": "b"}, **confirmed))


def test_each_pack_has_its_bounty(api):
    sender = person()
    for pack, cents in {"roast": 100, "scout": 200, "code": 300, "cook": 200, "wild": 100}.items():
        answer = ok(api.post(sender, RUN, prompt="Hi", pack=pack))
        assert (answer["pack"], answer["estimated_price_cents"]) == (pack, cents)


def test_there_are_no_other_packs():
    assert list(DEFAULT_BOUNTY_CENTS) == ["roast", "scout", "code", "cook", "wild"]


def test_a_price_out_of_range_is_clamped_and_said_to_be(api):
    sender = person()
    for wish, price, clamped in [
        (-(10**30), 50, True),
        (0, 50, True),
        (49, 50, True),
        (50, 50, False),
        (100_000, 100_000, False),
        (100_001, 100_000, True),
        (10**4000, 100_000, True),
    ]:
        answer = ok(api.send(sender, RUN, b'{"prompt": "Hi", "price_cents": %s}' % _digits(wish)))
        assert (answer["estimated_price_cents"], answer["price_clamped"]) == (price, clamped)


def _digits(number: int) -> bytes:
    return str(number).encode()


def test_a_time_limit_out_of_range_is_clamped(api):
    sender = person()
    for wish, seconds in [(-1, 30), (29, 30), (30, 30), (3600, 3600), (3601, 3600), (10**30, 3600)]:
        answer = ok(api.post(sender, RUN, prompt="Hi", time_limit_seconds=wish))
        assert answer["estimated_time_limit_seconds"] == seconds


def test_the_bounds_are_settings(api, settle):
    settle(price_min_cents=70, price_max_cents=80, time_limit_min_seconds=5, time_limit_default_seconds=6)
    sender = person()
    assert ok(api.post(sender, RUN, prompt="Hi", price_cents=1))["estimated_price_cents"] == 70
    answer = ok(api.post(sender, RUN, prompt="Hi", pack="code"))
    assert (answer["estimated_price_cents"], answer["price_clamped"]) == (80, True)
    assert answer["estimated_time_limit_seconds"] == 6
    assert ok(api.post(sender, RUN, prompt="Hi", time_limit_seconds=1))["estimated_time_limit_seconds"] == 5


def test_an_operator_may_lower_the_longest_window(api, settle):
    settle(time_limit_max_seconds=600)
    answer = ok(api.post(person(), RUN, prompt="Hi", time_limit_seconds=601))
    assert answer["estimated_time_limit_seconds"] == 600


def test_what_a_client_that_confirms_at_once_has_to_know_stands_in_the_answer(api):
    terms = {"prompt": "Hi", "price_cents": 1, "time_limit_seconds": 9999}
    estimate = ok(api.post(person(), RUN, **terms))
    assert len(estimate["warnings"]) == 3
    row = ok(api.post(person(50), RUN, **terms, confirmed=True), 201)
    for field in ("price_clamped", "time_limit_clamped", "warnings"):
        assert row[field] == estimate[field]
    row = ok(api.post(person(100), RUN, prompt="Hi", min_grade="D", confirmed=True), 201)
    assert (row["price_clamped"], row["time_limit_clamped"], row["warnings"]) == (False, False, [])
    problem = refused(api.post(person(49), RUN, **terms, confirmed=True), 402, "insufficient_balance")
    assert (problem["required"], problem["warnings"]) == (50, estimate["warnings"])


def test_a_min_grade_that_every_entry_has_is_none(api):
    assert ok(api.post(person(), RUN, prompt="Hi", min_grade="F"))["warnings"] == [NO_MIN_GRADE]
    assert ok(api.post(person(), RUN, prompt="Hi", min_grade="D"))["warnings"] == []


def test_a_drop_is_clamped_like_its_estimate(api):
    row = ok(api.post(person(50), RUN, prompt="Hi", price_cents=1, time_limit_seconds=1, confirmed=True), 201)
    assert (row["price_cents"], row["time_limit_seconds"]) == (50, 30)


@pytest.mark.parametrize(
    ("bps", "flat", "fee"), [(0, 0, 0), (1000, 5, 15), (0, 30, 30), (10_000, 0, 99), (0, 500, 99)]
)
def test_the_fee_is_announced_frozen_and_leaves_the_winner_a_cent(api, settle, bps, flat, fee):
    settle(platform_fee_bps=bps, platform_fee_flat_cents=flat)
    sender = person(100)
    estimate = ok(api.post(sender, RUN, prompt="Hi"))
    assert (estimate["fee_cents"], estimate["payout_cents"]) == (fee, 100 - fee)
    row = ok(api.post(sender, RUN, prompt="Hi", confirmed=True), 201)
    assert (row["fee_cents"], row["payout_cents"]) == (fee, 100 - fee)
    settle(platform_fee_bps=0, platform_fee_flat_cents=0)
    assert ok(api.get(sender, f"/api/jobs/{row['id']}"))["fee_cents"] == fee


def test_the_title_is_the_first_line_up_to_80_characters(api):
    sender = person()
    for prompt, title in {
        "\x1b[31mred\x07 alert": "[31mred alert",
        "\u202eevil\n x": "evil",
        "\x01\n\x02\nlast": "last",
        "👩‍👩‍👧 family": "👩‍👩‍👧 family",
        "One\nTwo": "One",
        "\n\n  One  \r\nTwo": "One",
        "x" * 80: "x" * 80,
        "x" * 81: "x" * 79 + "…",
        "🦀" * 90: "🦀" * 79 + "…",
    }.items():
        answer = ok(api.post(sender, RUN, prompt=prompt))
        assert (answer["prompt"], answer["title"]) == (prompt, title)


def test_a_confirmed_drop_is_open_and_paid(api):
    sender = person(500)
    row = ok(api.post(sender, RUN, prompt="Hi\nthere", pack="scout", min_grade="B", confirmed=True), 201)
    assert row.keys() == JOB_KEYS | {"envVars", "price_clamped", "time_limit_clamped", "warnings"}
    assert balance(sender) == 300
    told = {
        "status": "open",
        "prompt": "Hi\nthere",
        "title": "Hi",
        "pack": "scout",
        "sender": str(sender.id),
        "price_cents": 200,
        "fee_cents": 0,
        "payout_cents": 200,
        "time_limit_seconds": 300,
        "max_claims": 5,
        "claims_count": 0,
        "submissions_count": 0,
        "min_grade": "B",
        "attachments": [],
        "envVars": {},
        "price_clamped": False,
        "time_limit_clamped": False,
        "warnings": [],
    }
    assert {key: row[key] for key in told} == told
    times = {"opened_at", "window_closes_at", "created_at", "updated_at"}
    assert {row[key] for key in row.keys() - told.keys() - times - {"id"}} == {None}
    assert violations() == []


def test_the_window_opens_at_once_for_the_time_limit(api):
    row = ok(api.post(person(100), RUN, prompt="Hi", time_limit_seconds=90, confirmed=True), 201)
    opened, closes = (datetime.fromisoformat(row[key]) for key in ("opened_at", "window_closes_at"))
    assert (closes - opened).total_seconds() == 90
    assert len(row["opened_at"]) == len("2026-11-24T13:00:00.000Z")
    assert row["opened_at"].endswith("Z")


def test_the_last_cent_is_enough(api):
    sender = person(100)
    assert ok(api.post(sender, RUN, prompt="Hi", confirmed=True), 201)["status"] == "open"
    assert balance(sender) == 0


def test_with_too_little_money_the_drop_waits(api):
    sender = person(99)
    problem = refused(api.post(sender, RUN, prompt="Hi", confirmed=True), 402, "insufficient_balance")
    assert problem["payment_required"] is True
    assert (problem["required"], problem["available"]) == (100, 99)
    assert problem["id"] == problem["job_id"]
    assert balance(sender) == 99
    row = ok(api.get(sender, f"/api/jobs/{problem['id']}"))
    assert (row["status"], row["opened_at"], row["window_closes_at"]) == ("pending_payment", None, None)
    assert ok(api.get(None, "/api/board"))["total"] == 0
    assert violations() == []


def test_too_many_drops_that_wait_are_refused_and_not_stored(api):
    sender = person()
    for _ in range(20):
        refused(api.post(sender, RUN, prompt="Hi", confirmed=True), 402, "insufficient_balance")
    with unchanged():
        refused(api.post(sender, RUN, prompt="Hi", confirmed=True), 429, "too_many_pending")
        assert ok(api.post(sender, RUN, prompt="Hi"))["needs_confirmation"]
    refused(api.post(person(), RUN, prompt="Hi", confirmed=True), 402, "insufficient_balance")


def test_room_for_a_waiting_drop_comes_back_with_a_cancel(api, settle):
    settle(max_pending_drops=1)
    sender = person()
    waiting = refused(api.post(sender, RUN, prompt="Hi", confirmed=True), 402, "insufficient_balance")["id"]
    refused(api.post(sender, RUN, prompt="Hi", confirmed=True), 429, "too_many_pending")
    ok(api.post(sender, f"/api/jobs/{waiting}/cancel"))
    refused(api.post(sender, RUN, prompt="Hi", confirmed=True), 402, "insufficient_balance")


def test_waiting_drops_do_not_hinder_one_that_is_paid(api, settle):
    settle(max_pending_drops=1)
    sender = person(100)
    post(sender, price_cents=200)
    assert ok(api.post(sender, RUN, prompt="Hi", confirmed=True), 201)["status"] == "open"


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_longest_prompt_is_the_same_in_every_script(api, script):
    sender, whole = person(100), text(20_000, script)
    assert ok(api.post(sender, RUN, prompt=whole))["prompt"] == whole
    with unchanged():
        answer = api.post(sender, RUN, prompt=text(20_001, script), confirmed=True)
        problem = refused(answer, 400, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == ["prompt"]
    assert ok(api.post(sender, RUN, prompt=whole, confirmed=True), 201)["prompt"] == whole


def test_limits_are_met_exactly(api):
    sender = person()
    ok(api.post(sender, RUN, prompt="Hi", envVars={f"N{n}": "" for n in range(50)}))
    ok(api.post(sender, RUN, prompt="Hi", envVars={"NAME": unicode_text(ROOM).decode()}))


@pytest.mark.parametrize("confirmed", [False, True])
def test_more_than_the_limits_is_refused(api, subtests, confirmed):
    sender = person(500)
    too_much = [
        {"envVars": {f"N{n}": "" for n in range(51)}},
        {"envVars": {"NAME": unicode_text(ROOM + 1).decode()}},
    ]
    with unchanged():
        for fields in too_much:
            with subtests.test(next(iter(fields))):
                answer = api.post(sender, RUN, **{"prompt": "Hi", "confirmed": confirmed, **fields})
                problem = refused(answer, 400, "invalid_request")
                assert [error["field"] for error in problem["errors"]] == list(fields)


@pytest.mark.parametrize("confirmed", [False, True])
def test_an_attachment_has_to_be_an_upload_of_the_sender(api, confirmed):
    sender = person(500)
    with unchanged():
        answer = api.post(sender, RUN, prompt="Hi", attachments=["nobody-knows"], confirmed=confirmed)
    refused(answer, 400, "unknown_file")


def test_unknown_fields_are_ignored(api):
    assert ok(api.post(person(), RUN, prompt="Hi", status="verified", sender="me"))["price_clamped"] is False
