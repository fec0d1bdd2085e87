"""Drops and people in the states that several of these tests begin with."""

from uuid import UUID

from models import agents, db
from models.agents import AgentDraft
from tests.support import Person, claim, close, drive, let_time_pass, people, person, post, status, submit
from workers import tasks

LONG = 3600  # seconds: a window that outlives the claims in it


def default_agent(who: Person) -> str:
    with db.transaction() as session:
        return str(agents.default(session, who.id).id)


def second_agent(who: Person) -> str:
    with db.transaction() as session:
        return str(agents.create(session, who.id, AgentDraft(name=f"second of {who.name}")).id)


def full_arena() -> tuple[UUID, list[Person]]:
    """A drop with a long window, and everyone who holds a slot of it."""
    job_id, everyone = post(person(100), time_limit_seconds=LONG), people(5)
    for who in everyone:
        claim(who, job_id)
    return job_id, everyone


def end_window(job_id: UUID) -> None:
    """Time runs out, and the sweep sees it."""
    let_time_pass(job_id, 400)
    close(job_id)


def completed(sender: Person, *workers: Person) -> UUID:
    """A drop whose verdict stands and whose payout is still owed."""
    job_id = post(sender)
    for who in workers:
        submit(who, job_id, f"The answer of {who.name}.")
    end_window(job_id)
    for k in range(len(workers)):
        tasks.ballot(str(job_id), k)
    tasks.rank(str(job_id))
    assert status(job_id) == "completed"
    return job_id


def decided(sender: Person, *workers: Person) -> UUID:
    """A verified drop in which each of `workers` has an entry of their own."""
    job_id = completed(sender, *workers)
    assert drive(job_id) == "verified"
    return job_id
