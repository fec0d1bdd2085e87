"""From ballots to one verdict: what holds for every set of ballots, and a few by hand."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.grades import GRADES, Grade, Opinion, aggregate, meets, quorum

Ballots = list[dict[UUID, Opinion]]


def opinion(place: int, grade: Grade = "B", rationale: str = "because") -> Opinion:
    return Opinion(place, grade, rationale)


@st.composite
def elections(draw: st.DrawFn) -> tuple[Ballots, list[UUID]]:
    """Ballots with ties and any grades on one to seven entries, and the order these came in."""
    arrival = draw(st.lists(st.uuids(), min_size=1, max_size=7, unique=True))
    opinions = st.builds(Opinion, st.integers(1, len(arrival)), st.sampled_from(GRADES), st.text(max_size=3))
    ballot = st.fixed_dictionaries(dict.fromkeys(arrival, opinions))
    return draw(st.lists(ballot, min_size=1, max_size=5)), arrival


@given(elections(), st.randoms(use_true_random=False))
def test_the_order_of_the_ballots_makes_no_difference(election, random):
    ballots, arrival = election
    shuffled = random.sample(ballots, len(ballots))
    before, after = aggregate(ballots, arrival), aggregate(shuffled, arrival)
    told = [(r.entry, r.rank, r.grade, r.score) for r in before.ranking]
    assert [(r.entry, r.rank, r.grade, r.score) for r in after.ranking] == told
    assert after.agreement == before.agreement


@given(elections())
def test_every_entry_has_one_rank_and_no_rank_is_shared(election):
    ballots, arrival = election
    ranking = aggregate(ballots, arrival).ranking
    assert [ranked.rank for ranked in ranking] == list(range(1, len(arrival) + 1))
    assert {ranked.entry for ranked in ranking} == set(arrival)


@given(elections())
def test_a_better_rank_never_has_a_worse_grade_nor_a_lower_score(election):
    ranking = aggregate(*election).ranking
    marks = [GRADES.index(ranked.grade) for ranked in ranking]
    assert marks == sorted(marks)
    scores = [ranked.score for ranked in ranking]
    assert scores == sorted(scores, reverse=True)


@given(elections())
def test_shares_are_between_nothing_and_all(election):
    verdict = aggregate(*election)
    assert 0 <= verdict.agreement <= 1
    assert all(0 <= ranked.score <= 1 for ranked in verdict.ranking)


@given(elections())
def test_no_grade_is_better_or_worse_than_every_ballot_says(election):
    ballots, arrival = election
    given_marks = [GRADES.index(said.grade) for ballot in ballots for said in ballot.values()]
    for ranked in aggregate(ballots, arrival).ranking:
        assert min(given_marks) <= GRADES.index(ranked.grade) <= max(given_marks)


@given(elections())
def test_every_rationale_is_one_that_a_ballot_gave_to_that_entry(election):
    ballots, arrival = election
    for ranked in aggregate(ballots, arrival).ranking:
        assert ranked.rationale in [ballot[ranked.entry].rationale for ballot in ballots]


@given(st.lists(st.uuids(), min_size=1, max_size=7, unique=True), st.integers(1, 5), st.sampled_from(GRADES))
def test_what_nothing_tells_apart_is_ranked_by_who_came_first(arrival, count, grade):
    ballots = [dict.fromkeys(arrival, opinion(1, grade))] * count
    verdict = aggregate(ballots, arrival)
    assert [ranked.entry for ranked in verdict.ranking] == arrival
    assert {ranked.grade for ranked in verdict.ranking} == {grade}
    assert verdict.agreement == 1


@given(elections())
def test_ballots_that_agree_have_their_way(election):
    ballots, arrival = election
    unanimous = [ballots[0]] * 3
    ranking = aggregate(unanimous, arrival).ranking
    places = [ballots[0][ranked.entry].place for ranked in ranking]
    assert places == sorted(places)


@given(elections())
def test_who_is_first_on_every_ballot_wins_with_full_agreement(election):
    ballots, arrival = election
    winner = arrival[-1]
    below = [
        {entry: Opinion(said.place + 1, said.grade, said.rationale) for entry, said in ballot.items()}
        | {winner: opinion(1, "D")}
        for ballot in ballots
    ]
    verdict = aggregate(below, arrival)
    assert verdict.ranking[0].entry == winner
    assert verdict.agreement == 1
    if len(arrival) > 1:
        assert verdict.ranking[0].score == 1


# By hand ---------------------------------------------------------------------------------------

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def verdict(*ballots: str, grades: dict[UUID, Grade] | None = None) -> list[tuple[UUID, Grade]]:
    """Ballots such as `bac`: b first, then a, then c; the entries came in as a, b, c."""
    names = {"a": A, "b": B, "c": C}
    marks = grades or {}
    cast: Ballots = [
        {names[n]: opinion(place, marks.get(names[n], "B")) for place, n in enumerate(ballot, start=1)}
        for ballot in ballots
    ]
    arrival = [names[n] for n in sorted(ballots[0])]
    return [(ranked.entry, ranked.grade) for ranked in aggregate(cast, arrival).ranking]


def test_most_duels_won_is_first():
    assert [entry for entry, _ in verdict("bac", "bca", "abc")] == [B, A, C]


def test_equal_points_go_to_the_better_grades():
    assert [entry for entry, _ in verdict("ab", "ba", grades={A: "C", B: "A"})] == [B, A]


def test_equal_points_and_grades_go_to_who_came_first():
    assert [entry for entry, _ in verdict("ba", "ab")] == [A, B]


def test_a_winner_with_the_worse_grade_shares_the_mean_with_the_one_below():
    assert verdict("ab", "ab", grades={A: "F", B: "B"}) == [(A, "D"), (B, "D")]


def test_a_lone_entry_wins_whatever_it_is_worth():
    assert verdict("a", grades={A: "F"}) == [(A, "F")]


def test_agreement_is_the_share_of_ballots_that_put_the_winner_first():
    cast = [{A: opinion(1), B: opinion(2)}] * 2 + [{A: opinion(2), B: opinion(1)}]
    assert aggregate(cast, [A, B]).agreement == pytest.approx(2 / 3)


@pytest.mark.parametrize(("entries", "enough"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (50, 26)])
def test_more_than_half_of_the_ballots_decide(entries: int, enough: int):
    assert quorum(entries) == enough
    assert entries / 2 < enough <= entries


@pytest.mark.parametrize(
    ("grade", "minimum", "enough"),
    [("S", "A", True), ("A", "A", True), ("B", "A", False), ("F", "F", True), ("F", "D", False)],
)
def test_a_grade_meets_a_minimum_that_is_no_better(grade: Grade, minimum: Grade, enough: bool):
    assert meets(grade, minimum) is enough
