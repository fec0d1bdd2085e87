"""Models within the life of a drop: who is asked, how often, what it may cost, and that it always ends."""

from collections import Counter
from uuid import UUID

import pytest

from models import calls, db, panel, settlement
from models.grades import Opinion
from models.panel import Answer, Outcome
from models.settings import settings
from models.settlement import Assignment
from models.states import Status
from tests.models.stages import answer, close, drop_in, pay, rank, sql
from tests.support import at_once, bring, let_time_pass, person, status, submit

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _asks(settle):
    settle(judge="llm", llm_model="first")


@pytest.fixture
def second(settle):
    settle(judge="llm", llm_model="first", llm_fallback_model="second")


def ranking(*bodies: str) -> UUID:
    job_id = drop_in(Status.OPEN, max_claims=10)
    for body in bodies:
        submit(person(), job_id, body)
    let_time_pass(job_id)
    assert close(job_id) is Status.RANKING
    return job_id


def assign(job_id: UUID, k: int) -> Assignment | None:
    with db.transaction() as session:
        return settlement.assign(session, job_id, k)


def ask(
    job_id: UUID, k: int, outcome: Outcome = "answered", order: str = "alphabet", **told: int
) -> str | None:
    """One call for a ballot; who was asked, None where nobody was."""
    given = assign(job_id, k)
    if given is None:
        return None
    if given.call is None:
        with db.transaction() as session:
            settlement.record(session, job_id, k, "local/2", given, answer(given), 7)
        return "local"
    opinions = answer(given) if order == "alphabet" else by_place(given)
    heard = Answer(outcome, opinions if outcome == "answered" else {}, raw="{}", **told)
    with db.transaction() as session:
        settlement.answered(session, job_id, k, "llm/1", given, heard)
    return given.call.model


def by_place(given: Assignment) -> dict[str, Opinion]:
    """What one says who likes whatever comes first."""
    labels = [candidate.label for candidate in given.brief.candidates]
    return {label: Opinion(place, "B", "flaw") for place, label in enumerate(labels, start=1)}


def exhaust(job_id: UUID, k: int, outcome: Outcome = "invalid") -> Counter[str | None]:
    """Ask for a ballot until nobody is asked any more."""
    asked: Counter[str | None] = Counter()
    while who := ask(job_id, k, outcome):
        asked[who] += 1
        assert asked.total() < 50
    return asked


def panel_of(job_id: UUID) -> tuple[str, bool]:
    """The stage of a drop, and whether the next sweep takes it."""
    row = sql("SELECT panel, due_at <= clock_timestamp() FROM jobs WHERE id = :id", id=job_id)[0]
    return tuple(row)


def test_n_entries_take_n_calls_and_are_decided():
    job_id = ranking("a", "b", "c")
    assert [ask(job_id, k) for k in range(3)] == ["first"] * 3
    assert rank(job_id) is Status.COMPLETED
    assert pay(job_id) is Status.VERIFIED
    assert sql("SELECT count(*) FROM calls")[0].count == 3
    kept = sql("SELECT b.judge, c.model, c.outcome FROM ballots b JOIN calls c ON c.id = b.call_id")
    assert set(map(tuple, kept)) == {("llm/1", "first", "answered")}


def test_a_call_that_is_running_is_not_made_twice():
    job_id = ranking("a", "b")
    assert assign(job_id, 0).call
    assert assign(job_id, 0) is None
    assert rank(job_id) is Status.RANKING


def test_fifty_that_want_to_make_a_call_make_one():
    job_id = ranking("a", "b")
    given = at_once([lambda: assign(job_id, 0)] * 50)
    assert sum(isinstance(one, Assignment) for one in given) == 1
    assert sql("SELECT count(*) FROM calls")[0].count == 1


def test_a_call_whose_process_died_is_made_anew_after_its_time():
    job_id = ranking("a", "b")
    assign(job_id, 0)
    sql("UPDATE calls SET begun_at = begun_at - CAST(:age AS interval)", age=str(calls.lease()))
    assert assign(job_id, 0).call
    assert sql("SELECT count(*) FROM calls")[0].count == 2


def test_a_late_answer_to_a_call_that_was_given_up_is_a_ballot_all_the_same():
    job_id = ranking("a", "b")
    given = assign(job_id, 0)
    sql("UPDATE calls SET begun_at = begun_at - CAST(:age AS interval)", age=str(calls.lease()))
    with db.transaction() as session:
        assert settlement.answered(session, job_id, 0, "llm/1", given, Answer("answered", answer(given)))
    assert assign(job_id, 0) is None


