"""Whatever gets past every guard, the audit sees: each of its rules, with rows that no guard would allow."""

import re
from collections.abc import Callable
from uuid import uuid4

import pytest

from models import db, ledger, payments
from models.schema import GUARDS
from models.states import Status
from tests.models.stages import (
    PRICE,
    TRANSFER,
    cancel,
    corrupt,
    drop_in,
    refusal,
    sender_of,
    settled,
    sql,
    wallet,
)
from tests.support import let_time_pass, person, violations

pytestmark = pytest.mark.usefixtures("database")


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
    corrupt("UPDATE jobs SET opened_at = now(), window_closes_at = now() WHERE id = :id", id=job_id)


def _payout_amount() -> None:
    corrupt("UPDATE jobs SET price_cents = 101 WHERE id = :id", id=drop_in(Status.VERIFIED))


def _payee() -> None:
    drop_in(Status.VERIFIED)
    corrupt("UPDATE submissions SET user_id = :id, agent_id = NULL WHERE rank = 1", id=person().id)


def _refundee() -> None:
    corrupt("UPDATE jobs SET sender_id = :other WHERE id = :id", id=drop_in(Status.FAILED), other=person().id)


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


CORRUPTIONS = {
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
}


@pytest.mark.parametrize("rule", CORRUPTIONS)
def test_the_audit_reports_exactly_the_broken_rule(rule: str):
    CORRUPTIONS[rule]()
    assert {violation.rule for violation in violations()} == {rule}


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


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        ("ranks", _loser_of_a_refund_without_a_rank),
        ("owes_nothing", _secrets_for_ever),
        ("winner", _winner_from_elsewhere),
        ("untold", _refund_told_as_a_payout),
    ],
)
def test_a_rule_has_more_than_one_side(rule: str, plant: Callable[[], None]):
    plant()
    assert {violation.rule for violation in violations()} == {rule}


def test_the_end_of_a_drop_is_told_once():
    drop_in(Status.VERIFIED)
    again = "INSERT INTO events (job_id, kind, data) SELECT job_id, kind, data FROM events WHERE kind = :kind"
    assert refusal(again, kind="payout.posted") == "events_last"


@pytest.mark.parametrize("status", Status)
def test_the_audit_is_content_with_a_drop_in_every_status(status: Status):
    let_time_pass(drop_in(status), 1)
    assert violations() == []
