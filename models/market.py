"""What senders do: ask for an estimate, post a drop, pay for it, call it off."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import access, attachments, crash, db, events, ledger, lifecycle, settlement, vault
from models.attachments import Names
from models.crash import Point
from models.errors import (
    DropEnded,
    InsufficientBalance,
    NotCancellable,
    TooManyPending,
)
from models.grades import GRADES, Grade
from models.money import dollars
from models.packs import DEFAULT_BOUNTY_CENTS, Pack
from models.schema import Drop
from models.settings import settings
from models.states import Status
from models.texts import BLANK, Storable, Visible, storable, title, visible

PROMPT_MAX = 20_000  # characters
TITLE_MAX = 80
ENV_VARS_MAX = 50
ENV_VARS_BYTES_MAX = 16 * 1024  # names and values together
PENDING_RETRY_SECONDS = 60


def _small_enough(env_vars: dict[str, str]) -> dict[str, str]:
    if sum(len(name.encode()) + len(value.encode()) for name, value in env_vars.items()) > ENV_VARS_BYTES_MAX:
        raise ValueError(f"must be at most {ENV_VARS_BYTES_MAX} bytes in all")
    return env_vars


# Without a pattern: keys that have one are described by `patternProperties`, which few clients know.
VariableName = Annotated[str, AfterValidator(storable), AfterValidator(visible)]


class Draft(BaseModel):
    """What a sender asks for. Numbers out of range are clamped, not refused."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)

    prompt: Annotated[Visible, Field(max_length=PROMPT_MAX)] = Field(
        description=f"What is asked for; not blank. {BLANK}", examples=["Name three rivers of Europe."]
    )
    env_vars: Annotated[
        dict[VariableName, Storable], Field(max_length=ENV_VARS_MAX), AfterValidator(_small_enough)
    ] = Field(
        default_factory=dict,
        alias="envVars",
        repr=False,
        description=f"Values for those who compete, by name; a name is not blank. "
        f"{ENV_VARS_BYTES_MAX // 1024} KiB in all. The board does not show them.",
    )
    attachments: Names = Field(default_factory=list)
    pack: Pack = "wild"
    price_cents: int | None = None
    time_limit_seconds: int | None = None
    min_grade: Grade | None = None


NO_MIN_GRADE = (
    "Without a minimum grade above F the best entry takes the whole bounty, however poor it is, and anybody "
    "may fill the slots. Set one to pay only for an entry that is good enough."
)


@dataclass(frozen=True)
class Estimate:
    """What a draft would become, and the bounds that price and time were brought into."""

    draft: Draft
    title: str
    price_cents: int
    fee_cents: int
    time_limit_seconds: int
    max_claims: int
    price_clamped: bool
    price_min_cents: int
    price_max_cents: int
    time_limit_clamped: bool
    time_limit_min_seconds: int
    time_limit_max_seconds: int

    @property
    def warnings(self) -> list[str]:
        """What a sender has to know before confirming, a sentence each."""
        sentences = []
        if self.price_clamped:
            least, most = dollars(self.price_min_cents), dollars(self.price_max_cents)
            bounty = dollars(self.price_cents)
            sentences.append(f"The bounty is {bounty}: it has to be between {least} and {most}.")
        if self.time_limit_clamped:
            least, most = f"{self.time_limit_min_seconds} s", f"{self.time_limit_max_seconds} s"
            window = f"{self.time_limit_seconds} s"
            sentences.append(f"The window is {window}: it has to be between {least} and {most}.")
        if self.draft.min_grade in (None, GRADES[-1]):  # no entry is below the last grade
            sentences.append(NO_MIN_GRADE)
        return sentences


@dataclass(frozen=True)
class Posted:
    """A stored drop, on the terms that its draft came to.

    `shortfall` says why it waits for payment instead of being open.
    """

    drop: Drop
    terms: Estimate
    shortfall: InsufficientBalance | None


def estimate(session: Session, sender_id: UUID, draft: Draft) -> Estimate:
    """Price, time and title of a draft. Stores nothing.

    Raises:
        UnknownFile: an attachment is not an upload of the sender.
        Invalid: an attachment is named twice, or all together are too large.
    """
    attachments.named(session, sender_id, draft.attachments, "attachments")
    return price(draft)