def test_how_a_call_ended_is_kept_once():
    job_id = ranking("a", "b")
    given = assign(job_id, 0)
    for outcome, kept in (("answered", True), ("answered", False), ("failed", False)):
        with db.transaction() as session:
            heard = Answer(outcome, answer(given), input_tokens=5)
            assert settlement.answered(session, job_id, 0, "llm/1", given, heard) is kept
    assert sql("SELECT outcome, input_tokens FROM calls") == [("answered", 5)]


@pytest.mark.parametrize("outcome", [outcome for outcome in panel.OUTCOMES if outcome != "answered"])
def test_a_model_is_tried_three_times_for_a_ballot(outcome: Outcome):
    job_id = ranking("a", "b", "c")
    assert exhaust(job_id, 0, outcome) == {"first": panel.TRIES}
    assert sql("SELECT DISTINCT outcome FROM calls") == [(outcome,)]


def test_a_quorum_decides_where_the_rest_brings_no_ballot():
    job_id = ranking("a", "b", "c")
    ask(job_id, 0), ask(job_id, 1)
    exhaust(job_id, 2)
    assert rank(job_id) is Status.COMPLETED


def test_a_ballot_that_can_still_be_had_is_waited_for():
    job_id = ranking("a", "b", "c")
    ask(job_id, 0), ask(job_id, 1)
    ask(job_id, 2, "invalid")
    assert rank(job_id) is Status.RANKING
    assert ask(job_id, 2) == "first"
    assert rank(job_id) is Status.COMPLETED


def test_no_drop_is_charged_for_more_than_two_calls_an_entry():
    job_id = ranking("a", "b", "c")
    asked = sum((exhaust(job_id, k, "invalid") for k in range(3)), Counter())
    assert asked == {"first": 2 * 3}


def test_calls_that_nobody_answered_are_not_charged():
    job_id = ranking("a", "b", "c")
    asked = sum((exhaust(job_id, k, "limited") for k in range(3)), Counter())
    assert asked == {"first": 3 * panel.TRIES}
    assert sql("SELECT sum(microcents) FROM calls") == [(0,)]


def test_without_a_quorum_the_local_judge_fills_in():
    job_id = ranking("a", "b", "c")
    ask(job_id, 0)
    for k in (1, 2):
        exhaust(job_id, k, "failed")
    assert rank(job_id) is Status.RANKING
    assert panel_of(job_id) == ("local", True)
    assert [ask(job_id, k) for k in range(3)] == [None, "local", "local"]
    assert rank(job_id) is Status.COMPLETED
    assert sorted(row.judge for row in sql("SELECT judge FROM ballots")) == ["llm/1", "local/2", "local/2"]


def test_the_second_model_comes_before_the_local_judge(second):
    job_id = ranking("a", "b", "c")
    for k in range(3):
        exhaust(job_id, k, "failed")
    assert rank(job_id) is Status.RANKING
    assert panel_of(job_id) == ("second", True)
    assert [ask(job_id, k) for k in range(3)] == ["second"] * 3
    assert rank(job_id) is Status.COMPLETED


def test_a_first_model_that_talks_nonsense_leaves_the_second_one_its_calls(second):
    job_id = ranking("a", "b", "c")
    asked = sum((exhaust(job_id, k, "invalid") for k in range(3)), Counter())
    assert asked == {"first": 2 * 3 - 2}
    assert rank(job_id) is Status.RANKING
    assert panel_of(job_id) == ("second", True)
    assert [ask(job_id, k) for k in range(3)] == ["second", "second", None]
    assert rank(job_id) is Status.COMPLETED
    assert {row.judge for row in sql("SELECT judge FROM ballots")} == {"llm/1"}


def test_where_both_models_fail_the_local_judge_decides(second):
    job_id = ranking("a", "b")
    for stage in ("second", "local"):
        for k in range(2):
            exhaust(job_id, k, "failed")
        assert rank(job_id) is Status.RANKING
        assert panel_of(job_id) == (stage, True)
    assert [ask(job_id, k) for k in range(2)] == ["local", "local"]
    assert rank(job_id) is Status.COMPLETED


