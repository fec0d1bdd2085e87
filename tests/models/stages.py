"""Bringing a drop to any status through the real code, judged by a judge of the test's own."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models import db, market, settlement
from models.grades import Grade, Opinion
from models.settlement import Assignment
from models.states import Status
from tests.support import Person, let_time_pass, person, post, submit

PRICE = 100
TRANSFER = """INSERT INTO transfers (id, key, kind, job_id, debit_id, credit_id, amount_cents)
    VALUES (gen_random_uuid(), gen_random_uuid()::text, :kind, :job, :debit, :credit, :cents)"""


def answer(assignment: Assignment, grade: Grade = "B") -> dict[str, Opinion]:
    """A ballot that prefers what comes first in the alphabet."""
    order = sorted(assignment.brief.candidates, key=lambda candidate: candidate.text)
    return {
        candidate.label: Opinion(place, grade, f"place {place}")
        for place, candidate in enumerate(order, start=1)
    }


def cast(job_id: UUID, k: int, grade: Grade = "B") -> bool:
    with db.transaction() as session:
        assignment = settlement.assign(session, job_id, k)
        return assignment is not None and settlement.record(
            session, job_id, k, "test", assignment, answer(assignment, grade), 7
        )


def cast_all(job_id: UUID, grade: Grade = "B") -> None:
    with db.transaction() as session:
        missing = settlement.ballots_missing(session, job_id) or []
    for k in missing:
        cast(job_id, k, grade)


def close(job_id: UUID) -> Status:
    with db.transaction() as session:
        return settlement.close(session, job_id)


def rank(job_id: UUID) -> Status:
    with db.transaction() as session:
        return settlement.rank(session, job_id)


def pay(job_id: UUID) -> Status:
    with db.transaction() as session:
        return settlement.pay(session, job_id)


def cancel(sender: Person, job_id: UUID) -> Status:
    with db.transaction() as session:
        return market.cancel(session, sender.id, job_id)[0].status


def settled(job_id: UUID, grade: Grade = "B") -> Status:
    """What becomes of a drop in `ranking` when everything goes well."""
    cast_all(job_id, grade)
    rank(job_id)
    return pay(job_id)


def drop_in(status: Status, sender: Person | None = None, **draft: Any) -> UUID:
    """A drop in that status; from `ranking` on with two entries, and its sender's wallet empty."""
    pending = status is Status.PENDING_PAYMENT
    sender = sender or person(0 if pending else PRICE)
    job_id = post(sender, price_cents=PRICE, **draft)
    if status is Status.CANCELLED:
        cancel(sender, job_id)
    if status is Status.FAILED:
        let_time_pass(job_id)
        close(job_id)
    if status in (Status.RANKING, Status.COMPLETED, Status.VERIFIED):
        for body in ("apple", "banana"):
            submit(person(), job_id, body)
        let_time_pass(job_id)
        close(job_id)
    if status in (Status.COMPLETED, Status.VERIFIED):
        cast_all(job_id)
        rank(job_id)
    if status is Status.VERIFIED:
        pay(job_id)
    return job_id


def sql(statement: str, **values: Any) -> list[Any]:
    """Run one statement past all of our code, and commit it."""
    with db.engine().begin() as connection:
        result = connection.execute(text(statement), values)
        return list(result) if result.returns_rows else []


def refusal(statement: str, **values: Any) -> str | None:
    """The constraint by which PostgreSQL refuses this statement, or its commit; None if it does not."""
    try:
        sql(statement, **values)
    except DBAPIError as error:
        return error.orig.diag.constraint_name  # type: ignore[union-attr]
    return None


def wallet(who: Person | UUID) -> UUID:
    user_id = who.id if isinstance(who, Person) else who
    return sql("SELECT id FROM accounts WHERE user_id = :id", id=user_id)[0].id


def escrow(job_id: UUID) -> UUID:
    return sql("SELECT id FROM accounts WHERE job_id = :id", id=job_id)[0].id


def sender_of(job_id: UUID) -> UUID:
    return sql("SELECT sender_id FROM jobs WHERE id = :id", id=job_id)[0].sender_id


def corrupt(*statements: str, **values: object) -> None:
    """Change rows as no guard would allow: triggers and foreign keys are off."""
    with db.engine().begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement), values)
