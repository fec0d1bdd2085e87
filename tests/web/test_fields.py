"""Names that a route does not know: near misses are refused before anything happens, others are told of."""

import json
from uuid import uuid4

import pytest

from tests.support import balance, claim, person, post, unchanged
from tests.web.answers import ok, refused
from web.inputs import FIELDS_MAX, IGNORED_MAX, IGNORED_NAME_MAX
from web.near_miss import near_miss

RUN = "/api/jobs/run"
OF_RUN = (
    "prompt",
    "envVars",
    "attachments",
    "pack",
    "price_cents",
    "time_limit_seconds",
    "confirmed",
    "min_grade",
)
OF_BOARD = ("pack", "min_price_cents", "max_price_cents", "sort", "wait", "limit", "offset", "cursor")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("price", "price_cents"),
        ("priceCents", "price_cents"),
        ("price-cents", "price_cents"),
        ("PRICE_CENTS", "price_cents"),
        ("price_in_cents", "price_cents"),
        ("estimated_price_cents", "price_cents"),
        ("price_cent", "price_cents"),
        ("minGrade", "min_grade"),
        ("grade", "min_grade"),
        ("min_grad", "min_grade"),
        ("env_vars", "envVars"),
        ("EnvVars", "envVars"),
        ("env", "envVars"),
        ("time_limit", "time_limit_seconds"),
        ("timeLimitSeconds", "time_limit_seconds"),
        ("time", "time_limit_seconds"),
        ("time_limit_s", "time_limit_seconds"),
        ("time_limit_minutes", "time_limit_seconds"),
        ("timelimit", "time_limit_seconds"),
        ("timeLimitMs", "time_limit_seconds"),
        ("price_usd", "price_cents"),
        ("priceUSD", "price_cents"),
        ("max_price", "price_cents"),
        ("pricing", "price_cents"),
        ("bounty_cents", "price_cents"),
        ("gradeMinimum", "min_grade"),
        ("least_grade", "min_grade"),
        ("envs", "envVars"),
        ("environment", "envVars"),
        ("files", "attachments"),
        ("fileIds", "attachments"),
        ("promt", "prompt"),
        ("Prompts", "prompt"),
        ("prompt_id", None),
        ("confirmed_at", None),
        ("confirm", "confirmed"),
        ("attachment", "attachments"),
        ("title", None),
        ("created_at", None),
        ("id", None),
        ("model", None),
        ("fee_cents", None),
        ("", None),
        ("价格", None),
        ("p" * 10_000, None),
    ],
)
def test_which_name_was_meant(name: str, meant: str | None):
    assert near_miss(name, OF_RUN) == meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("min_price", "min_price_cents"),
        ("maxPriceCents", "max_price_cents"),
        ("sort_by", "sort"),
        ("page", None),
    ],
)
def test_which_parameter_was_meant(name: str, meant: str | None):
    assert near_miss(name, OF_BOARD) == meant


