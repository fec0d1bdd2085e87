"""Calls to models, each kept from before it is made: what they may cost, did cost, and how they ended."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, insert, select, text, update
from sqlalchemy.orm import Session

from models import locks
from models.grades import Brief
from models.ids import uuid7
from models.panel import Answer, Asked
from models.schema import Base, Call
from models.settings import settings

# After its time a call that nobody heard the end of was cut off together with its process.
GRACE = timedelta(seconds=10)

# What a call may cost is estimated before it is made, rather too high: there is no tokenizer here.
CHARACTERS_PER_TOKEN = 3
CHARACTERS_MAX = 8_000  # that a model gets to read of the task, and of each entry
INSTRUCTIONS_TOKENS = 1_000
ANSWER_TOKENS, REMARK_TOKENS = 300, 120

# Past the ORM and made once: they run for every call.
_CALLS = Base.metadata.tables["calls"]
_KEPT = "outcome trouble prompt_hash raw input_tokens output_tokens milliseconds".split()
_START = insert(_CALLS).values(begun_at=func.clock_timestamp())
_FINISH = (
    update(_CALLS)
    .where(_CALLS.c.id == bindparam("call"), _CALLS.c.outcome.is_(None))
    .values(
        **{name: bindparam(name) for name in _KEPT},
        microcents=func.coalesce(bindparam("cost", type_=BigInteger), _CALLS.c.microcents),
        ended_at=func.clock_timestamp(),
    )
)
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
    running = Call.outcome.is_(None) & (Call.begun_at > func.clock_timestamp() - lease())
    query = select(Call.k, Call.model, Call.outcome, running.label("running")).where(Call.job_id == job_id)
    return [Asked(row.k, row.model, row.outcome, row.running) for row in session.execute(query)]


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
    call = Begun(uuid7(), model, tried)
    row = {"id": call.id, "job_id": job_id, "k": k, "model": model, "microcents": estimate(brief)}
    session.execute(_START, row)
    return call


def finish(session: Session, call_id: UUID, answer: Answer) -> None:
    """Note how a call ended, once. Where nothing tells what it cost, the estimate stays."""
    cost = microcents(answer.input_tokens, answer.output_tokens) if answer.charged else 0
    told = {name: getattr(answer, name) for name in _KEPT}
    session.execute(_FINISH, {**told, "call": call_id, "cost": cost or None if answer.charged else 0})
