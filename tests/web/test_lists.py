"""The lists: own drops, the board, the feed; their pages, filters and order."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support import claim, drive, let_time_pass, people, person, post, submit
from tests.web.answers import JOB_KEYS, ok, refused
from tests.web.scenes import decided, end_window

BOARD_KEYS = {
    "id", "title", "prompt", "prompt_truncated", "pack", "price_cents", "payout_cents",
    "time_limit_seconds", "min_grade",
    "max_claims", "claims_count", "submissions_count", "slots_left", "opened_at",
    "window_closes_at", "seconds_left",
}  # fmt: skip
FEED_KEYS = {
    "id", "status", "title", "prompt", "prompt_truncated", "pack", "price_cents", "payout_cents", "grade",
    "grade_rationale", "winner", "winner_agent_id", "submissions_count", "opened_at", "ended_at",
    "created_at", "updated_at",
}  # fmt: skip
LISTS = ["/api/jobs", "/api/board", "/api/feed"]


@pytest.fixture
def sender(database):
    return person(10_000)


def rows(document):
    return document if isinstance(document, list) else document.get("board") or document.get("feed") or []


def ids(answer):
    return [row["id"] for row in rows(ok(answer))]


# Pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
def test_an_empty_list_is_a_list(api, sender, path):
    answer = api.get(sender, path)
    assert ids(answer) == []
    assert answer.headers["X-Total-Count"] == "0"
    assert "Link" not in answer.headers


@pytest.mark.parametrize("path", LISTS)
def test_what_is_not_a_number_is_refused(api, sender, path, subtests):
    for value in ("", "x", "1.5", "1e3", "0x10", "NaN", "--1", "1 ", "٣", "\0", "1_0", "-"):
        for parameter in ("limit", "offset"):
            with subtests.test(parameter=parameter, value=value):
                problem = refused(api.get(sender, path, **{parameter: value}), 400, "invalid_request")
                assert problem["errors"][0]["field"] == parameter


def test_limit_and_offset_are_clamped(api, sender):
    for asked, given in [
        ({}, (20, 0)),
        ({"limit": 0}, (1, 0)),
        ({"limit": -5, "offset": -5}, (1, 0)),
        ({"limit": 100}, (100, 0)),
        ({"limit": 101}, (100, 0)),
        ({"limit": 10**30, "offset": "9" * 5000}, (100, 2**31 - 1)),
        ({"limit": -(10**30), "offset": -(10**30)}, (1, 0)),
        ({"limit": "007"}, (7, 0)),
    ]:
        answer = ok(api.get(None, "/api/board", **asked))
        assert (answer["limit"], answer["offset"]) == given
        ok(api.get(None, "/api/feed", **asked))
        ok(api.get(sender, "/api/jobs", **asked))


def test_the_links_lead_through_the_whole_list(api, sender):
    newest_first = [str(post(sender)) for _ in range(5)][::-1]
    for path, query in (("/api/jobs", {"status": "open"}), ("/api/board", {"pack": "wild"})):
        answer = api.get(sender, path, limit=2, **query)
        seen = ids(answer)
        while link := answer.headers.get("Link"):
            url, _, relation = link.partition("; ")
            assert relation == 'rel="next"'
            target = urlsplit(url.strip("<>"))
            assert target.path == ""  # relative to what was asked
            query_string = dict(parse_qsl(target.query))
            assert query_string.keys() == {"limit", "cursor", *query}
            assert query_string.items() >= query.items()
            answer = api.get(sender, path, **query_string)
            seen += ids(answer)
            assert answer.headers["X-Total-Count"] == "5"
        assert seen == newest_first
        assert ok(api.get(None, "/api/board", **query_string))["total"] == 5


def test_who_asks_with_an_offset_is_led_on_by_offset(api, sender):
    newest_first = [str(post(sender)) for _ in range(5)][::-1]
    answer = api.get(sender, "/api/jobs", limit=2, offset=0)
    assert answer.headers["Link"] == '<?limit=2&offset=2>; rel="next"'
    second = api.get(sender, "/api/jobs", limit=2, offset=2)
    assert second.headers["Link"] == '<?limit=2&offset=4>; rel="next"'
    assert ids(answer) + ids(second) == newest_first[:4]
    behind = api.get(sender, "/api/jobs", limit=2, offset=4, cursor=answer.headers["X-Next-Cursor"])
    assert ids(behind) == newest_first[2:4]
    assert dict(parse_qsl(urlsplit(behind.headers["Link"].split(">")[0]).query)).keys() == {"limit", "cursor"}


def test_twenty_is_the_default_and_the_total_counts_all(api, sender):
    for _ in range(22):
        post(sender)
    for path in ("/api/jobs", "/api/board"):
        answer = api.get(sender, path)
        assert len(ids(answer)) == 20
        assert answer.headers["X-Total-Count"] == "22"
        assert len(ids(api.get(sender, path, offset=20))) == 2
        assert ids(api.get(sender, path, offset=22)) == []


# Own drops -------------------------------------------------------------------------------------


def test_own_drops_are_a_plain_array_of_whole_rows(api, sender):
    older, newer = post(sender), post(sender)
    post(person(100))
    answer = api.get(sender, "/api/jobs")
    assert ids(answer) == [str(newer), str(older)]
    assert [row.keys() for row in ok(answer)] == [JOB_KEYS | {"envVars"}] * 2


def test_own_drops_can_be_filtered_by_status(api, sender):
    poor = person(100)
    opened, pending, cancelled = post(poor), post(poor), post(poor)
    ok(api.post(poor, f"/api/jobs/{cancelled}/cancel"))
    for status, job_id in (("open", opened), ("pending_payment", pending), ("cancelled", cancelled)):
        assert ids(api.get(poor, "/api/jobs", status=status)) == [str(job_id)]
    for status in ("ranking", "completed", "verified", "failed"):
        assert ids(api.get(poor, "/api/jobs", status=status)) == []
    for status in ("", "OPEN", "nonsense", "\0"):
        refused(api.get(poor, "/api/jobs", status=status), 400, "invalid_request")


def test_a_competitors_drops_are_not_its_own(api, sender):
    worker, job_id = person(), post(sender)
    submit(worker, job_id)
    assert ids(api.get(worker, "/api/jobs")) == []


# The board -------------------------------------------------------------------------------------


def test_the_board_is_public_and_has_exactly_these_fields(api, sender):
    job_id = post(sender, prompt="Title\nrest", pack="code", min_grade="B", time_limit_seconds=60)
    submit(person(), job_id)
    claim(person(), job_id)
    answer = ok(api.get(None, "/api/board"))
    assert answer.keys() == {"board", "total", "limit", "offset"}
    (item,) = answer["board"]
    assert item.keys() == BOARD_KEYS
    told = {
        "id": str(job_id),
        "title": "Title",
        "prompt": "Title\nrest",
        "prompt_truncated": False,
        "pack": "code",
        "price_cents": 300,
        "payout_cents": 300,
        "time_limit_seconds": 60,
        "min_grade": "B",
        "max_claims": 5,
        "claims_count": 2,
        "submissions_count": 1,
        "slots_left": 3,
    }
    assert {key: item[key] for key in told} == told
    assert 0 <= item["seconds_left"] <= 60


def test_the_board_has_only_what_can_still_be_joined(api, sender):
    joinable = post(sender)
    post(person())  # waits for payment
    full, late, leaving, gone = (post(sender) for _ in range(4))
    for who in people(5):
        claim(who, full)
    let_time_pass(late, 300)
    claim(person(), leaving)
    ok(api.post(sender, f"/api/jobs/{leaving}/cancel"), 202)
    ok(api.post(sender, f"/api/jobs/{gone}/cancel"))
    decided(sender, person())
    answer = api.get(None, "/api/board")
    assert ids(answer) == [str(joinable)]
    assert ok(answer)["total"] == 1


def test_an_expired_claim_brings_a_full_drop_back_to_the_board(api, sender):
    job_id = post(sender, time_limit_seconds=3600)
    for who in people(5):
        claim(who, job_id)
    assert ids(api.get(None, "/api/board")) == []
    let_time_pass(job_id, 301)
    assert ok(api.get(None, "/api/board"))["board"][0]["slots_left"] == 5


def test_the_board_sorts(api, sender):
    dear = post(sender, price_cents=300, time_limit_seconds=60)
    cheap = post(sender, price_cents=100, time_limit_seconds=300)
    middling = post(sender, price_cents=200, time_limit_seconds=30)
    orders = {
        "newest": [middling, cheap, dear],
        "closing": [middling, dear, cheap],
        "price": [dear, middling, cheap],
    }
    for sort, order in orders.items():
        assert ids(api.get(None, "/api/board", sort=sort)) == [str(job_id) for job_id in order]
    assert ids(api.get(None, "/api/board")) == [str(job_id) for job_id in orders["newest"]]


def test_the_board_filters(api, sender):
    code, cook = post(sender, pack="code"), post(sender, pack="cook")
    assert ids(api.get(None, "/api/board", pack="code")) == [str(code)]
    assert ids(api.get(None, "/api/board", pack="roast")) == []
    assert ids(api.get(None, "/api/board", min_price_cents=201)) == [str(code)]
    assert ids(api.get(None, "/api/board", min_price_cents=200)) == [str(cook), str(code)]
    assert ids(api.get(None, "/api/board", min_price_cents=-1)) == [str(cook), str(code)]
    assert ids(api.get(None, "/api/board", min_price_cents=10**30)) == []
    assert ok(api.get(None, "/api/board", pack="cook", min_price_cents=201))["total"] == 0


def test_the_board_refuses_what_it_does_not_know(api):
    for parameter, value in [
        ("pack", "chess"),
        ("pack", ""),
        ("sort", "oldest"),
        ("sort", "\0"),
        ("min_price_cents", "much"),
    ]:
        problem = refused(api.get(None, "/api/board", **{parameter: value}), 400, "invalid_request")
        assert problem["errors"][0]["field"] == parameter


# The feed --------------------------------------------------------------------------------------


def test_the_feed_is_public_and_says_who_won_but_not_with_what(api, sender):
    worker = person(name="River Expert")
    job_id = decided(sender, worker)
    answer = api.get(None, "/api/feed")
    assert ok(answer).keys() == {"feed"}
    (item,) = ok(answer)["feed"]
    assert item.keys() == FEED_KEYS
    assert (item["id"], item["status"], item["winner"]) == (str(job_id), "verified", "River Expert")
    assert (item["submissions_count"], item["price_cents"]) == (1, 100)
    assert item["grade"] in "SABCDF"
    assert "The answer of" not in answer.get_data(as_text=True)


def test_the_feed_has_only_what_was_decided_newest_first(api, sender):
    first, second = decided(sender, person()), decided(sender, person())
    post(sender)
    ok(api.post(sender, f"/api/jobs/{post(sender)}/cancel"))
    failed, ranking = post(sender, min_grade="S"), post(sender)
    for job_id in (failed, ranking):
        submit(person(), job_id, "x")
        end_window(job_id)
    assert drive(failed) == "failed"
    assert ids(api.get(None, "/api/feed")) == [str(second), str(first)]


def test_waiting_has_to_be_a_number(api, sender):
    job_id = post(sender)
    for path in ("/api/board", f"/api/jobs/{job_id}"):
        for value in ("null", "", "1.5", "x", "-", "²"):
            refused(api.get(sender, path, wait=value), 400, "invalid_request")
