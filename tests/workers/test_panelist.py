"""A panel in one process: who is asked, how often, and that it always comes to a verdict."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.grades import Brief, Opinion, quorum
from models.panel import FREE, OUTCOMES, TRIES, Answer, Outcome
from workers.judge.panelist import Decision, Panel

PROMPT = "Name three rivers."
TEXTS = ["Rhine, Po, Nile", "Rhine and Po", "Po", "Water", "?"]


def entries(n: int) -> list[tuple[UUID, str]]:
    return [(UUID(int=number + 1), TEXTS[number]) for number in range(n)]


def ranked(brief: Brief, order: Callable[[str], float]) -> dict[str, Opinion]:
    """A ballot that has the texts in this order."""
    labels = sorted(brief.candidates, key=lambda candidate: order(candidate.text))
    return {c.label: Opinion(place, "B", "So.") for place, c in enumerate(labels, start=1)}


@dataclass
class Models:
    """Models that end calls as `outcome` says, and favour what `order` says; they note who was asked."""

    outcome: Callable[[str], Outcome] = lambda _model: "answered"
    order: Callable[[str], float] = TEXTS.index
    asked: list[str] = field(default_factory=list)

    def ask(self, brief: Brief, model: str, nonce: str, tried: int) -> Answer:
        self.asked.append(model)
        outcome = self.outcome(model)
        return Answer(outcome, ranked(brief, self.order) if outcome == "answered" else {})


def decide(models: Models, n: int = 5, names: tuple[str, ...] = ("a", "b"), **more: object) -> Decision:
    return Panel("list", PROMPT, "wild", entries(n), names, models.ask, **more).decide()


def winner(decision: Decision) -> str:
    return dict(entries(5))[decision.verdict.ranking[0].entry]


def charged(decision: Decision) -> int:
    return sum(call.answer.outcome not in FREE for call in decision.calls)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_each_of_n_ballots_is_asked_for_once_where_all_agree(n):
    models = Models()
    decision = decide(models, n)
    assert (decision.stage, decision.contested, winner(decision)) == ("first", False, TEXTS[0])
    assert models.asked == ["a"] * n
    assert sorted(decision.ballots) == list(range(n))
    assert decision.verdict.agreement == 1


def test_without_a_model_all_ballots_are_local():
    models = Models()
    decision = decide(models, names=())
    assert {cast.judge for cast in decision.ballots.values()} == {"local/2"}
    assert (len(decision.ballots), models.asked, decision.contested) == (5, [], False)
    assert winner(decision) == TEXTS[0]


@pytest.mark.parametrize(("names", "extra"), [(("a", "b"), "b"), (("a",), "a")])
def test_a_doubted_winner_brings_a_second_round(names, extra):
    lot = Random(4)
    models = Models(order=lambda _text: lot.random())
    decision = decide(models, names=names)
    assert decision.contested
    assert [decision.ballots[k].model for k in range(10)] == ["a"] * 5 + [extra] * 5
    assert charged(decision) == 10


def test_a_first_model_that_is_away_leaves_it_to_the_second():
    decision = decide(Models(outcome=lambda model: "failed" if model == "a" else "answered"))
    assert decision.stage == "second"
    assert {cast.model for cast in decision.ballots.values()} == {"b"}
    assert Counter(call.model for call in decision.calls) == {"a": 5 * TRIES, "b": 5}


def test_a_quorum_is_enough():
    answers = iter([*["answered"] * quorum(5), *["failed"] * 100])
    decision = decide(Models(outcome=lambda _model: next(answers)))
    assert (decision.stage, len(decision.ballots), decision.contested) == ("first", quorum(5), False)


def test_what_no_model_gets_done_is_filled_in_locally():
    answers = iter([*["answered"] * (quorum(5) - 1), *["failed"] * 100])
    decision = decide(Models(outcome=lambda _model: next(answers)))
    judges = Counter(cast.judge for cast in decision.ballots.values())
    assert (decision.stage, judges) == ("local", {"llm/1": quorum(5) - 1, "local/2": 5 - quorum(5) + 1})
    assert len(decision.verdict.ranking) == 5


def test_models_that_only_waste_calls_are_left_before_it_gets_dear():
    decision = decide(Models(outcome=lambda _model: "invalid"))
    assert decision.stage == "local"
    assert charged(decision) == 2 * 5


@given(st.integers(1, 5), st.integers(0, 2), st.integers(0), st.sampled_from([*OUTCOMES, None]))
def test_whatever_models_do_there_is_a_verdict_at_a_bounded_price(n, count, seed, mostly):
    def made() -> Decision:
        lot = Random(seed)
        outcomes = [*OUTCOMES, *[mostly or "answered"] * 6]
        models = Models(lambda _model: lot.choice(outcomes), lambda _text: lot.random())
        return decide(models, n, ("a", "b")[:count])

    decision = made()
    assert [ranked.rank for ranked in decision.verdict.ranking] == list(range(1, n + 1))
    assert {ranked.entry for ranked in decision.verdict.ranking} == {key for key, _ in entries(n)}
    assert quorum(n) <= len(decision.ballots) <= 2 * n
    assert charged(decision) <= 2 * n
    assert max(Counter((call.k, call.model) for call in decision.calls).values(), default=0) <= TRIES
    again = made()
    assert (again.verdict, again.stage, again.ballots) == (
        decision.verdict,
        decision.stage,
        decision.ballots,
    )


def test_a_pool_makes_no_difference():
    with ThreadPoolExecutor(5) as pool:
        together = decide(Models(), pool=pool)
    one_by_one = decide(Models())
    assert together.verdict == one_by_one.verdict
    assert together.ballots == one_by_one.ballots


def test_every_entry_stands_in_every_place_once():
    decision = decide(Models())
    seen = [list(cast.labels.values()) for cast in decision.ballots.values()]
    assert all(len({order[place] for order in seen}) == 5 for place in range(5))
