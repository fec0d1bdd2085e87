"""Whatever gets past every guard, the audit sees: each of its rules, with rows that no guard would allow."""

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from models import db, ledger, lifecycle, payments
from models.schema import GUARDS
from models.states import Status
from tests.models.stages import (
    PRICE,
    TRANSFER,
    cancel,
    corrupt,
    drop_in,
    escrow,
    refusal,
    sender_of,
    settled,
    sql,
    wallet,
)
from tests.payments import pay_in
from tests.support import claim, let_time_pass, person, submit, violations

DAY = 24 * 3600

pytestmark = pytest.mark.usefixtures("database")


def _move(cents: int) -> tuple[str, str]:
    """What an untrue transfer would have to do to two balances, to be believed."""
    return (
        f"UPDATE accounts SET balance_cents = balance_cents - {cents} WHERE id = :one",
        f"UPDATE accounts SET balance_cents = balance_cents + {cents} WHERE id = :other",
    )


def _sum_zero() -> None:
    corrupt(TRANSFER, kind="credit", job=None, debit=uuid4(), credit=ledger.FEES, cents=5)


def _balance_drift() -> None:
    corrupt(
        "UPDATE accounts SET balance_cents = balance_cents + 5 WHERE user_id = :one",
        "UPDATE accounts SET balance_cents = balance_cents - 5 WHERE user_id = :other",
        one=person(5).id,
        other=person(5).id,
    )


def _negative_balance() -> None:
    sender = sender_of(drop_in(Status.OPEN))
    corrupt(
        "ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check",
        "DELETE FROM transfers WHERE kind = 'credit'",
        "UPDATE accounts SET balance_cents = balance_cents - :cents WHERE user_id = :sender",
        sender=sender,
        cents=PRICE,
    )


def _escrow_disagrees() -> None:
    corrupt("UPDATE jobs SET price_cents = 101 WHERE id = :id", id=drop_in(Status.OPEN))


def _settled_once() -> None:
    sender = person()
    job_id = drop_in(Status.PENDING_PAYMENT, sender)
    cancel(sender, job_id)
    opened = "opened_at = now(), window_closes_at = now() + time_limit_seconds * interval '1 s'"
    corrupt(f"UPDATE jobs SET {opened} WHERE id = :id", id=job_id)


def _payout_amount() -> None:
    corrupt("UPDATE jobs SET fee_bps = 5000 WHERE id = :id", id=drop_in(Status.VERIFIED))


def _payee() -> None:
    drop_in(Status.VERIFIED)
    corrupt("UPDATE submissions SET user_id = :id, agent_id = NULL WHERE rank = 1", id=person().id)


def _refundee() -> None:
    sender, other = person(PRICE), person()
    drop_in(Status.FAILED, sender)
    corrupt(
        "UPDATE transfers SET credit_id = :other WHERE kind = 'refund'",
        *_move(PRICE),
        one=wallet(sender),
        other=wallet(other),
    )


def _ranks() -> None:
    drop_in(Status.VERIFIED)
    corrupt("UPDATE submissions SET rank = 3 WHERE rank = 2")


def _late_entry() -> None:
    drop_in(Status.RANKING)
    corrupt("UPDATE submissions SET revised_at = (SELECT window_closes_at FROM jobs) WHERE body = 'apple'")


def _slots() -> None:
    corrupt("UPDATE jobs SET max_claims = 1 WHERE id = :id", id=drop_in(Status.RANKING))


def _own_drop() -> None:
    drop_in(Status.RANKING)
    theirs = "SELECT sender_id FROM jobs"
    corrupt(f"UPDATE submissions SET user_id = ({theirs}), agent_id = NULL WHERE body = 'apple'")


def _owes_nothing() -> None:
    corrupt("UPDATE jobs SET due_at = NULL WHERE id = :id", id=drop_in(Status.OPEN))


def _route() -> None:
    one, other = person(5), person(5)
    corrupt(
        "UPDATE accounts SET balance_cents = balance_cents - 5 WHERE id = :debit",
        "UPDATE accounts SET balance_cents = balance_cents + 5 WHERE id = :credit",
        TRANSFER,
        kind="credit",
        job=None,
        debit=wallet(one),
        credit=wallet(other),
        cents=5,
    )