def price(draft: Draft) -> Estimate:
    """Price, time and title of a draft, whatever files it names."""
    rules = settings()
    wish = DEFAULT_BOUNTY_CENTS[draft.pack] if draft.price_cents is None else draft.price_cents
    cents = min(max(wish, rules.price_min_cents), rules.price_max_cents)
    wanted = (
        rules.time_limit_default_seconds if draft.time_limit_seconds is None else draft.time_limit_seconds
    )
    seconds = min(max(wanted, rules.time_limit_min_seconds), rules.time_limit_max_seconds)
    fee = cents * rules.platform_fee_bps // 10_000 + rules.platform_fee_flat_cents
    return Estimate(
        draft=draft,
        title=title(draft.prompt, TITLE_MAX),
        price_cents=cents,
        fee_cents=min(fee, cents - 1),
        time_limit_seconds=seconds,
        max_claims=rules.max_claims,
        price_clamped=cents != wish,
        price_min_cents=rules.price_min_cents,
        price_max_cents=rules.price_max_cents,
        time_limit_clamped=seconds != wanted,
        time_limit_min_seconds=rules.time_limit_min_seconds,
        time_limit_max_seconds=rules.time_limit_max_seconds,
    )


def post(session: Session, sender_id: UUID, draft: Draft) -> Posted:
    """Store a drop and open it, paid from the sender's wallet in the same transaction.

    Where the wallet does not cover it, the drop waits as `pending_payment`.

    Raises:
        UnknownFile, Invalid: as `estimate`.
        TooManyPending: it would wait, and too many of this sender's do already; nothing is stored.
    """
    files = attachments.named(session, sender_id, draft.attachments, "attachments")
    terms = price(draft)
    funds = ledger.available(session, sender_id)  # locks the wallet: what follows is one decision
    if funds < terms.price_cents:
        _require_room_for_pending(session, sender_id)
    at = db.now(session)
    drop = Drop(
        sender_id=sender_id,
        prompt=draft.prompt,
        title=terms.title,
        pack=draft.pack,
        price_cents=terms.price_cents,
        fee_bps=settings().platform_fee_bps,
        fee_flat_cents=settings().platform_fee_flat_cents,
        time_limit_seconds=terms.time_limit_seconds,
        max_claims=terms.max_claims,
        min_grade=draft.min_grade,
        env_vars=vault.seal(draft.env_vars),
    )
    lifecycle.begin(drop, at)
    session.add(drop)
    session.flush()
    attachments.attach(session, files, drop)
    try:
        _open(session, drop)
    except InsufficientBalance as shortfall:
        return Posted(drop, terms, shortfall)
    return Posted(drop, terms, None)


def pay(session: Session, user_id: UUID, job_id: UUID) -> Drop:
    """Open a drop that waits for payment. Paying an open one again changes and costs nothing.

    Raises:
        NotFound, SendersOnly: not the caller's drop.
        InsufficientBalance: the wallet still does not cover it; nothing changed.
        DropEnded: it is over.
    """
    drop = lifecycle.lock(session, job_id)
    access.require_sender(session, drop, user_id)
    waits = drop.status is Status.PENDING_PAYMENT
    if waits and db.now(session) < drop.created_at + lifecycle.PENDING_LIFE:
        _open(session, drop)
    elif drop.status is not Status.OPEN:
        raise DropEnded(job_status=drop.status)
    return drop


def cancel(session: Session, user_id: UUID, job_id: UUID) -> tuple[Drop, bool]:
    """Call a drop off: at once where nobody is at work on it, else as soon as nobody is.

    Work that was handed in is paid: an open drop with an entry goes to the judges instead.

    Returns:
        The drop, and whether this call scheduled the cancel instead of carrying it out.

    Raises:
        NotFound, SendersOnly: not the caller's drop.
        NotCancellable: its window has closed.
    """
    drop = lifecycle.lock(session, job_id)
    access.require_sender(session, drop, user_id)
    at = db.now(session)
    if drop.status is Status.PENDING_PAYMENT:
        lifecycle.move(session, drop, Status.CANCELLED, at)
    elif drop.status is Status.OPEN:
        if drop.window_closes_at is None or at >= drop.window_closes_at:
            raise NotCancellable  # over by the clock, even if the sweep has not come by yet
        first = drop.cancel_requested_at is None
        drop.cancel_requested_at = drop.cancel_requested_at or at
        settlement.settle_window(session, drop, at)
        if first and drop.status is Status.OPEN:  # off the board, and nobody new comes in
            events.tell(session, "drop.cancel_requested", job_id)
        return drop, first and drop.status is not Status.CANCELLED
    else:
        raise NotCancellable(job_status=drop.status)
    return drop, False


def _open(session: Session, drop: Drop) -> None:
    ledger.hold(session, drop)
    lifecycle.move(session, drop, Status.OPEN, db.now(session))
    session.flush()
    crash.point(Point.FUNDED)


def _require_room_for_pending(session: Session, sender_id: UUID) -> None:
    query = select(func.count()).select_from(Drop)
    query = query.where(Drop.sender_id == sender_id, Drop.status == Status.PENDING_PAYMENT)
    if session.scalars(query).one() >= settings().max_pending_drops:
        raise TooManyPending(retry_after=PENDING_RETRY_SECONDS)
