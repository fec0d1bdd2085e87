"""The tasks: the id of a drop or payment in, one call of `models`, and what is owed next out.

Each is safe to run twice, at once, or late; what it was told beyond the id does not count.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from celery import chord
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from models import audits, autotopup, crash, db, files, ratings, remittance, replay, settlement, uploads
from models.calls import Begun
from models.crash import Point
from models.errors import Unavailable
from models.notices import Notice, Order
from models.panel import TRIES, Answer
from models.settings import settings
from models.settlement import Assignment
from models.spells import Spells
from models.states import Status
from workers import attached, rails
from workers import judge as judges
from workers.app import app
from workers.broker import REDIS_TROUBLE
from workers.judge import llm, patience

logger = logging.getLogger(__name__)

KEEP_SECONDS, KEEP_PAUSE_SECONDS = 30.0, 0.5

_spells = Spells()


def publish(task: str, row_id: UUID | str) -> bool:
    """Send the task of that name, once; whether it was sent. What gets lost the sweep sends again."""
    try:
        app.tasks[f"workers.tasks.{task}"].delay(str(row_id))
    except REDIS_TROUBLE as error:
        logger.warning("could not send %s of %s: %s", task, row_id, error)
        return False
    return True


@app.task
def expire(job_id: str) -> None:
    """Cancel a drop that nobody paid for."""
    db.retried(lambda session: settlement.expire(session, UUID(job_id)))


@app.task
def close(job_id: str) -> None:
    """Close the window of a drop whose time is up."""
    status = db.retried(lambda session: settlement.close(session, UUID(job_id)))
    if status is Status.RANKING:
        judge(job_id)  # here and now: one hop less between the window's end and the judges


@app.task
def judge(job_id: str) -> None:
    """Have the missing ballots cast in parallel, then `rank`: a chord, and the sweep if it breaks."""
    missing = db.retried(lambda session: settlement.hand_out(session, UUID(job_id)))
    if missing is None:
        return
    crash.point(Point.CHORD_UNSENT)
    try:
        if missing:
            chord([ballot.si(job_id, k) for k in missing])(rank.si(job_id))
        else:
            rank.delay(job_id)
    except REDIS_TROUBLE as error:
        logger.warning("could not send the ballots of drop %s: %s", job_id, error)
    crash.point(Point.CHORD_SENT)


@app.task(ignore_result=False)
def ballot(job_id: str, k: int) -> int:
    """Cast the k-th ballot of a drop. Never raises: a header that does takes the chord's body along."""
    try:
        _cast(UUID(job_id), k)
    except Unavailable as trouble:
        _tell(f"ballot {k} of drop {job_id} and others wait for the files of entries", trouble)
    except Exception as error:
        if not db.noted(error):
            logger.exception("ballot %s of drop %s was not cast", k, job_id)
    return k


def _cast(job_id: UUID, k: int) -> None:
    """Ask whoever is to be asked for this ballot, until it is cast or nobody is left to be asked now."""
    while assignment := db.retried(lambda session: settlement.assign(session, job_id, k)):
        if assignment.call is None:
            return _judge(job_id, k, assignment)
        answer = _ask(assignment, assignment.call)
        crash.point(Point.BALLOT_JUDGED)
        write = partial(settlement.answered, job_id=job_id, k=k, judge=llm.NAME)
        _keep(partial(write, assignment=assignment, answer=answer))
        crash.point(Point.BALLOT_RECORDED)
        if answer.outcome == "answered":
            return None
        logger.warning("ballot %s of drop %s: %s: %s", k, job_id, assignment.call.model, answer.trouble)
        if assignment.call.tried + 1 < TRIES:
            time.sleep(answer.pause_seconds)
    return None


def _keep(write: Callable[[Session], object]) -> None:
    """Have stored what may have been paid for, though PostgreSQL is away for a while.

    Raises:
        DBAPIError, TimeoutError: it was away for longer.
    """
    until = time.monotonic() + KEEP_SECONDS
    while True:
        try:
            db.retried(write)
        except (DBAPIError, PoolTimeout):
            if time.monotonic() > until:
                raise
            time.sleep(KEEP_PAUSE_SECONDS)
        else:
            return