def _payment_disagrees() -> None:
    with db.transaction() as session:
        payments.begin_withdrawal(session, person(PRICE).id, PRICE, "sandbox")
    corrupt("UPDATE payments SET state = 'failed', failure_reason = 'test'")


def _fee() -> None:
    # The table works it out; somebody who has it worked out otherwise would be seen.
    drop_in(Status.OPEN)
    corrupt("ALTER TABLE jobs ALTER fee_cents DROP EXPRESSION", "UPDATE jobs SET fee_cents = 7")


def _winner() -> None:
    drop_in(Status.COMPLETED)
    corrupt("UPDATE jobs SET winning_submission_id = (SELECT id FROM submissions WHERE rank = 2)")


def _min_grade() -> None:
    corrupt("UPDATE jobs SET min_grade = 'S' WHERE id = :id", id=drop_in(Status.COMPLETED))


def _grades() -> None:
    drop_in(Status.VERIFIED)
    corrupt("UPDATE submissions SET grade = 'S' WHERE rank = 2")


def _agent() -> None:
    drop_in(Status.RANKING)
    other = "SELECT id FROM agents WHERE user_id = :id"
    corrupt(f"UPDATE submissions SET agent_id = ({other}) WHERE body = 'apple'", id=person().id)


def _ended() -> None:
    drop_in(Status.OPEN)
    corrupt("ALTER TABLE jobs DROP CONSTRAINT jobs_ended_check", "UPDATE jobs SET ended_at = now()")


def _untold() -> None:
    drop_in(Status.VERIFIED)
    corrupt("DELETE FROM events WHERE kind = 'payout.posted'")


def _owes_too_much() -> None:
    corrupt("UPDATE jobs SET due_at = now() WHERE id = :id", id=drop_in(Status.FAILED))


def _hold() -> None:
    """The bounty came from somebody else's wallet."""
    sender, other = person(PRICE), person(PRICE)
    drop_in(Status.OPEN, sender)
    corrupt(
        "UPDATE transfers SET debit_id = :one WHERE kind = 'hold'",
        *_move(PRICE),
        one=wallet(other),
        other=wallet(sender),
    )


def _work_refunded() -> None:
    job_id = drop_in(Status.OPEN)
    submit(person(), job_id)
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        drop = lifecycle.lock(session, job_id)
        lifecycle.move(session, drop, Status.CANCELLED, db.now(session))
    _refund_behind_every_guard(job_id)


def _refund_behind_every_guard(job_id: UUID) -> None:
    corrupt(
        TRANSFER,
        *_move(PRICE),
        kind="refund",
        job=job_id,
        debit=escrow(job_id),
        credit=wallet(sender_of(job_id)),
        cents=PRICE,
        one=escrow(job_id),
        other=wallet(sender_of(job_id)),
    )


def _orphan() -> None:
    drop_in(Status.FAILED)
    corrupt("DELETE FROM jobs")


def _window() -> None:
    drop_in(Status.OPEN)
    corrupt("UPDATE jobs SET window_closes_at = window_closes_at + interval '1 s', due_at = now()")


def _claim() -> None:
    drop_in(Status.RANKING)
    corrupt("UPDATE claims SET state = 'released', released_at = now() WHERE slot = 1")


def _unnoticed() -> None:
    pay_in(person(), 1000)
    corrupt("DELETE FROM payment_notices")


def _wallet() -> None:
    corrupt("DELETE FROM accounts WHERE user_id = :id", id=person().id)


def _history() -> None:
    """A decided drop is back at the judges."""
    drop_in(Status.COMPLETED)
    corrupt(
        "UPDATE jobs SET status = 'ranking', winning_submission_id = NULL, grade = NULL",
        "UPDATE submissions SET rank = NULL, grade = NULL",
    )


def _overdue() -> None:
    """Its task fails each time, and is leased again."""
    let_time_pass(drop_in(Status.COMPLETED), 7 * DAY)
    sql("UPDATE jobs SET due_at = now() + interval '20 s'")


def _name() -> None:
    person(name="ada")
    corrupt("DELETE FROM names WHERE key = 'ada'")


