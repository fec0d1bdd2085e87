"""How often a panel is right where one call often is not, and that nobody talks their way to a win.

The lists are invented; those of the environment variable `CLORP_TEST_JUDGE_DATA` are judged as well. Chance
has a seed, so each number is the same in every run; `python -m tests.judges.accuracy` tells all of them.
"""

from collections import Counter
from functools import lru_cache
from typing import Any

import pytest

from tests.judges import lists
from tests.judges.accuracy import attacks, drop, entries, judged_by, measure
from tests.judges.script import Script
from workers.judge import prompt

SAMPLE = 60  # lists: a few seconds
CHI_SQUARE = 13.28  # of four degrees of freedom: one in a hundred fair voters is beyond


@lru_cache
def sample(name: str) -> list[dict[str, Any]]:
    """Some of the lists, all over them."""
    rated = lists.invented(SAMPLE) if name == "invented" else lists.rated(name)
    if not rated:
        pytest.skip(f"no {name} here: {lists.FOLDER} says where")
    return rated[:: max(1, len(rated) // SAMPLE)]


both = pytest.mark.parametrize("name", ["invented", "captions"])


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("name", ["invented", "captions", "answers"])
def test_who_sees_clearly_is_always_right_and_asked_once_for_each_entry(name, dialect):
    measured = measure(sample(name), Script(), dialect)
    assert measured.panel == 1.0
    if name != "answers":  # where two are the best, and equal, ballots disagree on which
        assert (measured.most_calls, measured.contested) == (1.0, 0.0)


@both
def test_noise_is_averaged_out(name):
    measured = measure(sample(name), Script(noise=1))
    assert measured.single < 0.85
    assert measured.panel >= 0.92
    assert measured.calls < 1.2


@both
def test_a_liking_for_the_first_place_and_a_loose_tongue_are_borne(name):
    measured = measure(sample(name), Script(noise=1, bias=3, malformed=0.2))
    assert measured.single < 0.7
    assert measured.panel >= 0.83
    assert measured.most_calls <= 2


@both
def test_without_noise_a_liking_for_the_first_place_decides_nothing(name):
    measured = measure(sample(name), Script(bias=3))
    assert measured.panel >= 0.92
    assert measured.single < 0.8


def test_to_a_judge_who_goes_by_place_all_entries_are_equal_and_it_is_found_out():
    rated = lists.invented(20)
    with judged_by(rated, Script(mood="first")):
        for list_ in rated:
            done, keys = drop(list_), [key for key, _ in entries(list_)]
            firsts = Counter(
                key for b in done.ballots.values() for key in b.opinions if b.opinions[key].place == 1
            )
            assert firsts == dict.fromkeys(keys, 2)
            assert (done.stage, len(done.calls), done.verdict.agreement) == ("contested", 10, 0.2)
            assert {ranked.score for ranked in done.verdict.ranking} == {0.5}
            assert [ranked.entry for ranked in done.verdict.ranking] == keys  # who came first, then


def test_no_entry_gains_from_a_judge_who_puts_the_first_place_first_and_guesses_the_rest():
    rated, wins = lists.invented(SAMPLE, seed=2), Counter[int]()
    with judged_by(rated, Script(mood="opener")):
        for list_ in rated:
            done = drop(list_)
            assert (done.stage, len(done.calls)) == ("contested", 2 * lists.ENTRIES)
            wins[[key for key, _ in entries(list_)].index(done.verdict.ranking[0].entry)] += 1
    fair = len(rated) / lists.ENTRIES
    assert sum((wins[place] - fair) ** 2 / fair for place in range(lists.ENTRIES)) < CHI_SQUARE, wins


@pytest.mark.parametrize("number", [1, 2, 3, 8])
@pytest.mark.parametrize("script", [
    {}, {"noise": 2}, {"noise": 2, "malformed": 0.5}, {"malformed": 1.0}, {"refused": 0.4, "bias": 3},
    {"mood": "first"}, {"limited": 0.3}, {"broken": 0.3, "malformed": 0.3},
], ids=str)  # fmt: skip
def test_however_many_compete_a_drop_ends_and_is_charged_for_two_calls_an_entry_at_most(number, script):
    rated = lists.invented(4, number)
    with judged_by(rated, Script(**script)) as judge:
        decided = [drop(list_) for list_ in rated]
    for done in decided:
        assert [ranked.rank for ranked in done.verdict.ranking] == list(range(1, number + 1))
        assert sum(call.answer.charged for call in done.calls) <= 2 * number
    assert judge.stats.statuses[200] <= 2 * number * len(rated)
    assert judge.stats.most_flying == 1
    if not script:
        assert judge.stats.statuses == {200: number * len(rated)}


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("injections", ["our own", "injections"])
def test_no_word_of_an_entry_leaves_the_fence_to_be_obeyed(injections, dialect):
    tried = lists.INJECTIONS if injections == "our own" else sample(injections)
    for name in ("invented", "captions"):
        rated = lists.rated(name) or lists.invented(SAMPLE)
        assert attacks(rated[: len(tried)], tried, Script(mood="credulous"), dialect) == []


def test_even_who_obeys_what_stands_inside_hears_nothing_of_known_orders():
    tried = sample("injections")
    assert attacks(lists.invented(len(tried)), tried, Script(mood="gullible")) == []


def test_where_a_foreign_line_end_gets_in_the_same_orders_are_obeyed(monkeypatch):
    """Or the tests above would prove nothing."""
    own = [attempt for attempt in lists.INJECTIONS if {"\u2028", "\x85"} & set(attempt["text"])]
    monkeypatch.setattr(prompt, "_seen", lambda text: text)
    monkeypatch.setattr(prompt, "without_judge_talk", lambda text, task: text)
    prompt.entry.cache_clear()
    try:
        assert len(attacks(lists.invented(len(own)), own, Script(mood="credulous"))) == len(own) > 1
    finally:
        prompt.entry.cache_clear()