def test_a_contested_drop_is_asked_about_once_more_in_other_orders():
    job_id = ranking("a", "b", "c", "d", "e")
    seen = [tuple(c.text for c in assign_and_answer(job_id, k)) for k in range(5)]
    assert rank(job_id) is Status.RANKING
    assert panel_of(job_id) == ("contested", True)
    seen += [tuple(c.text for c in assign_and_answer(job_id, k)) for k in range(5, 10)]
    assert len(set(seen)) == 10
    assert all({order[place] for order in seen[5:]} == set("abcde") for place in range(5))
    assert assign(job_id, 10) is None
    assert rank(job_id) is Status.COMPLETED
    assert sql("SELECT agreement FROM jobs WHERE id = :id", id=job_id) == [(0.2,)]
    assert sql("SELECT count(*) FROM calls")[0].count == 10


def assign_and_answer(job_id: UUID, k: int):
    """What was shown to a model that likes whatever comes first."""
    given = assign(job_id, k)
    with db.transaction() as session:
        settlement.answered(session, job_id, k, "llm/1", given, Answer("answered", by_place(given)))
    return given.brief.candidates


def test_the_second_model_looks_at_what_is_contested(second):
    job_id = ranking("a", "b", "c")
    assert [ask(job_id, k, order="place") for k in range(3)] == ["first"] * 3
    rank(job_id)
    assert [ask(job_id, k) for k in range(3, 6)] == ["second"] * 3
    assert rank(job_id) is Status.COMPLETED


def test_a_contested_drop_is_decided_by_what_it_has_where_the_second_round_fails():
    job_id = ranking("a", "b", "c")
    for k in range(3):
        ask(job_id, k, order="place")
    rank(job_id)
    for k in range(3, 6):
        exhaust(job_id, k, "failed")
    assert rank(job_id) is Status.COMPLETED
    assert sql("SELECT count(*) FROM ballots")[0].count == 3


def test_a_second_rank_does_not_end_the_second_round():
    job_id = ranking("a", "b", "c")
    for k in range(3):
        ask(job_id, k, order="place")
    assert [rank(job_id), rank(job_id)] == [Status.RANKING] * 2


def test_one_entry_is_never_contested():
    job_id = ranking("a")
    assert ask(job_id, 0) == "first"
    assert rank(job_id) is Status.COMPLETED


@pytest.mark.parametrize("cap", ["CLORP_LLM_CENTS_PER_DROP_MAX", "CLORP_LLM_CENTS_PER_DAY_MAX"])
def test_at_its_cap_the_local_judge_decides(settle, monkeypatch, cap: str):
    monkeypatch.setenv(cap, "1200")
    settle(judge="llm", llm_model="first", llm_output_cents_per_million=1_000_000)
    job_id = ranking("a", "b", "c")
    # A call is estimated at 660 tokens of a cent each, and this one takes 600.
    assert ask(job_id, 0, output_tokens=600) == "first"
    assert ask(job_id, 1) is None
    assert rank(job_id) is Status.RANKING
    assert panel_of(job_id) == ("local", True)
    assert [ask(job_id, k) for k in (1, 2)] == ["local", "local"]
    assert rank(job_id) is Status.COMPLETED
    assert sql("SELECT sum(microcents) FROM calls") == [(600_000_000,)]


# A cap of 16,000 tokens: three entries that are cut at 8,000 characters, and the task, are 10,000 in English.
LONG = {"English": "rain " * 2_000, "Chinese": "雨" * 9_000, "escapes": '\\"' * 4_000}


@pytest.mark.parametrize(("script", "asked"), [("English", "first"), ("Chinese", None), ("escapes", None)])
def test_a_cap_holds_in_any_script(settle, script, asked):
    settle(llm_input_cents_per_million=1_000_000, llm_cents_per_drop_max=16_000)
    job_id = ranking(*[LONG[script]] * 3)
    assert ask(job_id, 0, input_tokens=10_000) == asked
    if not asked:
        assert rank(job_id) is Status.RANKING
        assert panel_of(job_id) == ("local", True)


def test_a_cap_counts_what_hangs_on_entries(settle):
    settle(llm_input_cents_per_million=1_000_000, llm_cents_per_drop_max=16_000)
    job_id = drop_in(Status.OPEN, max_claims=10)
    for number in range(3):
        who = person()
        files = [bring(who), bring(who)] if number else []
        submit(who, job_id, "see file", attachments=files)
    let_time_pass(job_id)
    close(job_id)
    assert assign(job_id, 0) is None
    settle(llm_cents_per_drop_max=18_000)
    assert assign(job_id, 0).call
    assert 17_000 < sql("SELECT microcents / 1e6 AS cents FROM calls")[0].cents < 18_000