CORRUPTIONS = {
    "name": _name,
    "sum_zero": _sum_zero,
    "balance_drift": _balance_drift,
    "negative_balance": _negative_balance,
    "escrow_disagrees": _escrow_disagrees,
    "settled_once": _settled_once,
    "payout_amount": _payout_amount,
    "payee": _payee,
    "refundee": _refundee,
    "ranks": _ranks,
    "late_entry": _late_entry,
    "slots": _slots,
    "own_drop": _own_drop,
    "owes_nothing": _owes_nothing,
    "route": _route,
    "payment_disagrees": _payment_disagrees,
    "fee": _fee,
    "winner": _winner,
    "min_grade": _min_grade,
    "grades": _grades,
    "agent": _agent,
    "ended": _ended,
    "untold": _untold,
    "owes_too_much": _owes_too_much,
    "hold": _hold,
    "work_refunded": _work_refunded,
    "orphan": _orphan,
    "window": _window,
    "claim": _claim,
    "unnoticed": _unnoticed,
    "wallet": _wallet,
    "history": _history,
    "overdue": _overdue,
}


# What cannot be broken alone.
ALONG = {"escrow_disagrees": {"hold"}}


@pytest.mark.parametrize("rule", CORRUPTIONS)
def test_the_audit_reports_exactly_the_broken_rule(rule: str):
    CORRUPTIONS[rule]()
    assert {violation.rule for violation in violations()} == {rule} | ALONG.get(rule, set())


def test_every_rule_of_the_audit_is_tried_here():
    view = GUARDS.partition("CREATE VIEW audit_violations")[2]
    assert set(re.findall(r"SELECT '(\w+)', format", view)) == set(CORRUPTIONS)


def _loser_of_a_refund_without_a_rank() -> None:
    let_time_pass(drop_in(Status.RANKING, min_grade="S"), 1)
    settled(sql("SELECT id FROM jobs")[0].id, "C")
    corrupt("UPDATE submissions SET rank = 3 WHERE rank = 2")


def _secrets_for_ever() -> None:
    job_id = drop_in(Status.FAILED, env_vars={"TOKEN": "x"})
    corrupt("UPDATE jobs SET due_at = NULL WHERE id = :id", id=job_id)


def _winner_from_elsewhere() -> None:
    one, other = drop_in(Status.COMPLETED), drop_in(Status.COMPLETED)
    elsewhere = "SELECT winning_submission_id FROM jobs WHERE id = :other"
    corrupt(f"UPDATE jobs SET winning_submission_id = ({elsewhere}) WHERE id = :one", one=one, other=other)


def _refund_told_as_a_payout() -> None:
    drop_in(Status.FAILED)
    corrupt("UPDATE events SET kind = 'payout.posted' WHERE kind = 'drop.failed'")


def _pay_fee(job_id: UUID, cents: int) -> None:
    """A fee that the sender paid on top of the bounty."""
    sender = wallet(sender_of(job_id))
    fee = {"kind": "fee", "job": job_id, "debit": escrow(job_id), "credit": ledger.FEES, "cents": cents}
    corrupt(TRANSFER, "DROP INDEX IF EXISTS transfers_one_fee", **fee)
    corrupt(
        "UPDATE transfers SET amount_cents = amount_cents + :cents WHERE kind = 'hold'",
        "UPDATE accounts SET balance_cents = balance_cents - :cents WHERE id = :sender",
        cents=cents,
        sender=sender,
    )


def _fee_on_a_refund() -> None:
    _pay_fee(drop_in(Status.FAILED, person(PRICE + 10)), 10)


def _second_fee() -> None:
    job_id = drop_in(Status.VERIFIED, person(PRICE + 20))
    _pay_fee(job_id, 10)
    corrupt(
        "UPDATE jobs SET price_cents = :price, fee_flat_cents = 10",
        price=PRICE + 10,
    )
    assert violations() == []
    _pay_fee(job_id, 10)


def _work_without_a_verdict() -> None:
    """Ranked by nobody, and given back as if nobody had come."""
    job_id = drop_in(Status.RANKING)
    corrupt(
        "UPDATE jobs SET status = 'failed', failure_reason = 'no_submissions', ended_at = now()",
        "UPDATE jobs SET due_at = NULL",
        "INSERT INTO events (job_id, kind, data) SELECT id, 'drop.failed', '{}' FROM jobs",
    )
    _refund_behind_every_guard(job_id)


def _refund_though_the_best_is_good_enough() -> None:
    let_time_pass(drop_in(Status.RANKING, min_grade="A"), 1)
    settled(sql("SELECT id FROM jobs")[0].id, "B")
    assert violations() == []
    corrupt("UPDATE submissions SET grade = 'A' WHERE rank = 1")


