"""The rules of a panel as properties: whatever models do, and however many are asked at once."""

from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from models.grades import Brief, Opinion, aggregate, quorum
from models.panel import CONTESTED_BELOW, FREE, OUTCOMES, ROUNDS, TRIES, Answer, Outcome
from workers.judge.panelist import Ask, Decision, Panel

POOL = ThreadPoolExecutor(4)


def texts(number: int) -> list[tuple[UUID, str]]:
    return [(UUID(int=place), f"Rhine, Danube and {place} others.") for place in range(number)]


def decide(ask: Ask, models: tuple[str, ...], entries: int, pool: Executor | None = POOL) -> Decision:
    return Panel("list", "Name rivers.", "wild", texts(entries), models, ask, pool).decide()


def asked(made: Decision) -> Counter[tuple[str, int]]:
    """How often each model was asked for each ballot."""
    return Counter((call.model, call.k) for call in made.calls)


def unsteady(seed: int, outcomes: list[Outcome], whim: float) -> Ask:
    """A model whose calls end somehow, the same each time; with a share of whim in its rankings."""

    def ask(brief: Brief, model: str, nonce: str, tried: int) -> Answer:
        chance = Random(f"{seed}:{model}:{brief.digest()}:{tried}")
        ended = chance.choice(outcomes)
        if ended != "answered":
            return Answer(ended)
        ranking = [each.label for each in sorted(brief.candidates, key=lambda each: each.text)]
        if chance.random() < whim:
            chance.shuffle(ranking)
        return Answer(ended, {label: Opinion(1 + at, "C", "") for at, label in enumerate(ranking)})

    return ask


asks = st.builds(
    unsteady,
    st.integers(0, 10**6),
    st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8),
    st.sampled_from([0.0, 0.5, 1.0]),
)
panels = st.sampled_from([(), ("one",), ("one", "two")])


@given(asks, panels, st.integers(1, 7))
@settings(deadline=None, max_examples=300)
def test_the_rules_hold(ask, models, entries):
    made = decide(ask, models, entries)
    by_models = [ballot for ballot in made.ballots.values() if ballot.model]

    charged = sum(call.answer.outcome not in FREE for call in made.calls)
    assert charged <= ROUNDS * entries
    assert all(tries <= TRIES for tries in asked(made).values())
    assert len(made.ballots) >= quorum(entries)
    assert {*made.ballots} == {ballot.k for ballot in made.ballots.values()}
    assert all(ballot.k < ROUNDS * entries for ballot in made.ballots.values())

    # Each ballot is the one call that answered, by the same model.
    answered = {(call.k, call.model) for call in made.calls if call.answer.outcome == "answered"}
    assert {(ballot.k, ballot.model) for ballot in by_models} == answered

    # The verdict is what the ballots give, and speaks of everybody.
    keys = [key for key, _ in texts(entries)]
    assert made.verdict == aggregate([made.ballots[k].opinions for k in sorted(made.ballots)], keys)
    assert {ranked.entry for ranked in made.verdict.ranking} == {*keys}

    # The local judge fills in where models left too few, and then everything; nobody else does.
    locally = len(by_models) < quorum(entries)
    assert (made.stage == "local") == (locally and bool(models))
    if locally:
        assert sorted(made.ballots) == [*range(entries)]
    else:
        assert by_models == [*made.ballots.values()]

    # The second model is asked where the panel disagrees, or got too little done.
    if models and made.stage == "first":
        assert entries == 1 or made.verdict.agreement >= CONTESTED_BELOW or charged == ROUNDS * entries
        assert all(call.model == models[0] for call in made.calls)
    if made.contested:
        first = [ballot.opinions for k, ballot in sorted(made.ballots.items()) if k < entries]
        assert len(first) >= quorum(entries)
        # With a second model the first one may have had calls left for what it still owed of its round.
        assert len(models) > 1 or aggregate(first, keys).agreement < CONTESTED_BELOW
        assert all(call.model == models[-1] for call in made.calls if call.k >= entries)
    else:
        assert all(call.k < entries for call in made.calls)


@given(asks, panels, st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_the_same_list_is_judged_the_same_however_many_are_asked_at_once(ask, models, entries):
    assert decide(ask, models, entries, pool=None) == decide(ask, models, entries)
