"""PostgreSQL itself refuses, with the Python code bypassed. What gets past it: see test_audit_rules."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import text

from models import agents, db, ledger
from models.agents import AgentDraft
from models.grades import Grade
from models.ids import uuid7
from models.settings import settings
from models.states import TERMINAL, TRANSITIONS, Status
from tests.models.stages import (
    PRICE,
    TRANSFER,
    cast_all,
    corrupt,
    drop_in,
    escrow,
    refusal,
    sender_of,
    sql,
    wallet,
)
from tests.signs import BLANK, SEEN
from tests.support import Person, balance, bring, claim, let_time_pass, person, post, submit
from tests.workers.processes import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("database")

ALLOWED = [(before, after) for before, following in TRANSITIONS.items() for after in following]
FORBIDDEN = [pair for pair in product(Status, Status) if pair[0] is not pair[1] and pair not in ALLOWED]

# What the checks of a row want beside the status itself.
ALONG = {
    Status.OPEN: ", opened_at = now(), window_closes_at = now() + interval '5 minutes'",
    Status.RANKING: "",
    Status.COMPLETED: ", winning_submission_id = (SELECT id FROM submissions WHERE rank = 1)",
    Status.VERIFIED: ", ended_at = now()",
    Status.CANCELLED: ", ended_at = now()",
    Status.FAILED: ", ended_at = now(), failure_reason = 'below_min_grade'",
}
RANK = "UPDATE submissions SET rank = 1, grade = 'B' WHERE body = 'apple'"


def new_escrow(job_id: UUID) -> UUID:
    account = uuid7()
    sql(
        "INSERT INTO accounts (id, kind, job_id, balance_cents) VALUES (:id, 'escrow', :job, 0)",
        id=account,
        job=job_id,
    )
    return account


def winner_of(job_id: UUID) -> UUID:
    return sql("SELECT user_id FROM submissions WHERE job_id = :id AND rank = 1", id=job_id)[0].user_id


def transfer(kind: str, job: UUID | None, debit: UUID, credit: UUID, cents: int = PRICE) -> str | None:
    return refusal(TRANSFER, kind=kind, job=job, debit=debit, credit=credit, cents=cents)


# Lifecycle -------------------------------------------------------------------------------------


def test_the_table_of_moves_is_the_one_in_states():
    rows = sql("SELECT from_status, to_status FROM job_transitions")
    assert {tuple(row) for row in rows} == {(str(before), str(after)) for before, after in ALLOWED}


@pytest.mark.parametrize(("before", "after"), FORBIDDEN)
def test_a_forbidden_move_is_refused(before: Status, after: Status):
    change = "UPDATE jobs SET status = :after WHERE id = :id"
    assert refusal(change, id=drop_in(before), after=after) == "jobs_transition"


@pytest.mark.parametrize(("before", "after"), ALLOWED)
def test_an_allowed_move_passes(before: Status, after: Status):
    job_id = drop_in(before, min_grade="A" if before is Status.RANKING else None)
    with db.engine().connect() as connection:  # never committed: the money did not move along
        if before is Status.RANKING:
            connection.execute(text(RANK))
        change = f"UPDATE jobs SET status = :after{ALONG[after]} WHERE id = :id"
        assert connection.execute(text(change), {"id": job_id, "after": after}).rowcount == 1


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING_PAYMENT])
def test_a_drop_begins_as_pending(status: Status):
    insert = """INSERT INTO jobs (id, status, sender_id, prompt, title, pack, price_cents, fee_bps,
            fee_flat_cents, time_limit_seconds, max_claims)
        VALUES (gen_random_uuid(), :status, :sender, 'x', 'x', 'wild', 100, 0, 0, 300, 5)"""
    assert refusal(insert, status=status, sender=person().id) == "jobs_transition"


@pytest.mark.parametrize(
    "change",
    [
        "sender_id = (SELECT id FROM users WHERE id <> sender_id LIMIT 1)",
        "prompt = 'another'",
        "price_cents = price_cents - 1",
        "fee_bps = 10000",
        "fee_flat_cents = 1",
        "max_claims = max_claims + 1",
        "time_limit_seconds = 1",
        "min_grade = 'S'",
        "opened_at = opened_at - interval '1 s'",
        "window_closes_at = window_closes_at + interval '1 s'",
        "title = 'another'",
        "pack = 'code'",
        "created_at = now()",
    ],
)
def test_the_terms_of_a_drop_are_frozen(change: str):
    job_id = drop_in(Status.OPEN)
    person()
    assert refusal(f"UPDATE jobs SET {change} WHERE id = :id", id=job_id) == "jobs_frozen"


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.VERIFIED])
@pytest.mark.parametrize(
    "change",
    [
        "winning_submission_id = (SELECT id FROM submissions WHERE job_id = jobs.id AND rank = 2)",
        "grade = 'S'",
        "agreement = 0",
        "grade_rationale = 'another'",
    ],
)
def test_the_winner_is_frozen(status: Status, change: str):
    assert refusal(f"UPDATE jobs SET {change} WHERE id = :id", id=drop_in(status)) == "jobs_frozen"


@pytest.mark.parametrize("status", TERMINAL)
def test_an_end_stays_when_it_was(status: Status):
    job_id = drop_in(status)
    for when in ("now()", "NULL"):
        assert refusal(f"UPDATE jobs SET ended_at = {when} WHERE id = :id", id=job_id) == "jobs_frozen"


@pytest.mark.parametrize("status", [Status.OPEN, Status.RANKING, Status.VERIFIED])
def test_the_secret_of_the_deal_is_drawn_with_the_ranking_and_stays(status: Status):
    job_id = drop_in(status)
    for secret in ("'guessed'", "NULL" if status is not Status.OPEN else "''"):
        change = f"UPDATE jobs SET deal_secret = {secret} WHERE id = :id"
        assert refusal(change, id=job_id) == "jobs_frozen"


def test_a_reason_stays_the_reason():
    assert refusal("UPDATE jobs SET failure_reason = 'bad luck'", id=drop_in(Status.FAILED)) == "jobs_frozen"


# Prompts ---------------------------------------------------------------------------------------

PENDING = """INSERT INTO jobs (id, status, sender_id, prompt, title, pack, price_cents, fee_bps,
    fee_flat_cents, time_limit_seconds, max_claims, due_at)
    VALUES (gen_random_uuid(), 'pending_payment', :sender, :prompt, 'x', 'wild', 100, 0, 0, 300, 5, now())"""


def test_postgresql_takes_no_prompt_of_what_is_never_drawn():
    sender = person().id
    for what, prompt in BLANK.items():
        marks = all(unicodedata.category(sign)[0] == "M" for sign in prompt if sign != "\ufe0f")
        if prompt and not marks:
            assert refusal(PENDING, sender=sender, prompt=prompt) == "jobs_prompt_seen_check", what


def test_postgresql_takes_every_prompt_that_can_be_seen():
    sender = person().id
    for prompt in SEEN:
        assert refusal(PENDING, sender=sender, prompt=prompt) is None, ascii(prompt)


# Work that came in -----------------------------------------------------------------------------

END = "UPDATE jobs SET status = :status, failure_reason = :reason, ended_at = now() WHERE id = :id"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.CANCELLED, None), (Status.FAILED, "no_submissions"), (Status.FAILED, "below_min_grade")],
)
def test_a_drop_with_an_entry_does_not_end_at_its_window(status: Status, reason: str | None):
    job_id = drop_in(Status.OPEN, min_grade="S")
    submit(person(), job_id)
    assert refusal(END, id=job_id, status=status, reason=reason) == "jobs_work_paid"


@pytest.mark.parametrize("reason", ["no_submissions", "below_min_grade"])
@pytest.mark.parametrize("min_grade", [None, "S", "B"])
def test_judged_work_is_refunded_for_its_grade_only(min_grade: Grade | None, reason: str):
    job_id = drop_in(Status.RANKING, min_grade=min_grade)
    assert refusal(END, id=job_id, status=Status.FAILED, reason=reason) == "jobs_work_paid"
    sql(RANK)
    missed = min_grade == "S" and reason == "below_min_grade"
    ends = refusal(END, id=job_id, status=Status.FAILED, reason=reason)
    assert ends == ("escrow_agrees" if missed else "jobs_work_paid")


COMPLETE = "UPDATE jobs SET status = 'completed', winning_submission_id = :entry WHERE id = :id"


def test_a_drop_is_won_by_its_own_rank_1():
    job_id, elsewhere = drop_in(Status.RANKING), drop_in(Status.VERIFIED)
    entries = sql("SELECT id FROM submissions WHERE job_id = :here OR rank = 1", here=job_id)
    assert len(entries) == 3
    for entry in entries:
        assert refusal(COMPLETE, id=job_id, entry=entry.id) == "jobs_winner", elsewhere


def test_no_sender_wins_their_own_drop_even_with_an_entry_in_it():
    job_id = drop_in(Status.RANKING)
    corrupt(
        "UPDATE submissions SET user_id = :sender, rank = 1, grade = 'S' WHERE body = 'apple'",
        sender=sender_of(job_id),
    )
    entry = sql("SELECT id FROM submissions WHERE rank = 1")[0].id
    assert refusal(COMPLETE, id=job_id, entry=entry) == "jobs_winner"


def env_vars_become(job_id: UUID, value: bytes | None) -> str | None:
    return refusal("UPDATE jobs SET env_vars = :value WHERE id = :id", id=job_id, value=value)


@pytest.mark.parametrize("status", Status)
def test_a_drop_without_env_vars_gets_none(status: Status):
    assert env_vars_become(drop_in(status), b"planted") == "jobs_env_vars"


@pytest.mark.parametrize("status", Status)
def test_env_vars_change_their_key_but_are_wiped_only_after_the_end(status: Status):
    job_id = drop_in(status, env_vars={"TOKEN": "x"})
    assert env_vars_become(job_id, b"the same under another key") is None
    ended = status in (Status.VERIFIED, Status.CANCELLED, Status.FAILED)
    assert env_vars_become(job_id, None) == (None if ended else "jobs_env_vars")


def test_wiped_env_vars_stay_wiped():
    job_id = drop_in(Status.VERIFIED, env_vars={"TOKEN": "x"})
    assert env_vars_become(job_id, None) is None
    assert env_vars_become(job_id, b"back again") == "jobs_env_vars"


# Competitors -----------------------------------------------------------------------------------

CLAIM = """INSERT INTO claims (id, job_id, user_id, slot, expires_at)
    VALUES (:id, :job, :user, :slot, now() + interval '1 minute')"""
ENTRY = """INSERT INTO submissions (id, job_id, user_id, claim_id, body, created_at, revised_at)
    SELECT gen_random_uuid(), :job, :user, :claim, 'x', now(), window_closes_at + CAST(:late AS interval)
    FROM jobs WHERE id = :job"""


def take(job_id: UUID, who: UUID, slot: int) -> str | None:
    return refusal(CLAIM, id=uuid7(), job=job_id, user=who, slot=slot)


def claim_of(job_id: UUID, who: Person) -> UUID:
    return sql("SELECT id FROM claims WHERE job_id = :job AND user_id = :user", job=job_id, user=who.id)[0].id


def test_there_is_no_sixth_slot():
    job_id = drop_in(Status.OPEN)
    for _ in range(5):
        claim(person(), job_id)
    assert take(job_id, person().id, 6) == "claims_max"
    assert take(job_id, person().id, 5) == "claims_slot"
    assert take(job_id, person().id, 0) == "claims_slot_check"


def test_nobody_has_two_slots():
    job_id, who = drop_in(Status.OPEN), person()
    claim(who, job_id)
    assert take(job_id, who.id, 2) == "claims_user"


def test_nobody_competes_in_their_own_drop():
    job_id = drop_in(Status.OPEN)
    assert take(job_id, sender_of(job_id), 1) == "claims_own_drop"


def test_no_sender_enters_their_own_drop_through_the_slot_of_another():
    job_id, other = drop_in(Status.OPEN), person()
    claim(other, job_id)
    slot, sender = claim_of(job_id, other), sender_of(job_id)
    assert refusal(ENTRY, job=job_id, user=sender, claim=slot, late="-1 s") == "submissions_slot"
    taken_over = "UPDATE claims SET user_id = :sender, agent_id = NULL WHERE id = :id"
    assert refusal(taken_over, sender=sender, id=slot) == "claims_own_drop"


def test_claims_and_entries_stay_whose_they_are():
    job_id, author, other = drop_in(Status.OPEN), person(), person()
    submit(author, job_id)
    for table in ("claims", "submissions"):
        change = f"UPDATE {table} SET user_id = :other, agent_id = NULL WHERE job_id = :id"
        assert refusal(change, other=other.id, id=job_id) == f"{table}_frozen"
    claim(other, job_id)
    swap = "UPDATE submissions SET claim_id = :claim"
    assert refusal(swap, claim=claim_of(job_id, other)) == "submissions_frozen"


def agent_of(who: Person, name: str = "quill") -> UUID:
    with db.transaction() as session:
        return agents.create(session, who.id, AgentDraft(name=name)).id


CLAIM_AS = CLAIM.replace("user_id,", "user_id, agent_id,").replace(":user,", ":user, :agent,")
ENTRY_AS = ENTRY.replace("user_id,", "user_id, agent_id,").replace(":user,", ":user, :agent,")
RELEASED = "state = 'released', released_at = clock_timestamp()"
DELETE_AGENT = "UPDATE agents SET deleted_at = now(), name_key = NULL WHERE id = :id"


def test_nobody_competes_as_the_agent_of_somebody_else():
    job_id, who, other = drop_in(Status.OPEN), person(), person()
    agent = agent_of(other)
    assert refusal(CLAIM_AS, id=uuid7(), job=job_id, user=who.id, agent=agent, slot=1) == "claims_agent"
    claim(who, job_id)
    slot = claim_of(job_id, who)
    entry = refusal(ENTRY_AS, job=job_id, user=who.id, agent=agent, claim=slot, late="-1 s")
    assert entry == "submissions_agent"
    assert (
        refusal("UPDATE claims SET agent_id = :agent WHERE id = :id", agent=agent, id=slot) == "claims_agent"
    )
    moved = "UPDATE agents SET user_id = :other, is_default = false WHERE user_id = :who"
    assert refusal(moved, other=other.id, who=who.id) == "claims_agent"


def test_no_sender_competes_through_the_agent_of_another_or_as_another_through_theirs():
    job_id, other = drop_in(Status.OPEN), person()
    sender = sender_of(job_id)
    theirs, his = agent_of(other), sql("SELECT id FROM agents WHERE user_id = :id", id=sender)[0].id
    assert refusal(CLAIM_AS, id=uuid7(), job=job_id, user=sender, agent=theirs, slot=1) == "claims_own_drop"
    assert refusal(CLAIM_AS, id=uuid7(), job=job_id, user=other.id, agent=his, slot=1) == "claims_agent"


def test_nobody_competes_as_a_deleted_agent():
    job_id, who = drop_in(Status.OPEN), person()
    agent = agent_of(who)
    assert refusal(DELETE_AGENT, id=agent) is None
    assert refusal(CLAIM_AS, id=uuid7(), job=job_id, user=who.id, agent=agent, slot=1) == "agents_living"
    claim(who, job_id)
    slot = claim_of(job_id, who)
    entry = refusal(ENTRY_AS, job=job_id, user=who.id, agent=agent, claim=slot, late="-1 s")
    assert entry == "agents_living"
    assert (
        refusal("UPDATE claims SET agent_id = :agent WHERE id = :id", agent=agent, id=slot) == "agents_living"
    )


def test_a_claim_of_an_agent_that_is_gone_does_not_come_back():
    job_id, who = drop_in(Status.OPEN), person()
    agent, slot = agent_of(who), uuid7()
    assert refusal(CLAIM_AS, id=slot, job=job_id, user=who.id, agent=agent, slot=1) is None
    assert refusal("UPDATE claims SET expires_at = now() WHERE id = :id", id=slot) is None
    assert refusal(DELETE_AGENT, id=agent) is None
    for change in ("expires_at = now() + interval '1 minute'", "state = 'submitted'"):
        assert refusal(f"UPDATE claims SET {change} WHERE id = :id", id=slot) == "agents_living"
    assert refusal("UPDATE claims SET state = 'expired' WHERE id = :id", id=slot) is None


def test_a_claim_stays_as_it_was_made():
    job_id, who = drop_in(Status.OPEN), person()
    claim(who, job_id)
    for change in (
        "created_at = created_at + interval '1 minute'",
        "release_free_until = release_free_until + interval '1 minute'",
    ):
        assert refusal(f"UPDATE claims SET {change} WHERE job_id = :id", id=job_id) == "claims_frozen"
    unstamped = "UPDATE claims SET state = 'released' WHERE job_id = :id"
    assert refusal(unstamped, id=job_id) == "claims_released_check"
    sql(f"UPDATE claims SET {RELEASED} WHERE job_id = :id", id=job_id)
    later = "released_at = released_at + interval '1 second'"
    assert refusal(f"UPDATE claims SET {later} WHERE job_id = :id", id=job_id) == "claims_frozen"


def test_an_agent_at_work_is_not_deleted():
    job_id, who = drop_in(Status.OPEN), person()
    agent, slot = agent_of(who), uuid7()
    assert refusal(CLAIM_AS, id=slot, job=job_id, user=who.id, agent=agent, slot=1) is None
    assert refusal(DELETE_AGENT, id=agent) == "agents_busy"
    sql("UPDATE claims SET state = 'submitted' WHERE id = :id", id=slot)
    sql(ENTRY_AS, job=job_id, user=who.id, agent=agent, claim=slot, late="-1 s")
    assert refusal(DELETE_AGENT, id=agent) == "agents_busy"


def test_who_competes_and_who_deletes_at_once_wait_for_each_other():
    job_id, who = drop_in(Status.OPEN), person()
    agent = agent_of(who)
    with ThreadPoolExecutor(1) as other, db.engine().connect() as connection:
        connection.execute(text(DELETE_AGENT), {"id": agent})
        late = other.submit(refusal, CLAIM_AS, id=uuid7(), job=job_id, user=who.id, agent=agent, slot=1)
        with pytest.raises(TimeoutError):
            late.result(timeout=0.3)
        connection.commit()
        assert late.result(timeout=PATIENCE_SECONDS) == "agents_living"


def test_nobody_enters_twice():
    job_id, who = drop_in(Status.OPEN), person()
    submit(who, job_id)
    again = refusal(ENTRY, job=job_id, user=who.id, claim=claim_of(job_id, who), late="-1 s")
    assert again in ("submissions_job_id_user_id_key", "submissions_claim_id_key")


def test_an_entry_needs_a_slot_of_its_author_in_its_drop():
    here, elsewhere, who, other = drop_in(Status.OPEN), drop_in(Status.OPEN), person(), person()
    claim(who, elsewhere)
    claim(other, here)
    for slot in (claim_of(elsewhere, who), claim_of(here, other)):
        assert refusal(ENTRY, job=here, user=who.id, claim=slot, late="-1 s") == "submissions_slot"


def test_a_slot_with_an_entry_is_not_given_to_another():
    job_id = drop_in(Status.OPEN)
    submit(person(), job_id)
    assert refusal(f"UPDATE claims SET {RELEASED} WHERE job_id = :id", id=job_id) == "claims_submitted"


@pytest.mark.parametrize(("late", "refused_by"), [("-1 ms", None), ("0 s", "submissions_window")])
def test_an_entry_has_to_come_before_the_window_closes(late: str, refused_by: str | None):
    job_id, who = drop_in(Status.OPEN), person()
    claim(who, job_id)
    assert refusal(ENTRY, job=job_id, user=who.id, claim=claim_of(job_id, who), late=late) == refused_by


def test_no_entry_comes_in_once_the_judges_are_at_work():
    job_id, who = drop_in(Status.OPEN), person()
    submit(person(), job_id)
    claim(who, job_id)
    sql("UPDATE jobs SET status = 'ranking' WHERE id = :id", id=job_id)
    slot = claim_of(job_id, who)
    assert refusal(ENTRY, job=job_id, user=who.id, claim=slot, late="-1 s") == "submissions_window"
    assert refusal("UPDATE submissions SET body = 'better'") == "submissions_window"


def test_there_are_never_two_winners():
    job_id = drop_in(Status.RANKING)
    both = "UPDATE submissions SET rank = 1, grade = 'A' WHERE job_id = :id"
    assert refusal(both, id=job_id) == "submissions_job_id_rank_key"


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.VERIFIED])
def test_a_verdict_stands(status: Status):
    job_id = drop_in(status)
    assert (
        refusal("UPDATE submissions SET grade = 'S' WHERE job_id = :id", id=job_id) == "submissions_verdict"
    )


# Money -----------------------------------------------------------------------------------------


def test_a_wallet_never_goes_below_zero():
    job_id = drop_in(Status.PENDING_PAYMENT)
    target = new_escrow(job_id)
    assert transfer("hold", job_id, wallet(sender_of(job_id)), target) == "accounts_balance_check"


def test_an_escrow_never_goes_below_zero():
    job_id = drop_in(Status.COMPLETED)
    payout = transfer("payout", job_id, escrow(job_id), wallet(winner_of(job_id)), PRICE + 1)
    assert payout == "accounts_balance_check"


def test_a_drop_is_funded_once():
    sender = person(2 * PRICE)
    job_id = post(sender, price_cents=PRICE)
    assert transfer("hold", job_id, wallet(sender), escrow(job_id)) == "transfers_one_hold"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.VERIFIED, "payout"),
        (Status.VERIFIED, "refund"),
        (Status.CANCELLED, "payout"),
        (Status.FAILED, "refund"),
    ],
)
def test_a_bounty_leaves_its_escrow_once(status: Status, kind: str):
    sender = person(2 * PRICE)
    job_id = drop_in(status, sender)
    assert transfer(kind, job_id, escrow(job_id), wallet(sender)) == "transfers_one_end"


def test_the_same_reason_never_moves_money_twice():
    who = person(5)
    again = """INSERT INTO transfers (id, key, kind, debit_id, credit_id, amount_cents)
        SELECT gen_random_uuid(), key, kind, debit_id, credit_id, amount_cents FROM transfers"""
    assert refusal(again) == "transfers_key_key"
    assert balance(who) == 5


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE transfers SET amount_cents = 1",
        "DELETE FROM transfers",
        "TRUNCATE transfers",
        "TRUNCATE jobs CASCADE",
    ],
)
def test_transfers_are_written_once_and_for_ever(change: str):
    drop_in(Status.OPEN)
    assert refusal(change) == "transfers_append_only"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts SET balance_cents = balance_cents + 1 WHERE kind = 'wallet'",
        "UPDATE accounts SET user_id = (SELECT max(id::text)::uuid FROM users) WHERE kind = 'wallet'",
        "INSERT INTO accounts (id, kind, user_id, balance_cents)"
        " SELECT gen_random_uuid(), 'wallet', id, 5 FROM users LIMIT 1",
    ],
)
def test_a_balance_changes_only_through_transfers(change: str):
    person(5)
    person(5)
    assert refusal(change) == "accounts_by_transfer"


def test_no_money_comes_from_anywhere_but_the_world():
    rich, poor = person(5), person()
    assert transfer("credit", None, wallet(rich), wallet(poor), 5) == "transfers_route"


@pytest.mark.parametrize("status", [Status.OPEN, Status.RANKING, Status.COMPLETED])
def test_a_bounty_goes_to_nobody_but_the_winner(status: Status):
    job_id = drop_in(status)
    losers = sql("SELECT user_id FROM submissions WHERE job_id = :id AND rank IS DISTINCT FROM 1", id=job_id)
    for who in (sender_of(job_id), person().id, *(loser.user_id for loser in losers)):
        assert transfer("payout", job_id, escrow(job_id), wallet(who)) == "transfers_wallet"


@pytest.mark.parametrize("status", [Status.OPEN, Status.RANKING, Status.COMPLETED])
def test_a_bounty_comes_back_to_nobody_but_its_sender(status: Status):
    job_id = drop_in(status)
    rivals = sql("SELECT user_id FROM submissions WHERE job_id = :id", id=job_id)
    for who in (person().id, *(rival.user_id for rival in rivals)):
        assert transfer("refund", job_id, escrow(job_id), wallet(who)) == "transfers_wallet"


def test_nobody_pays_the_bounty_of_another():
    job_id, rich = drop_in(Status.PENDING_PAYMENT), person(PRICE)
    assert transfer("hold", job_id, wallet(rich), new_escrow(job_id)) == "transfers_wallet"


def test_a_drop_spends_no_bounty_but_its_own():
    robbed, dead = drop_in(Status.OPEN), drop_in(Status.PENDING_PAYMENT)
    thief = wallet(sender_of(dead))
    assert transfer("refund", dead, escrow(robbed), thief) == "transfers_route"


@pytest.mark.parametrize("cents", [0, -1])
def test_a_transfer_moves_something_forwards(cents: int):
    assert transfer("credit", None, ledger.WORLD, wallet(person()), cents) == "transfers_amount_check"


def test_the_house_takes_its_fee_once(monkeypatch):
    monkeypatch.setenv("CLORP_PLATFORM_FEE_BPS", "1000")
    settings.cache_clear()
    job_id = drop_in(Status.VERIFIED)
    assert transfer("fee", job_id, escrow(job_id), ledger.FEES, 1) == "transfers_one_fee"


# What stays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["jobs", "claims", "submissions", "accounts"])
def test_nothing_that_counts_is_deleted(table: str):
    drop_in(Status.VERIFIED)
    assert refusal(f"DELETE FROM {table}") == f"{table}_kept"


@pytest.mark.parametrize("change", ["UPDATE ballots SET verdict = '{}'", "DELETE FROM ballots"])
def test_a_ballot_that_was_cast_stays(change: str):
    drop_in(Status.RANKING)
    cast_all(sql("SELECT id FROM jobs")[0].id)
    assert refusal(change) == "ballots_append_only"


# Status and escrow, at commit --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Status.PENDING_PAYMENT, Status.OPEN),
        (Status.OPEN, Status.CANCELLED),
        (Status.OPEN, Status.FAILED),
        (Status.RANKING, Status.FAILED),
        (Status.COMPLETED, Status.VERIFIED),
    ],
)
def test_a_status_without_its_money_is_not_committed(before: Status, after: Status):
    change = f"UPDATE jobs SET status = :after{ALONG[after]} WHERE id = :id"
    job_id = drop_in(before, min_grade="A" if before is Status.RANKING else None)
    if before is Status.RANKING:
        sql(RANK)
    assert refusal(change, id=job_id, after=after) == "escrow_agrees"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.OPEN, "refund"),
        (Status.RANKING, "refund"),
        (Status.COMPLETED, "refund"),
        (Status.COMPLETED, "payout"),
    ],
)
def test_money_that_leaves_without_its_status_is_not_committed(status: Status, kind: str):
    job_id = drop_in(status)
    to = winner_of(job_id) if kind == "payout" else sender_of(job_id)
    assert transfer(kind, job_id, escrow(job_id), wallet(to)) == "escrow_agrees"


def test_money_that_comes_without_its_status_is_not_committed():
    sender = person()
    job_id = drop_in(Status.PENDING_PAYMENT, sender)
    target = new_escrow(job_id)
    sql(TRANSFER, kind="credit", job=None, debit=ledger.WORLD, credit=wallet(sender), cents=PRICE)
    assert transfer("hold", job_id, wallet(sender), target) == "escrow_agrees"


# Files -----------------------------------------------------------------------------------------

ATTACH = """INSERT INTO attachments (id, upload_id, user_id, job_id, submission_id, position)
    VALUES (gen_random_uuid(), :upload, :user, :job, :entry, :position)"""


def hang(upload: str, who: Person, job_id: UUID, entry: UUID | None = None, position: int = 0) -> str | None:
    return refusal(ATTACH, upload=upload, user=who.id, job=job_id, entry=entry, position=position)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING_PAYMENT])
def test_the_files_of_a_drop_are_part_of_its_terms(status: Status):
    sender = person(PRICE)
    job_id = drop_in(status, sender, attachments=[bring(sender)])
    assert hang(bring(sender), sender, job_id, position=1) == "attachments_frozen"
    assert refusal("DELETE FROM attachments") == "attachments_frozen"
    assert refusal("UPDATE attachments SET position = 1") == "attachments_frozen"


def test_a_drop_that_waits_for_payment_keeps_its_files():
    sender = person()
    job_id = drop_in(Status.PENDING_PAYMENT, sender)
    assert hang(bring(sender), sender, job_id) is None
    assert refusal("DELETE FROM attachments") == "attachments_frozen"


def test_only_the_sender_hangs_a_file_on_a_drop():
    job_id, stranger = drop_in(Status.PENDING_PAYMENT), person()
    assert hang(bring(stranger), stranger, job_id) == "attachments_frozen"


def test_only_its_author_hangs_a_file_on_an_entry():
    job_id, author, other = drop_in(Status.OPEN), person(), person()
    entry = submit(author, job_id).id
    assert hang(bring(other), other, job_id, entry) == "attachments_window"
    assert hang(bring(author), author, drop_in(Status.OPEN), entry) == "attachments_window"
    assert hang(bring(author), author, job_id, entry) is None


def test_nobody_hangs_up_a_file_of_somebody_else():
    job_id, author = drop_in(Status.OPEN), person()
    entry = submit(author, job_id).id
    assert hang(bring(person()), author, job_id, entry) == "attachments_owner"


GIVE_UP = "UPDATE uploads SET removed_at = now()"


@pytest.mark.parametrize("status", [Status.PENDING_PAYMENT, Status.OPEN, Status.RANKING, Status.COMPLETED,
                                    Status.VERIFIED])  # fmt: skip
def test_no_file_is_given_up_while_its_drop_goes_on_or_after_it_was_paid_out(status):
    sender = person(0 if status is Status.PENDING_PAYMENT else PRICE)
    drop_in(status, sender, attachments=[bring(sender)])
    assert refusal(GIVE_UP) == "uploads_kept"


def test_a_file_that_was_given_up_stays_so_and_hangs_on_nothing_new():
    sender = person(PRICE)
    drop_in(Status.CANCELLED, sender, attachments=[key := bring(sender)])
    assert refusal(GIVE_UP) is None
    assert refusal("UPDATE uploads SET removed_at = NULL") == "uploads_frozen"
    assert refusal(GIVE_UP) == "uploads_frozen"
    assert hang(key, sender, drop_in(Status.PENDING_PAYMENT, sender)) == "attachments_there"


@pytest.mark.parametrize(
    "change", ["size = size + 1", "sha256 = ''", "name = 'other'", "user_id = gen_random_uuid()"]
)
def test_a_file_stays_as_it_came(change):
    bring(person())
    assert refusal(f"UPDATE uploads SET {change}") == "uploads_frozen"


def test_after_the_window_the_files_of_an_entry_stay():
    job_id, author = drop_in(Status.OPEN), person()
    entry = submit(author, job_id, files=[bring(author)]).id
    late = bring(author)
    let_time_pass(job_id, 300)
    assert hang(late, author, job_id, entry, 1) == "attachments_window"
    assert refusal("DELETE FROM attachments") == "attachments_window"


def test_there_is_no_sixth_file_and_no_second_one_in_a_place():
    job_id, author = drop_in(Status.OPEN), person()
    key = bring(author)
    entry = submit(author, job_id, files=[key]).id
    assert hang(key, author, job_id, entry, 0) == "attachments_place"
    assert hang(key, author, job_id, entry, 5) == "attachments_position_check"
    assert hang(key, author, job_id, entry, 4) is None


def test_a_file_that_hangs_somewhere_is_not_removed():
    sender = person(PRICE)
    drop_in(Status.OPEN, sender, attachments=[bring(sender)])
    assert refusal("DELETE FROM uploads") == "attachments_owner"