def _judge(job_id: UUID, k: int, assignment: Assignment) -> None:
    """Cast a ballot that no model is asked for."""
    brief = attached.read_into(assignment)
    judge_, begun = judges.chosen(assignment.attempts), time.monotonic()
    answer = patience.ask(judge_, brief, settings().judge_seconds)  # slow: no transaction is open here
    milliseconds = round((time.monotonic() - begun) * 1000)
    crash.point(Point.BALLOT_JUDGED)
    cast = (job_id, k, judge_.name, assignment, answer, milliseconds)
    db.retried(lambda session: settlement.record(session, *cast))
    crash.point(Point.BALLOT_RECORDED)


def _ask(assignment: Assignment, call: Begun) -> Answer:
    """Ask a model; slow: no transaction is open here."""
    try:
        brief = attached.read_into(assignment)
    except Unavailable as trouble:  # nobody was asked
        return Answer("failed", pause_seconds=llm.PAUSE_SECONDS, trouble=str(trouble))
    return llm.ask(brief, call.model, call.id.hex, call.tried)


@app.task
def rank(job_id: str) -> None:
    """Turn the ballots in the database into ranks and a winner."""
    status = db.retried(lambda session: settlement.rank(session, UUID(job_id)))
    crash.point(Point.RANKED)
    if status is Status.COMPLETED:
        publish("pay", job_id)


@app.task
def pay(job_id: str) -> None:
    """Pay the winner."""
    db.retried(lambda session: settlement.pay(session, UUID(job_id)))
    crash.point(Point.PAID)


@app.task
def wipe(job_id: str) -> None:
    """Forget the envVars of a drop that is long over."""
    db.retried(lambda session: settlement.wipe(session, UUID(job_id)))


@app.task
def remit(payment_id: str) -> None:
    """Tell the rail of a payment what it owes; what the rail does not answer is due again later."""
    order = db.retried(lambda session: remittance.owed(session, UUID(payment_id)))
    if order is None:
        return
    try:
        sent = rails.named(order.rail).carry_out(order)  # slow: no transaction is open here
        notice = rails.read(sent.told) if sent.told else None
    except rails.Refused as refusal:
        sent, notice = None, remittance.refused(order, refusal.reason)
    except Unavailable as trouble:
        if _spells.begins((str(trouble), trouble.cause)):
            logger.error(
                "payment %s and others wait for their rail: %s", payment_id, trouble.cause or trouble
            )
        return
    crash.point(Point.RAIL_TOLD)
    db.retried(lambda session: _note(session, order, sent, notice))
    crash.point(Point.REMITTED)


def _note(session: Session, order: Order, sent: rails.Sent | None, notice: Notice | None) -> None:
    if sent:
        remittance.sent(session, order.payment_id, sent.reference)
    remittance.receive(session, notice)


@app.task
def remit_owed() -> None:
    """Begin the automatic top-ups that are due, and hand out every payment whose rail has to be told."""
    autotopup.sweep(settings().payments)
    remittance.sweep(publish)


@app.task
def sweep() -> None:
    """Hand out everything that is due, and note that the money queue is served."""
    settlement.sweep(publish)
    db.retried(lambda session: settlement.beat(session, "money"))


@app.task
def pulse() -> None:
    """Note that the judge queue is served."""
    db.retried(lambda session: settlement.beat(session, "judge"))


@app.task
def rate() -> None:
    """Count decided drops in the ratings of their agents."""
    db.retried(ratings.rate, slow=True)


@app.task
def audit() -> None:
    """Check every promise over all rows, and keep what was found."""
    audits.run()


@app.task
def tidy() -> None:
    """Remove unused files and forget old Idempotency-Keys."""
    keys = db.retried(replay.forget_old, slow=True)
    try:
        rows, strays = uploads.tidy(files.chosen())
    except Unavailable as trouble:
        _tell("unused files are not removed", trouble)
        return
    if rows or strays or keys:
        logger.info("removed %s unused uploads, %s stray files, %s Idempotency-Keys", rows, strays, keys)


def _tell(what: str, trouble: Unavailable) -> None:
    """Log what waits for a service of others, and why, once as long as that lasts."""
    if _spells.begins((str(trouble), trouble.cause)):
        logger.error("%s: %s", what, trouble.cause or trouble)
