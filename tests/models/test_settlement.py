"""Closing, ballots, ranks and payment, where HTTP cannot see them."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from models import db, market, settlement
from models.grades import GRADES, Grade, Opinion, quorum
from models.market import Draft
from models.settlement import Assignment
from models.states import Status
from tests.models.stages import (
    PRICE,
    answer,
    cast,
    cast_all,
    close,
    drop_in,
    pay,
    rank,
    settled,
    sql,
)
from tests.support import balance, claim, drop, let_time_pass, people, person, status, submit, violations

pytestmark = pytest.mark.usefixtures("database")


def assign(job_id: UUID, k: int) -> Assignment | None:
    with db.transaction() as session:
        return settlement.assign(session, job_id, k)


def missing(job_id: UUID) -> list[int] | None:
    with db.transaction() as session:
        return settlement.ballots_missing(session, job_id)


def ranking(bodies: list[str], **draft: object) -> UUID:
    """A drop under judgement with these entries."""
    job_id = drop_in(Status.OPEN, **draft)
    for body in bodies:
        submit(person(), job_id, body)
    if status(job_id) is Status.OPEN:
        let_time_pass(job_id)
        close(job_id)
    return job_id


# Closing ---------------------------------------------------------------------------------------


def test_an_open_window_stays_open():
    job_id = drop_in(Status.OPEN)
    submit(person(), job_id)
    let_time_pass(job_id, 299)
    assert close(job_id) is Status.OPEN


def test_a_window_without_an_entry_gives_the_bounty_back():
    sender = person(PRICE)
    job_id = drop_in(Status.FAILED, sender)
    assert drop(job_id).failure_reason == "no_submissions"
    assert balance(sender) == PRICE
    assert violations() == []


def test_claims_that_ran_out_do_not_keep_a_window_from_failing():
    job_id = drop_in(Status.OPEN)
    claim(person(), job_id)
    let_time_pass(job_id)
    assert close(job_id) is Status.FAILED
    assert sql("SELECT state FROM claims") == [("expired",)]


# Ballots ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_every_entry_stands_once_in_every_place(n: int):
    job_id = ranking([f"entry {i}" for i in range(n)])
    orders = [[c.text for c in assign(job_id, k).brief.candidates] for k in missing(job_id)]
    assert len(orders) == n
    for place in range(n):
        assert len({order[place] for order in orders}) == n


def test_labels_differ_from_ballot_to_ballot_and_reveal_nothing():
    job_id = ranking([f"entry {i}" for i in range(5)])
    assignments = [assign(job_id, k) for k in range(5)]
    labels = [label for assignment in assignments for label in assignment.entries]
    assert len(set(labels)) > 20  # of 25; two may meet by chance, 1,024 are possible
    of_one = [next(c.label for c in a.brief.candidates if c.text == "entry 0") for a in assignments]
    assert len(set(of_one)) > 1
    assert all(len(label) == 2 and label.upper() == label for label in labels)


def test_a_ballot_shows_every_entry_and_knows_which_label_is_whose():
    job_id = ranking(["a", "b", "c"])
    bodies = dict(map(tuple, sql("SELECT id, body FROM submissions")))
    for k in range(3):
        given = assign(job_id, k)
        assert {c.label: c.text for c in given.brief.candidates} == {
            label: bodies[entry] for label, entry in given.entries.items()
        }
        assert set(given.entries.values()) == set(bodies)


def test_a_brief_names_neither_people_nor_money():
    brief = assign(ranking(["a", "b"], prompt="Sing."), 0).brief
    assert set(vars(brief)) == {"prompt", "pack", "candidates"}
    assert set(vars(brief.candidates[0])) == {"label", "text", "files"}


def test_the_same_ballot_is_asked_again_in_the_same_words():
    job_id = ranking(["a", "b", "c"])
    assert assign(job_id, 1) == assign(job_id, 1)
    assert len({assign(job_id, k).input_hash for k in range(3)}) == 3


def test_other_entries_make_another_order():
    orders = Counter()
    for _ in range(8):
        job_id = ranking(["a", "b", "c", "d"])
        orders[tuple(candidate.text for candidate in assign(job_id, 0).brief.candidates)] += 1
    assert len(orders) > 1


def test_a_redelivered_ballot_keeps_the_first_answer():
    job_id = ranking(["a", "b"])
    given = assign(job_id, 0)
    for judge, grade, kept in (("first", "A", True), ("second", "F", False)):
        with db.transaction() as session:
            assert settlement.record(session, job_id, 0, judge, given, answer(given, grade), 7) is kept
    assert sql("SELECT judge FROM ballots") == [("first",)]
    assert assign(job_id, 0) is None
    assert missing(job_id) == [1]


def test_a_ballot_that_comes_after_the_decision_is_not_kept():
    job_id = ranking(["a", "b", "c"])
    late = assign(job_id, 2)
    cast(job_id, 0)
    cast(job_id, 1)
    assert rank(job_id) is Status.COMPLETED
    with db.transaction() as session:
        assert settlement.record(session, job_id, 2, "late", late, answer(late), 7) is False
    assert sql("SELECT count(*) FROM ballots")[0].count == 2


@pytest.mark.parametrize("before", [s for s in Status if s is not Status.RANKING])
def test_nothing_is_judged_but_what_is_being_ranked(before: Status):
    job_id = drop_in(before)
    assert missing(job_id) is None
    assert assign(job_id, 0) is None


def test_there_is_no_ballot_beyond_the_number_of_entries():
    job_id = ranking(["a", "b"])
    assert assign(job_id, 2) is None
    assert assign(job_id, -1) is None
    assert missing(uuid4()) is None


def test_an_answer_that_forgets_an_entry_is_no_ballot():
    job_id = ranking(["a", "b"])
    given = assign(job_id, 0)
    partial = dict(list(answer(given).items())[:1])
    with pytest.raises(ValueError), db.transaction() as session:
        settlement.record(session, job_id, 0, "test", given, partial, 7)
    assert missing(job_id) == [0, 1]


# Ranking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_a_quorum_decides_and_less_does_not(n: int):
    job_id = ranking([f"entry {i}" for i in range(n)])
    for k in range(quorum(n) - 1):
        cast(job_id, k)
        assert rank(job_id) is Status.RANKING
    cast(job_id, n - 1)
    assert rank(job_id) is Status.COMPLETED


def test_ranks_grades_and_winner_stand_on_the_drop():
    job_id = ranking(["banana", "apple", "cherry"])
    cast_all(job_id, "A")
    assert rank(job_id) is Status.COMPLETED
    rows = sql("SELECT body, rank, grade, rationale FROM submissions ORDER BY rank")
    assert rows == [
        ("apple", 1, "A", "place 1"),
        ("banana", 2, "A", "place 2"),
        ("cherry", 3, "A", "place 3"),
    ]
    row = drop(job_id)
    assert (row.grade, row.grade_rationale, row.agreement) == ("A", "place 1", 1.0)
    winner = sql("SELECT body FROM submissions WHERE id = :id", id=row.winning_submission_id)
    assert winner == [("apple",)]


def test_equal_entries_are_ranked_by_who_came_first():
    job_id = ranking(["one", "two", "three"])
    for k in range(3):
        given = assign(job_id, k)
        tie = {label: Opinion(1, "C", "equal") for label in given.entries}
        with db.transaction() as session:
            settlement.record(session, job_id, k, "test", given, tie, 7)
    rank(job_id)
    assert sql("SELECT body FROM submissions ORDER BY rank") == [("one",), ("two",), ("three",)]
    assert len(set(sql("SELECT score FROM submissions"))) == 1


def test_a_decision_is_not_taken_twice():
    job_id = ranking(["a", "b", "c"])
    cast(job_id, 0)
    cast(job_id, 1)
    rank(job_id)
    before = sql("SELECT to_jsonb(s) FROM submissions s ORDER BY id")
    assert rank(job_id) is Status.COMPLETED
    assert sql("SELECT to_jsonb(s) FROM submissions s ORDER BY id") == before


@pytest.mark.parametrize(
    ("grade", "end"), [("A", Status.VERIFIED), ("B", Status.VERIFIED), ("C", Status.FAILED)]
)
def test_below_the_minimum_grade_the_bounty_goes_back(grade: Grade, end: Status):
    sender = person(PRICE)
    job_id = drop_in(Status.RANKING, sender, min_grade="B")
    assert settled(job_id, grade) is end
    if end is Status.FAILED:
        row = drop(job_id)
        assert (row.failure_reason, row.winning_submission_id, row.grade) == ("below_min_grade", None, None)
        assert balance(sender) == PRICE
        assert sql("SELECT rank, grade FROM submissions ORDER BY rank") == [(1, grade), (2, grade)]
    assert violations() == []


# Paying ----------------------------------------------------------------------------------------


def test_the_winner_gets_the_bounty_less_the_fee(settle):
    settle(platform_fee_bps=1234, platform_fee_flat_cents=5)
    sender, winner, second = person(PRICE), person(), person()
    job_id = drop_in(Status.OPEN, sender)
    submit(winner, job_id, "a")
    submit(second, job_id, "b")
    let_time_pass(job_id)
    close(job_id)
    assert settled(job_id) is Status.VERIFIED
    assert (balance(sender), balance(winner), balance(second)) == (0, PRICE - 17, 0)
    assert sql("SELECT balance_cents FROM audit_accounts WHERE kind = 'fees'") == [(17,)]
    assert violations() == []


def test_the_fee_agreed_at_creation_counts_not_the_one_of_today(settle):
    settle(platform_fee_bps=1000)
    job_id = drop_in(Status.RANKING)
    settle(platform_fee_bps=9000)
    settled(job_id)
    assert sql("SELECT kind, amount_cents FROM transfers WHERE kind IN ('payout', 'fee') ORDER BY kind") == [
        ("fee", 10),
        ("payout", 90),
    ]


@pytest.mark.parametrize(
    ("price", "bps", "flat", "fee"),
    [
        (50, 0, 0, 0),
        (100, 1000, 0, 10),
        (99, 1000, 0, 9),  # rounded down
        (99_999, 333, 7, 3336),
        (100_000, 10_000, 0, 99_999),  # a cent always stays for the winner
        (50, 0, 49, 49),
        (50, 0, 50, 49),
        (50, 5000, 1_000_000, 49),
        (50, 199, 0, 0),
    ],
)
def test_the_fee_of_the_estimate_is_the_fee_of_the_drop(settle, price: int, bps: int, flat: int, fee: int):
    settle(platform_fee_bps=bps, platform_fee_flat_cents=flat)
    draft = Draft(prompt="x", price_cents=price)
    assert market.price(draft).fee_cents == fee
    with db.transaction() as session:
        assert market.post(session, person(price).id, draft).drop.fee_cents == fee


def test_a_fee_of_everything_but_a_cent_still_pays_the_winner(settle):
    settle(platform_fee_bps=10_000)
    winner = person()
    job_id = drop_in(Status.OPEN)
    submit(winner, job_id)
    let_time_pass(job_id)
    close(job_id)
    assert settled(job_id) is Status.VERIFIED
    assert balance(winner) == 1
    assert violations() == []


def test_paying_comes_after_deciding():
    job_id = ranking(["a"])
    assert pay(job_id) is Status.RANKING
    assert violations() == []


def test_grades_go_from_best_to_worst():
    assert GRADES == ("S", "A", "B", "C", "D", "F")


def test_a_beat_of_a_queue_replaces_the_one_before():
    for _ in people(2):
        with db.transaction() as session:
            settlement.beat(session, "money")
    assert sql("SELECT count(*) FROM heartbeats")[0].count == 1
