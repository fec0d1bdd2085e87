"""Every entry stands once in every place of a round, and nobody can know where."""

from hypothesis import given
from hypothesis import strategies as st

from models.dealing import deal, name, seed

ENTRIES = st.lists(st.text(max_size=20), min_size=1, max_size=7).map(lambda texts: list(enumerate(texts)))


def dealt(entries, k: int) -> list[int]:
    return list(deal(seed("drop", entries), k, "prompt", "wild", entries)[1].values())


@given(ENTRIES)
def test_each_round_shows_every_entry_once_in_every_place(entries):
    n = len(entries)
    for first in (0, n):
        orders = [dealt(entries, first + k) for k in range(n)]
        assert all({order[place] for order in orders} == set(range(n)) for place in range(n))


@given(ENTRIES)
def test_over_two_rounds_every_entry_stands_before_every_other_one_half_the_time(entries):
    n = len(entries)
    orders = [dealt(entries, k) for k in range(2 * n)]
    for one in range(n):
        for other in set(range(n)) - {one}:
            assert sum(order.index(one) < order.index(other) for order in orders) == n


@given(ENTRIES)
def test_already_in_one_round_nobody_is_far_from_that(entries):
    n = len(entries)
    orders = [dealt(entries, k) for k in range(n)]
    for one in range(n):
        for other in set(range(n)) - {one}:
            assert abs(2 * sum(order.index(one) < order.index(other) for order in orders) - n) <= n // 2 + 1


@given(ENTRIES.filter(lambda entries: len(entries) > 2))
def test_the_second_round_shows_other_neighbours(entries):
    n = len(entries)
    assert not {tuple(dealt(entries, k)) for k in range(n)} & {tuple(dealt(entries, n + k)) for k in range(n)}


@given(ENTRIES)
def test_the_same_entries_are_dealt_the_same(entries):
    assert deal(seed("x", entries), 1, "p", "wild", entries) == deal(
        seed("x", entries), 1, "p", "wild", entries
    )


def test_labels_differ_from_ballot_to_ballot_and_say_nothing():
    entries = [(number, f"entry {number}") for number in range(5)]
    shown = [deal(seed("x", entries), k, "p", "wild", entries) for k in range(10)]
    assert len({tuple(labels) for _, labels in shown}) == 10
    for brief, labels in shown:
        assert [candidate.label for candidate in brief.candidates] == list(labels)
        assert all(len(label) == 2 for label in labels)


def test_labels_do_not_derive_from_ids_and_texts_alone():
    entries = [(number, f"entry {number}") for number in range(5)]
    one, other, none = (
        deal(seed(name("drop", secret), entries), 0, "p", "wild", entries)[1] for secret in ("a", "b", None)
    )
    assert len({tuple(one), tuple(other), tuple(none)}) == 3
    assert none == deal(seed("drop", entries), 0, "p", "wild", entries)[1], "as before there were secrets"
