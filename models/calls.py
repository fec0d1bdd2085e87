"""Calls to models, each kept from before it is made: what they may cost, did cost, and how they ended."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from models import db, locks
from models.grades import Brief
from models.panel import Answer, Asked
from models.schema import Call
from models.settings import settings

# After its time a call that nobody heard the end of was cut off together with its process.
GRACE = timedelta(seconds=10)

# What a call may cost is estimated before it is made, rather too high: there is no tokenizer here.
CHARACTERS_PER_TOKEN = 3
CHARACTERS_MAX = 8_000  # that a model gets to read of the task, and of each entry
INSTRUCTIONS_TOKENS = 1_000
ANSWER_TOKENS, REMARK_TOKENS = 300, 120

_TODAY = text("calls.begun_at >= date_trunc('day', clock_timestamp(), 'UTC')")


@dataclass(frozen=True)
class Begun:
    """A call to be made now. `tried`: how many calls of this model for this ballot came before it."""

    id: UUID
    model: str
    tried: int


def lease() -> timedelta:
    """How long a call may be running."""
    return timedelta(seconds=settings().llm_timeout_seconds) + GRACE


def of_job(session: Session, job_id: UUID) -> list[Asked]:
    """All calls for a drop."""
    since = db.now(session) - lease()
    query = select(Call.k, Call.model, Call.outcome, Call.begun_at).where(Call.job_id == job_id)
    return [
        Asked(row.k, row.model, row.outcome, row.outcome is None and row.begun_at > since)
        for row in session.execute(query)
    ]


def estimate(brief: Brief) -> int:
    """What a call about this may cost, in millionths of a cent."""
    texts = [brief.prompt, *(candidate.text for candidate in brief.candidates)]
    read = INSTRUCTIONS_TOKENS + sum(min(len(t), CHARACTERS_MAX) for t in texts) // CHARACTERS_PER_TOKEN
    return microcents(read, ANSWER_TOKENS + REMARK_TOKENS * len(brief.candidates))


def microcents(input_tokens: int, output_tokens: int) -> int:
    """The price of a call, in millionths of a cent."""
    prices = settings()
    read = input_tokens * prices.llm_input_cents_per_million
    return round(read + output_tokens * prices.llm_output_cents_per_million)


def affordable(session: Session, job_id: UUID, brief: Brief) -> bool:
    """Whether one more call about this stays below the caps of the drop and of the day."""
    cost, caps = estimate(brief), settings()
    if caps.llm_cents_per_drop_max is not None:
        spent = session.scalar(select(func.sum(Call.microcents)).where(Call.job_id == job_id)) or 0
        if spent + cost > caps.llm_cents_per_drop_max * 1e6:
            return False
    if caps.llm_cents_per_day_max is not None:
        locks.hold(session, locks.Lock.SPEND)  # until this call is counted, too
        spent = session.scalar(select(func.sum(Call.microcents)).where(_TODAY)) or 0
        return bool(spent + cost <= caps.llm_cents_per_day_max * 1e6)
    return True


def start(session: Session, job_id: UUID, k: int, model: str, brief: Brief, tried: int) -> Begun:
    """Note a call that is about to be made. The drop is locked, so that its calls can be counted."""
    row = Call(job_id=job_id, k=k, model=model, begun_at=db.now(session), microcents=estimate(brief))
    session.add(row)
    session.flush()
    return Begun(row.id, model, tried)


def finish(session: Session, call_id: UUID, answer: Answer) -> None:
    """Note how a call ended, once. Where nothing tells what it cost, the estimate stays."""
    row = session.get_one(Call, call_id, with_for_update=True)
    if row.outcome is not None:
        return
    row.outcome, row.ended_at, row.trouble = answer.outcome, db.now(session), answer.trouble
    row.prompt_hash, row.raw, row.milliseconds = answer.prompt_hash, answer.raw, answer.milliseconds
    row.input_tokens, row.output_tokens = answer.input_tokens, answer.output_tokens
    if answer.charged:
        row.microcents = microcents(answer.input_tokens, answer.output_tokens) or row.microcents
    else:
        row.microcents = 0
