"""What time does to a drop: its window closes, ballots come in, ranks are given, the bounty is paid.

Every function here is safe to run twice, at once or late: it locks the drop, looks at the status
and does nothing where nothing is owed. None of them publishes; `sweep` is handed a publisher.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from random import Random
from typing import cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import attachments, crash, db, events, ledger, lifecycle, slots
from models.crash import Point
from models.grades import Brief, Candidate, Opinion, Verdict, aggregate, meets, quorum, unusable
from models.schema import Ballot, Drop, Heartbeat, Submission, Upload
from models.states import TERMINAL, Status

SWEEP_BATCH = 500  # drops one sweep hands out at most; the next is a second away
NO_SUBMISSIONS = "no_submissions"
BELOW_MIN_GRADE = "below_min_grade"

_LABELS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no letters that look alike


@dataclass(frozen=True)
class Assignment:
    """One ballot to be cast: what the judge reads, and which entry each label stands for.

    `files`: what hangs on the entries, by label; their content is not here. `attempts`: how often the
    drop was handed out to be judged.
    """

    brief: Brief
    entries: dict[str, UUID]
    input_hash: str
    files: dict[str, list[Upload]] = field(default_factory=dict)
    attempts: int = 0


# Closing -------------------------------------------------------------------------------------


def expire(session: Session, job_id: UUID) -> Status:
    """Cancel a drop that was never paid for."""
    drop = lifecycle.lock(session, job_id)
    at = db.now(session)
    if drop.status is Status.PENDING_PAYMENT and drop.created_at + lifecycle.PENDING_LIFE <= at:
        lifecycle.move(session, drop, Status.CANCELLED, at)
    return drop.status


def close(session: Session, job_id: UUID) -> Status:
    """Close the window of a drop if it is over."""
    drop = lifecycle.lock(session, job_id)
    at = db.now(session)
    if drop.status is Status.OPEN:
        settle_window(session, drop, at)
    return drop.status


def settle_window(session: Session, drop: Drop, at: datetime) -> None:
    """Close the window of this locked, open drop if time, a full set or a scheduled cancel say so.

    Entries go to the judges; without one the whole bounty goes back in this same transaction.
    """
    slots.expire(session, drop, at)
    session.flush()
    entries = slots.entries(session, drop)
    idle_until = slots.last_idle_until(session, drop)
    if not _window_over(drop, at, entries, idle_until):
        # A scheduled cancel waits for the last claim without an entry, the clock for the window.
        drop.due_at = idle_until if drop.cancel_requested_at else drop.window_closes_at
    elif entries:
        lifecycle.move(session, drop, Status.RANKING, at)
    elif drop.cancel_requested_at:
        ledger.refund(session, drop)
        lifecycle.move(session, drop, Status.CANCELLED, at)
    else:
        _fail(session, drop, NO_SUBMISSIONS, at)
    if drop.status is not Status.OPEN:
        session.flush()
        crash.point(Point.MOVED)


def _window_over(drop: Drop, at: datetime, entries: int, idle_until: datetime | None) -> bool:
    assert drop.window_closes_at is not None
    return (
        at >= drop.window_closes_at
        or entries == drop.max_claims
        or (drop.cancel_requested_at is not None and idle_until is None)
    )


def _fail(session: Session, drop: Drop, reason: str, at: datetime) -> None:
    ledger.refund(session, drop)  # first: its queries flush, and a reason without the status is refused
    drop.failure_reason = reason
    lifecycle.move(session, drop, Status.FAILED, at)


# Judging -------------------------------------------------------------------------------------


def ballots_missing(session: Session, job_id: UUID) -> list[int] | None:
    """The numbers of the ballots still to be cast, one for each entry; None when none are owed."""
    drop = session.get(Drop, job_id)
    if drop is None or drop.status is not Status.RANKING:
        return None
    cast_already = set(session.scalars(select(Ballot.k).where(Ballot.job_id == job_id)))
    return [k for k in range(slots.entries(session, drop)) if k not in cast_already]


def assign(session: Session, job_id: UUID, k: int) -> Assignment | None:
    """What the k-th ballot is about; None where it is cast already or the drop is past judging.

    The orders are the cyclic shifts of one shuffle, so that every entry stands once in every
    place. Shuffle and labels derive from the entries themselves: the same when a message is
    redelivered, and unknown to a competitor, who cannot see the others' entries.
    """
    if k not in (ballots_missing(session, job_id) or ()):
        return None
    drop = session.get_one(Drop, job_id)
    entries = arrivals(session, job_id)
    seed = hashlib.sha256(
        "\0".join([str(job_id), *(f"{entry.id}:{entry.body}" for entry in entries)]).encode()
    ).hexdigest()
    # Not a secret drawn from entropy: reproducible on purpose, so that a receipt can be checked.
    order = Random(seed).sample(entries, len(entries))  # noqa: S311
    order = order[k % len(order) :] + order[: k % len(order)]
    labels = ["".join(pair) for pair in Random(f"{seed}:{k}").sample(_label_pairs(), len(order))]  # noqa: S311
    brief = Brief(
        prompt=drop.prompt,
        pack=drop.pack,
        candidates=tuple(Candidate(label, entry.body) for label, entry in zip(labels, order, strict=True)),
    )
    hanging = attachments.of_entries(session, job_id)
    files = {label: hanging[e.id] for label, e in zip(labels, order, strict=True) if e.id in hanging}
    return Assignment(
        brief=brief,
        entries={label: entry.id for label, entry in zip(labels, order, strict=True)},
        input_hash=_input_hash(brief, files),
        files=files,
        attempts=drop.attempts,
    )


def _input_hash(brief: Brief, files: dict[str, list[Upload]]) -> str:
    """Of all that goes in: the brief, and of each file what it is called, what it is and its own hash."""
    hanging = {
        label: [[file.name, file.content_type, file.sha256.hex()] for file in uploads]
        for label, uploads in files.items()
    }
    return brief.digest(files=hanging) if hanging else brief.digest()


def record(
    session: Session,
    job_id: UUID,
    k: int,
    judge: str,
    assignment: Assignment,
    answer: dict[str, Opinion],
    milliseconds: int,
) -> bool:
    """Keep a ballot. The first writer wins; False where it was cast before, or comes too late.

    Raises:
        ValueError: the answer is none; it says why.
    """
    if wrong := unusable(answer, list(assignment.entries)):
        raise ValueError(f"{judge} gave no usable answer: {wrong}")
    drop = lifecycle.lock(session, job_id)
    if drop.status is not Status.RANKING:
        return False
    verdict = {str(entry): asdict(answer[label]) for label, entry in assignment.entries.items()}
    statement = insert(Ballot).values(
        job_id=job_id,
        k=k,
        judge=judge,
        input_hash=assignment.input_hash,
        verdict=verdict,
        labels=[[label, str(entry)] for label, entry in assignment.entries.items()],
        milliseconds=milliseconds,
    )
    once = statement.on_conflict_do_nothing().returning(Ballot.k)
    if session.execute(once).one_or_none() is None:
        return False
    events.tell(session, "judge.step", job_id, ballot=k, of=len(assignment.entries), judge=judge)
    return True


def rank(session: Session, job_id: UUID) -> Status:
    """Turn the ballots into ranks, grades and a winner, once a quorum of them is in.

    Nothing a task was told counts here, only what the database holds.
    """
    drop = lifecycle.lock(session, job_id)
    at = db.now(session)
    if drop.status is not Status.RANKING:
        return drop.status
    entries = arrivals(session, job_id)
    verdict = decide(session, job_id, entries)
    if verdict is None:
        return drop.status
    by_id = {entry.id: entry for entry in entries}
    for ranked in verdict.ranking:
        entry = by_id[ranked.entry]
        entry.rank, entry.grade, entry.score = ranked.rank, ranked.grade, ranked.score
        entry.rationale = ranked.rationale
    session.flush()
    best = verdict.ranking[0]
    drop.agreement = verdict.agreement
    if drop.min_grade and not meets(best.grade, drop.min_grade):
        _fail(session, drop, BELOW_MIN_GRADE, at)
    else:
        drop.winning_submission_id, drop.grade = best.entry, best.grade
        drop.grade_rationale = best.rationale
        lifecycle.move(session, drop, Status.COMPLETED, at)
    return drop.status


def decide(session: Session, job_id: UUID, entries: list[Submission]) -> Verdict | None:
    """What the ballots of a drop say of its entries, earliest first; None while too few are cast."""
    cast_ballots = select(Ballot).where(Ballot.job_id == job_id).order_by(Ballot.k)
    ballots = [_opinions(ballot) for ballot in session.scalars(cast_ballots)]
    if len(ballots) < quorum(len(entries)):
        return None
    return aggregate(ballots, [entry.id for entry in entries])


def misjudged(session: Session) -> list[UUID]:
    """The decided drops whose ranks and grades are not those that their ballots give: none, if all is well.

    Works every verdict out anew: seconds for some thousand drops.
    """
    decided = session.scalars(select(Drop).where(Drop.grade.is_not(None)))
    return [drop.id for drop in decided if not _as_decided(session, drop)]


def _as_decided(session: Session, drop: Drop) -> bool:
    entries = arrivals(session, drop.id)
    verdict = decide(session, drop.id, entries)
    told = {entry.id: (entry.rank, entry.grade) for entry in entries}
    return verdict is not None and {r.entry: (r.rank, r.grade) for r in verdict.ranking} == told


def arrivals(session: Session, job_id: UUID) -> list[Submission]:
    """The entries of a drop, earliest last revision first."""
    query = select(Submission).where(Submission.job_id == job_id)
    return list(session.scalars(query.order_by(Submission.revised_at, Submission.id)))


def _opinions(ballot: Ballot) -> dict[UUID, Opinion]:
    return {UUID(entry): Opinion(**opinion) for entry, opinion in ballot.verdict.items()}


def _label_pairs() -> list[tuple[str, str]]:
    return [(a, b) for a in _LABELS for b in _LABELS]


# Paying --------------------------------------------------------------------------------------


def pay(session: Session, job_id: UUID) -> Status:
    """Pay the winner of a completed drop, once."""
    drop = lifecycle.lock(session, job_id)
    at = db.now(session)
    if drop.status is Status.COMPLETED:
        winner = session.get_one(Submission, drop.winning_submission_id)
        ledger.release(session, drop, winner.user_id)
        lifecycle.move(session, drop, Status.VERIFIED, at)
        paid = {"agent_id": str(winner.agent_id), "payout_cents": drop.price_cents - drop.fee_cents}
        events.tell(session, "payout.posted", job_id, **paid)
        session.flush()
        crash.point(Point.PAYING)
    return drop.status


def wipe(session: Session, job_id: UUID) -> Status:
    """Forget the envVars of a drop that ended a day ago."""
    drop = lifecycle.lock(session, job_id)
    if drop.status in TERMINAL and cast(datetime, drop.ended_at) + lifecycle.ENV_VARS_LIFE <= db.now(session):
        drop.env_vars = drop.due_at = None
    return drop.status


# Driving -------------------------------------------------------------------------------------


def sweep(publish: Callable[[str, UUID], object]) -> Counter[str]:
    """Hand out everything that is due: the guarantee behind every message that may get lost.

    Args:
        publish: called with a task's name and a drop's id, after the lease has been committed. Where it
            says False, nothing was sent and the sweep ends: a broker that is away is not asked for each drop.

    Returns:
        How many tasks of each name were handed out.
    """
    handed_out: Counter[str] = Counter()
    while handed_out.total() < SWEEP_BATCH:
        owed = db.retried(lifecycle.take_owed)
        if owed is None:
            break
        crash.point(Point.LEASED)
        if publish(owed.task, owed.job_id) is False:
            break
        handed_out[owed.task] += 1
    return handed_out


def beat(session: Session, queue: str) -> None:
    """Note that a worker of this queue is alive."""
    at = db.now(session)
    statement = insert(Heartbeat).values(queue=queue, beat_at=at)
    session.execute(statement.on_conflict_do_update(index_elements=["queue"], set_={"beat_at": at}))