@pytest.mark.parametrize(
    "terms",
    [
        {"price": 5000},
        {"minGrade": "A"},
        {"env_vars": {"K": "v"}},
        {"time_limit": 900},
        {"price": 5000, "minGrade": "A", "env_vars": {"K": "v"}, "time_limit": 900},
    ],
)
def test_terms_that_were_meant_are_not_passed_over(api, terms):
    sender = person(1_000)
    with unchanged():
        problem = refused(api.post(sender, RUN, prompt="x", confirmed=True, **terms), 400, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == list(terms)
    assert all("did you mean" in error["message"] for error in problem["errors"])
    assert balance(sender) == 1_000


def test_what_was_meant_is_not_missing_where_it_is_given_as_well(api):
    """A drop may be posted again from the row of an old one."""
    sender = person(1_000)
    old = ok(api.get(sender, f"/api/jobs/{post(sender, price_cents=200)}"))
    row = ok(api.post(sender, RUN, **old, confirmed=True), 201)
    assert [row[name] for name in ("prompt", "price_cents", "min_grade")] == ["Name three rivers.", 200, None]
    answer = api.post(sender, RUN, prompt="x", price_cents=60, price=70)
    assert ok(answer)["estimated_price_cents"] == 60
    assert answer.headers["Clorp-Ignored"] == "price"


def test_every_route_with_fields_refuses_a_near_miss(api):
    sender, worker = person(1_000), person()
    job_id = post(sender)
    claim(worker, job_id)
    for who, path, fields, meant in [
        (worker, f"/api/jobs/{job_id}/claim", {"agent_id": None}, "agentId"),
        (worker, f"/api/jobs/{job_id}/submit", {"text": "Rhine", "agentID": None}, "agentId"),
        (worker, f"/api/jobs/{job_id}/submit", {"text": "Rhine", "file": []}, "files"),
        (worker, "/api/agents", {"name": "quill", "avatar": None}, "avatar_url"),
        (sender, "/api/keys", {"name": "ci", "scope": ["read"]}, "scopes"),
        (sender, "/api/keys", {"name": "ci", "permissions": ["read"]}, "scopes"),
        (sender, "/api/wallet/topup", {"amount": 500}, "amount_cents"),
        (None, "/api/users", {"names": "x"}, "name"),
    ]:
        with unchanged():
            problem = refused(api.post(who, path, **fields), 400, "invalid_request")
        assert problem["errors"][0]["message"] == f"is no field here; did you mean {meant}?"


def test_a_near_miss_of_a_parameter_is_refused(api):
    for path, query in [
        ("/api/board", {"min_price": 5}),
        ("/api/board", {"limits": 5}),
        ("/api/jobs", {"state": "open", "statuss": "open"}),
        ("/api/feed", {"curser": "x"}),
    ]:
        problem = refused(api.get(person(), path, **query), 400, "invalid_request")
        assert "did you mean" in problem["errors"][0]["message"]


def test_other_names_are_ignored_and_told_of(api):
    sender = person(1_000)
    answer = api.post(sender, RUN, prompt="x", model="gpt", colour="red")
    assert ok(answer)["prompt"] == "x"
    assert answer.headers["Clorp-Ignored"] == "model, colour"
    answer = api.get(None, "/api/board", page=2, _=17)
    ok(answer)
    assert answer.headers["Clorp-Ignored"] == "page, _"
    answer = api.http.post(f"{RUN}?dry=1", json={"prompt": "x", "colour": "red"}, headers=sender.auth)
    assert ok(answer)["prompt"] == "x"
    assert answer.headers["Clorp-Ignored"] == "colour, dry"
    assert "Clorp-Ignored" not in api.post(sender, RUN, prompt="x").headers


def test_a_refusal_tells_of_ignored_names_too(api):
    answer = api.post(person(), RUN, prompt="x", confirmed=True, colour="red")
    assert refused(answer, 402, "insufficient_balance")
    assert answer.headers["Clorp-Ignored"] == "colour"


def test_ignored_names_fit_a_header(api):
    names = [
        "Ünïcödé",
        "a b",
        "c\r\nSet-Cookie: x=1",
        "d,e",
        "",
        "\u200b",
        *(f"q{n}" for n in range(20)),
        "z" * 500,
    ]
    answer = api.http.post(RUN, json={"prompt": "x", **dict.fromkeys(names, 1)}, headers=person().auth)
    ok(answer)
    told = answer.headers["Clorp-Ignored"].split(", ")
    assert len(told) == IGNORED_MAX
    assert all(name.isascii() and name.isprintable() and len(name) <= IGNORED_NAME_MAX for name in told)
    assert "Set-Cookie" not in answer.headers


def test_what_is_the_clients_own_is_not_looked_at(api):
    sender = person(1_000)
    key_like = {"price": "1", "minGrade": "A"}
    answer = api.post(sender, RUN, prompt="x", envVars=key_like)
    ok(answer)
    assert "Clorp-Ignored" not in answer.headers
    worker, job_id = person(), post(sender)
    unknown = {"key": str(uuid4()), "name": "out.md", "size": 1204, "keys": 1}
    answer = api.post(worker, f"/api/jobs/{job_id}/submit", text="Rhine", files=[unknown])
    refused(answer, 400, "unknown_file")
    assert "Clorp-Ignored" not in answer.headers
    answer = api.post(None, "/api/stripe/webhook", id="evt_1", type="x", amount=5)
    refused(answer, 400, "invalid_signature")
    assert "Clorp-Ignored" not in answer.headers


def test_a_request_has_a_sane_number_of_fields(api):
    sender = person(1_000)
    fields = {"prompt": "x", **{f"q{n}": n for n in range(FIELDS_MAX - 1)}}
    ok(api.post(sender, RUN, **fields))
    refused(api.post(sender, RUN, **fields, more=1), 400, "invalid_request")
    many = {f"{n:x}": "" for n in range(40_000)}
    refused(api.send(sender, RUN, json.dumps(many).encode()), 400, "invalid_request")
    refused(
        api.get(None, "/api/board", **{f"q{n}": n for n in range(FIELDS_MAX + 1)}), 400, "invalid_request"
    )
