"""Calls to models, each kept from before it is made: what they may cost, did cost, and how they ended."""

import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import BigInteger, Interval, and_, bindparam, func, insert, select, text, update
from sqlalchemy.orm import Session

from models import locks
from models.grades import Brief
from models.ids import uuid7
from models.panel import ANSWER_TOKENS, REMARK_TOKENS, TEXT_MAX, Answer, Asked
from models.schema import Attachment, Base, Call
from models.settings import settings

# After its time a call that nobody heard the end of was cut off together with its process.
GRACE = timedelta(seconds=10)

# What a call may cost is estimated before it is made, rather too high: there is no tokenizer here.
CHARACTERS_PER_TOKEN = 3  # of ASCII, as JSON writes it; any other is a token of its own
INSTRUCTIONS_TOKENS = 1_000
FRAME_TOKENS = 20  # of a text: label, quotation marks, what says that it was cut

# Past the ORM and made once: they run for every call.
_CALLS = Base.metadata.tables["calls"]
_KEPT = "outcome trouble prompt_hash raw input_tokens output_tokens milliseconds".split()
_OF_JOB = select(
    _CALLS.c.k,
    _CALLS.c.model,
    _CALLS.c.outcome,
    and_(
        _CALLS.c.outcome.is_(None),
        _CALLS.c.begun_at > func.clock_timestamp() - bindparam("lease", type_=Interval),
    ).label("running"),
).where(_CALLS.c.job_id == bindparam("job"))
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
    found = session.execute(_OF_JOB, {"job": job_id, "lease": lease()})
    return [Asked(row.k, row.model, row.outcome, row.running) for row in found]


def estimate(brief: Brief, with_files: int = 0) -> int:
    """What a call about this may cost, in millionths of a cent.

    `with_files`: how many of the entries have files that are not in the brief yet, and in any script.
    """
    texts = [brief.prompt, *(candidate.whole for candidate in brief.candidates)]
    read = INSTRUCTIONS_TOKENS + sum(map(_tokens, texts)) + with_files * TEXT_MAX
    return microcents(read, ANSWER_TOKENS + REMARK_TOKENS * len(brief.candidates))


def _tokens(text: str) -> int:
    """How many tokens a text may be at most, more or less."""
    written = json.dumps(text[:TEXT_MAX], ensure_ascii=False)
    ascii_ = len(written.encode("ascii", "ignore"))
    return FRAME_TOKENS + len(written) - ascii_ + ascii_ // CHARACTERS_PER_TOKEN


def _likely(session: Session, job_id: UUID, brief: Brief) -> int:
    """The estimate of a call for a drop, with what hangs on its entries."""
    if not settings().priced:
        return 0
    entries = func.count(Attachment.submission_id.distinct())
    return estimate(brief, session.scalar(select(entries).where(Attachment.job_id == job_id)) or 0)


def microcents(input_tokens: int, output_tokens: int) -> int:
    """The price of a call, in millionths of a cent."""
    prices = settings()
    read = input_tokens * prices.llm_input_cents_per_million
    return round(read + output_tokens * prices.llm_output_cents_per_million)


def affordable(session: Session, job_id: UUID, brief: Brief) -> bool:
    """Whether one more call about this stays below the caps of the drop and of the day."""
    return _within_caps(session, job_id, _likely(session, job_id, brief))


def _within_caps(session: Session, job_id: UUID, cost: int) -> bool:
    caps = settings()
    if caps.llm_cents_per_drop_max is not None:
        spent = session.scalar(select(func.sum(Call.microcents)).where(Call.job_id == job_id)) or 0
        if spent + cost > caps.llm_cents_per_drop_max * 1e6:
            return False
    if caps.llm_cents_per_day_max is not None:
        locks.hold(session, locks.Lock.SPEND)  # until this call is counted, too
        spent = session.scalar(select(func.sum(Call.microcents)).where(_TODAY)) or 0
        return bool(spent + cost <= caps.llm_cents_per_day_max * 1e6)
    return True


def start(session: Session, job_id: UUID, k: int, model: str, brief: Brief, tried: int) -> Begun | None:
    """Note a call that is about to be made, if the caps allow it.

    The drop is locked, so that its calls can be counted.
    """
    likely = _likely(session, job_id, brief)
    if not _within_caps(session, job_id, likely):
        return None
    call = Begun(uuid7(), model, tried)
    row = {"id": call.id, "job_id": job_id, "k": k, "model": model, "microcents": likely}
    session.execute(_START, row)
    return call


def finish(session: Session, call_id: UUID, answer: Answer) -> None:
    """Note how a call ended, once. Where nothing tells what it cost, the estimate stays."""
    cost: int | None = 0
    if answer.charged:
        cost = microcents(answer.input_tokens, answer.output_tokens) or None
    told = {name: getattr(answer, name) for name in _KEPT}
    session.execute(_FINISH, {**told, "call": call_id, "cost": cost})