def _refund_for_no_grade_that_was_asked() -> None:
    let_time_pass(drop_in(Status.RANKING, min_grade="A"), 1)
    settled(sql("SELECT id FROM jobs")[0].id, "B")
    corrupt("UPDATE jobs SET min_grade = NULL")


def _rank_before_the_verdict() -> None:
    drop_in(Status.RANKING)
    corrupt("UPDATE submissions SET rank = 1, grade = 'S' WHERE body = 'apple'")


def _first_revision_after_the_window() -> None:
    drop_in(Status.RANKING)
    corrupt("UPDATE submissions SET created_at = (SELECT window_closes_at FROM jobs) WHERE body = 'apple'")


def _slot_above_the_last() -> None:
    claim(person(), drop_in(Status.OPEN))
    corrupt("UPDATE claims SET slot = 6")


def _claim_of_the_sender() -> None:
    job_id = drop_in(Status.OPEN)
    claim(person(), job_id)
    corrupt("UPDATE claims SET user_id = :sender, agent_id = NULL", sender=sender_of(job_id))


def _entry_without_its_claim() -> None:
    drop_in(Status.RANKING)
    corrupt("UPDATE submissions SET claim_id = gen_random_uuid() WHERE body = 'apple'")


def _entries_without_their_drop() -> None:
    drop_in(Status.RANKING)
    corrupt(
        "DELETE FROM transfers WHERE job_id IS NOT NULL",
        "DELETE FROM accounts WHERE kind = 'escrow'",
        "UPDATE accounts SET balance_cents = :price FROM transfers WHERE credit_id = accounts.id",
        "DELETE FROM jobs",
        "DELETE FROM events",
        price=PRICE,
    )


def _told_again_after_the_end() -> None:
    drop_in(Status.VERIFIED)
    for kind in ("drop.opened", "drop.ranking", "drop.completed"):
        sql("INSERT INTO events (job_id, kind, data) SELECT id, :kind, '{}' FROM jobs", kind=kind)


def _two_ends() -> None:
    drop_in(Status.VERIFIED)
    corrupt("DROP INDEX events_last")
    sql("INSERT INTO events (job_id, kind, data) SELECT id, 'drop.failed', '{}' FROM jobs")


def _never_due() -> None:
    drop_in(Status.RANKING)
    sql("UPDATE jobs SET due_at = 'infinity'")


def _due_long_after_the_window() -> None:
    drop_in(Status.OPEN)
    sql("UPDATE jobs SET due_at = window_closes_at + interval '1 hour'")


def _secrets_for_years() -> None:
    drop_in(Status.FAILED, env_vars={"TOKEN": "x"})
    sql("UPDATE jobs SET due_at = now() + interval '1 year'")


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        ("hold settled_once", _fee_on_a_refund),
        ("hold settled_once", _second_fee),
        ("work_refunded", _work_without_a_verdict),
        ("min_grade", _refund_though_the_best_is_good_enough),
        ("min_grade", _refund_for_no_grade_that_was_asked),
        ("ranks", _rank_before_the_verdict),
        ("late_entry", _first_revision_after_the_window),
        ("slots", _slot_above_the_last),
        ("own_drop", _claim_of_the_sender),
        ("claim", _entry_without_its_claim),
        ("orphan", _entries_without_their_drop),
        ("history", _told_again_after_the_end),
        ("history", _two_ends),
        ("overdue", _never_due),
        ("overdue", _due_long_after_the_window),
        ("overdue", _secrets_for_years),
        ("ranks", _loser_of_a_refund_without_a_rank),
        ("owes_nothing", _secrets_for_ever),
        ("winner", _winner_from_elsewhere),
        ("history untold", _refund_told_as_a_payout),
    ],
)
def test_a_rule_has_more_than_one_side(rule: str, plant: Callable[[], None]):
    plant()
    assert {violation.rule for violation in violations()} == set(rule.split())


def test_the_end_of_a_drop_is_told_once():
    drop_in(Status.VERIFIED)
    again = "INSERT INTO events (job_id, kind, data) SELECT job_id, kind, data FROM events WHERE kind = :kind"
    assert refusal(again, kind="payout.posted") == "events_last"


@pytest.mark.parametrize("status", Status)
def test_the_audit_is_content_with_a_drop_in_every_status(status: Status):
    let_time_pass(drop_in(status), 1)
    assert violations() == []