def test_files_of_the_drop_itself_are_not_read_by_judges(settle):
    settle(llm_input_cents_per_million=1_000_000, llm_cents_per_drop_max=2_000)
    sender = person(1000)
    job_id = drop_in(Status.OPEN, sender, attachments=[bring(sender)])
    submit(person(), job_id, "a")
    let_time_pass(job_id)
    close(job_id)
    assert assign(job_id, 0).call


def test_the_cap_of_a_day_is_kept_by_fifty_at_once(settle):
    settle(judge="llm", llm_model="first", llm_output_cents_per_million=1_000_000, llm_cents_per_day_max=2000)
    drops = [ranking("a", "b", "c") for _ in range(5)]
    begun = at_once([lambda j=j, k=k: assign(j, k) for j in drops for k in range(3)] * 3)
    assert sum(isinstance(one, Assignment) and one.call is not None for one in begun) == 3


def test_yesterdays_calls_are_not_counted_today(settle):
    settle(judge="llm", llm_model="first", llm_output_cents_per_million=1_000_000, llm_cents_per_day_max=1000)
    job_id = ranking("a", "b", "c")
    assert ask(job_id, 0) == "first"
    assert ask(job_id, 1) is None
    sql("UPDATE calls SET begun_at = begun_at - interval '1 day', ended_at = ended_at - interval '1 day'")
    assert ask(job_id, 1) == "first"


def hand_out(job_id: UUID) -> list[int] | None:
    with db.transaction() as session:
        return settlement.hand_out(session, job_id)


def handed_out(job_id: UUID, attempts: int) -> None:
    sql("UPDATE jobs SET attempts = :attempts WHERE id = :id", attempts=attempts, id=job_id)


def test_a_drop_that_was_handed_out_too_often_is_the_local_judges_and_says_so():
    job_id = ranking("a", "b", "c")
    ask(job_id, 0)
    handed_out(job_id, panel.PATIENCE)
    assert hand_out(job_id) == [1, 2]
    assert panel_of(job_id)[0] == "local"
    assert [ask(job_id, k) for k in (1, 2)] == ["local", "local"]
    assert rank(job_id) is Status.COMPLETED


def test_what_a_model_is_still_asked_is_waited_for_first():
    job_id = ranking("a", "b", "c")
    ask(job_id, 0)
    assign(job_id, 1)
    handed_out(job_id, panel.PATIENCE)
    hand_out(job_id)
    assert panel_of(job_id)[0] == "first"
    assert rank(job_id) is Status.RANKING
    sql("UPDATE calls SET begun_at = begun_at - CAST(:age AS interval)", age=str(calls.lease()))
    hand_out(job_id)
    assert panel_of(job_id)[0] == "local"


def test_a_drop_that_only_waits_for_its_turn_is_not_taken_from_the_models():
    job_id = ranking("a", "b", "c")
    handed_out(job_id, panel.PATIENCE)
    hand_out(job_id)
    assert ask(job_id, 0) == "first"


def test_nor_does_it_wait_for_ever():
    job_id = ranking("a", "b", "c")
    handed_out(job_id, panel.PATIENCE_UNASKED)
    hand_out(job_id)
    assert [ask(job_id, k) for k in range(3)] == ["local"] * 3
    assert rank(job_id) is Status.COMPLETED


def test_models_have_their_time_before_the_sweep_comes_again():
    job_id = ranking("a", "b")
    with db.transaction() as session:
        assert settlement.hand_out(session, job_id) == [0, 1]
    left = sql(
        "SELECT extract(epoch FROM due_at - clock_timestamp()) AS left FROM jobs WHERE id = :id", id=job_id
    )
    assert settings().llm_timeout_seconds < left[0].left <= calls.lease().total_seconds()


def test_an_operator_who_goes_back_to_the_local_judge_gets_what_is_under_way_decided(settle):
    job_id = ranking("a", "b", "c")
    for k in range(3):
        ask(job_id, k, order="place")
    rank(job_id)
    settle(judge="local")
    assert rank(job_id) is Status.COMPLETED
    assert status(job_id) is Status.COMPLETED


def test_a_ballot_belongs_to_a_call_for_it():
    job_id = ranking("a", "b")
    ask(job_id, 0), ask(job_id, 1)
    with pytest.raises(Exception, match="ballots_call"):
        sql("""INSERT INTO ballots (job_id, k, judge, input_hash, verdict, labels, milliseconds, call_id)
            SELECT job_id, 9, judge, input_hash, verdict, labels, milliseconds, call_id
            FROM ballots WHERE k = 0""")
