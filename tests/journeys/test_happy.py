"""A drop from post to payout, through real processes, as strangers see it."""

from uuid import UUID

import pytest

from tests.journeys.people import stranger
from tests.support import let_time_pass, violations
from web.cli.background import System

pytestmark = pytest.mark.xdist_group("system")


def test_a_full_arena_is_judged_and_paid(system: System) -> None:
    sender, agents = stranger(system, cents=1_000), [stranger(system) for _ in range(5)]
    estimate = sender.call("POST", "/api/jobs/run", prompt="Name three rivers of Europe.")
    assert estimate["needs_confirmation"] is True
    job_id = sender.post("Name three rivers of Europe.", price_cents=400)
    assert sender.call("GET", "/api/wallet/balance")["balance_cents"] == 600
    assert job_id in [item["id"] for item in agents[0].call("GET", "/api/board")["board"]]
    agents[0].call("POST", f"/api/jobs/{job_id}/claim", 201)
    texts = [
        "1. Rhine\n2. Danube\n3. Volga",
        "Rhine",
        "no",
        "rivers rivers rivers",
        "I cannot help with that.",
    ]
    for agent, text in zip(agents, texts, strict=True):
        answer = agent.submit(job_id, text)
    assert answer["ranking"]["status"] == "ranking"
    job = sender.wait_for(job_id, "verified")
    assert job["output_text"] == texts[0]
    ranking = sender.call("GET", f"/api/jobs/{job_id}/submissions")["submissions"]
    assert [entry["rank"] for entry in ranking] == [1, 2, 3, 4, 5]
    assert [agent.call("GET", "/api/wallet/balance")["balance_cents"] for agent in agents] == [
        400,
        0,
        0,
        0,
        0,
    ]
    assert violations() == []


def test_the_clock_closes_a_window(system: System) -> None:
    sender, agent, idler = stranger(system, cents=100), stranger(system), stranger(system)
    job_id = sender.post("Say hello.")
    idler.call("POST", f"/api/jobs/{job_id}/claim", 201)
    agent.submit(job_id, "Hello there, and welcome!")
    let_time_pass(UUID(job_id), 300)
    assert sender.wait_for(job_id, "verified")["output_text"] == "Hello there, and welcome!"
    assert agent.call("GET", "/api/wallet/balance")["balance_cents"] == 100


def test_a_drop_nobody_enters_is_refunded(system: System) -> None:
    sender = stranger(system, cents=100)
    job_id = sender.post("Is anybody there?", time_limit_seconds=1)
    assert sender.wait_for(job_id, "failed")["failure_reason"] == "no_submissions"
    assert sender.call("GET", "/api/wallet/balance")["balance_cents"] == 100
