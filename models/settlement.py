"""What time does to a drop: its window closes, ballots come in, ranks are given, the bounty is paid.

Every function here is safe to run twice, at once or late: it locks the drop, looks at the status
and does nothing where nothing is owed. None of them publishes; `sweep` is handed a publisher.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import attachments, calls, crash, db, dealing, events, ledger, lifecycle, panel, slots
from models.crash import Point
from models.grades import Brief, Candidate, Opinion, Verdict, aggregate, meets, quorum, unusable
from models.lifecycle import Judged
from models.schema import Ballot, Base, Drop, Heartbeat, Submission, Upload
from models.settings import settings
from models.states import TERMINAL, Status

SWEEP_BATCH = 500  # drops one sweep hands out at most; the next is a second away
NO_SUBMISSIONS = "no_submissions"
BELOW_MIN_GRADE = "below_min_grade"


@dataclass(frozen=True)
class Assignment:
    """One ballot to be cast: what the judge reads, and which entry each label stands for.

    `files`: what hangs on the entries, by label; their content is not here. `attempts`: how often the
    drop was handed out to be judged. `call`: the one that a model is to be asked with; None: no model is.
    """

    brief: Brief
    entries: dict[str, UUID]
    input_hash: str
    files: dict[str, list[Upload]] = field(default_factory=dict)
    attempts: int = 0
    call: calls.Begun | None = None


# Past the ORM and made once: they run for every ballot.
_BALLOTS = Base.metadata.tables["ballots"]
_ENTRIES = (
    select(Submission.id, Submission.body)
    .where(Submission.job_id == bindparam("job"))
    .order_by(Submission.revised_at, Submission.id)
)
_CAST_ONCE = insert(_BALLOTS).on_conflict_do_nothing().returning(_BALLOTS.c.k)

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


def hand_out(session: Session, job_id: UUID) -> list[int] | None:
    """The numbers of the ballots to be cast now; None when none are owed.

    Models take their time: the sweep gives them as long as a call may take, and after so many times in vain
    the local judge has the rest.
    """
    if not settings().models:
        return ballots_missing(session, job_id)
    drop = lifecycle.lock(session, job_id)  # before a look: what is decided meanwhile owes something else
    missing = ballots_missing(session, job_id)
    if not missing or drop.panel == "local":
        return missing
    if _given_up(session, drop):
        drop.panel = "local"
        return ballots_missing(session, job_id)
    drop.due_at = db.now(session) + calls.lease()
    return missing


def _given_up(session: Session, drop: Drop) -> bool:
    """Whether models had their chances with this drop; what one is still asked is waited for."""
    so_far = calls.of_job(session, drop.id)
    most = panel.PATIENCE if so_far else panel.PATIENCE_UNASKED
    return drop.attempts >= most and not any(call.running for call in so_far)


def ballots_missing(session: Session, job_id: UUID) -> list[int] | None:
    """The numbers of the ballots still to be cast; None when none are owed."""
    drop = session.get(Drop, job_id)
    if drop is None or drop.status is not Status.RANKING:
        return None
    return _missing(session, drop, slots.entries(session, drop))


def _missing(session: Session, drop: Drop | Judged, entries: int) -> list[int]:
    cast_already = set(session.scalars(select(Ballot.k).where(Ballot.job_id == drop.id)))
    return [k for k in panel.ballots(drop.panel, entries) if k not in cast_already]


def assign(session: Session, job_id: UUID, k: int) -> Assignment | None:
    """What the k-th ballot is about; None where it is cast already, or nobody is to be asked for it now.

    Where a model is to be asked, the call is begun with this: committed, before it is made.
    """
    drop = lifecycle.judged(session, job_id, locked=bool(settings().models))
    if drop is None or drop.status is not Status.RANKING:
        return None
    entries = [(row.id, row.body) for row in session.execute(_ENTRIES, {"job": job_id})]
    if k not in _missing(session, drop, len(entries)):
        return None
    seed = dealing.seed(dealing.name(job_id, drop.deal_secret), entries)
    brief, labels = dealing.deal(seed, k, drop.prompt, drop.pack, entries)
    call = None
    if _listens(drop):
        call = _call(session, drop, k, brief)
        if call is None:
            return None
    elif k >= len(entries):  # a second opinion is a model's
        return None
    hanging = attachments.of_entries(session, job_id)
    files = {label: hanging[entry] for label, entry in labels.items() if entry in hanging}
    return Assignment(
        brief=brief,
        entries=labels,
        input_hash=_input_hash(brief, files),
        files=files,
        attempts=drop.attempts,
        call=call,
    )


def _listens(drop: Drop | Judged) -> bool:
    """Whether models are asked for the ballots of this drop, still."""
    return bool(settings().models) and drop.panel != "local"


def _call(session: Session, drop: Judged, k: int, brief: Brief) -> calls.Begun | None:
    """Begin the call that this ballot wants next; None where it has to wait, or none is left."""
    entries, models = len(brief.candidates), settings().models
    model, so_far = panel.model(drop.panel, k, entries, models), calls.of_job(session, drop.id)
    if model is None or not panel.is_open(drop.panel, k, entries, models, so_far):
        return None
    tried = sum(call.k == k and call.model == model for call in so_far)
    return calls.start(session, drop.id, k, model, brief, tried)


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
    return _keep(session, job_id, k, judge, assignment, answer, milliseconds)


def answered(
    session: Session, job_id: UUID, k: int, judge: str, assignment: Assignment, answer: panel.Answer
) -> bool:
    """Keep how a call ended, and its ballot where it brought one; whether that was kept."""
    assert assignment.call is not None
    call_id = assignment.call.id
    if answer.outcome != "answered":
        calls.finish(session, call_id, answer)
        return False
    kept = _keep(session, job_id, k, judge, assignment, answer.opinions, answer.milliseconds, call_id)
    calls.finish(session, call_id, answer)
    return kept


def _keep(
    session: Session,
    job_id: UUID,
    k: int,
    judge: str,
    assignment: Assignment,
    answer: dict[str, Opinion],
    milliseconds: int,
    call_id: UUID | None = None,
) -> bool:
    drop = lifecycle.judged(session, job_id, locked=True)
    if drop is None or drop.status is not Status.RANKING:
        return False
    verdict = {str(entry): asdict(answer[label]) for label, entry in assignment.entries.items()}
    ballot = {
        "job_id": job_id,
        "k": k,
        "judge": judge,
        "input_hash": assignment.input_hash,
        "verdict": verdict,
        "labels": [[label, str(entry)] for label, entry in assignment.entries.items()],
        "milliseconds": milliseconds,
        "call_id": call_id,
    }
    if session.execute(_CAST_ONCE, ballot).one_or_none() is None:
        return False
    wanted = len(panel.ballots(drop.panel, len(assignment.entries)))
    events.tell(session, "judge.step", job_id, ballot=k, of=wanted, judge=judge)
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
    if _waits(session, drop, entries, verdict, at) or verdict is None:
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
        drop.grade_rationale, drop.rationale_quotes = best.rationale, best.quotes
        lifecycle.move(session, drop, Status.COMPLETED, at, by_id[best.entry].agent_id)
    return drop.status


def _waits(
    session: Session, drop: Drop, entries: list[Submission], verdict: Verdict | None, at: datetime
) -> bool:
    """Whether models are to be heard before this is decided; opens the next stage where one is through."""
    if not _listens(drop):
        return False
    models, so_far = settings().models, calls.of_job(session, drop.id)
    if any(call.running for call in so_far):
        return True
    brief = Brief(drop.prompt, drop.pack, tuple(Candidate("", entry.body) for entry in entries))
    affordable = calls.affordable(session, drop.id, brief)
    missing = _missing(session, drop, len(entries))
    if affordable and any(panel.is_open(drop.panel, k, len(entries), models, so_far) for k in missing):
        return True
    agreement = verdict.agreement if verdict else None
    askable = affordable and panel.has_calls("second", len(entries), models, so_far)
    stage = panel.following(drop.panel, len(entries), models, agreement, askable)
    if stage:
        drop.panel, drop.attempts, drop.due_at = stage, 0, at
    return stage is not None


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


# Paying --------------------------------------------------------------------------------------


def pay(session: Session, job_id: UUID) -> Status:
    """Pay the winner of a completed drop, once."""
    drop = lifecycle.lock(session, job_id)
    at = db.now(session)
    if drop.status is Status.COMPLETED:
        winner = session.get_one(Submission, drop.winning_submission_id)
        ledger.release(session, drop, winner.user_id)
        lifecycle.move(session, drop, Status.VERIFIED, at)
        payout_cents = drop.price_cents - drop.fee_cents
        events.tell(session, "payout.posted", job_id, winner.agent_id, payout_cents=payout_cents)
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
