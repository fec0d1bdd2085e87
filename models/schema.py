"""All tables on one page. What a table alone cannot refuse stands in `guards.sql` beside it.

Money is integer cents, times are timestamptz, ids UUIDv7. Constraint names are contract with
`guards.sql`, the migrations and the tests.
"""

from datetime import datetime
from importlib.resources import files
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from models.grades import GRADES, Grade
from models.ids import uuid7
from models.packs import PACKS, Pack
from models.panel import OUTCOMES, STAGES, Outcome, Stage
from models.states import Status
from models.texts import UNSEEN_RANGES

GUARDS = files("models").joinpath("guards.sql").read_text()

Cents = Annotated[int, mapped_column(BigInteger)]

_NOW = text("clock_timestamp()")
# The wall behind `texts.blank`, which knows the marks, too.
_SEEN = (
    rf"[^{UNSEEN_RANGES}\U00013441\U00013442\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A"
    r"\U000E0000-\U000E0FFF]"
)
_IN_USE = text("state IN ('held', 'submitted')")
# Kinds of transfers: between wallets and escrows, and between wallets and the world over a rail.
_OF_DROPS = ("hold", "refund", "payout", "fee")
_OF_PAYMENTS = ("topup", "withdrawal", "withdrawal_return")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Base(DeclarativeBase):
    """Every table; `Base.metadata` and `GUARDS` together are the schema."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )
    type_annotation_map = {str: Text(), datetime: DateTime(timezone=True), dict[str, Any]: JSONB()}  # noqa: RUF012


class User(Base):
    """A person or program with a wallet; sender and competitor alike."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 80", name="name"),
        ForeignKeyConstraint(
            ["name_key", "id"], ["names.key", "names.user_id"], name="users_name", use_alter=True
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    name_key: Mapped[str]  # the first of `lookalikes.keys`


class Name(Base):
    """One key of a name that a user holds: the name folded so that look-alikes are equal.

    A name has up to three keys. Rows are inserted before the user or agent that they are taken for, never
    updated, and deleted only if that agent never made a claim: guards.sql.
    """

    __tablename__ = "names"
    __table_args__ = (
        CheckConstraint("key <> ''", name="key"),
        UniqueConstraint("key", "user_id"),  # for users_name and agents_name
        ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="names_user", deferrable=True, initially="DEFERRED"
        ),
        ForeignKeyConstraint(
            ["agent_id", "user_id"],
            ["agents.id", "agents.user_id"],
            name="names_agent",
            deferrable=True,
            initially="DEFERRED",
            use_alter=True,
        ),
        Index("names_of_user", "user_id"),
        Index("names_of_agent", "agent_id"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    agent_id: Mapped[UUID | None]  # that it was taken for; null: the user's own name
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class ApiKey(Base):
    """A bearer key. Only its SHA-256 is kept: 178 random bits need no slow hash."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("scopes <@ '{read,work,spend}' AND cardinality(scopes) > 0", name="scopes"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    revoked_at: Mapped[datetime | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{read,work,spend}'"))
    expires_at: Mapped[datetime | None]  # a rotated key lives on for a while beside its successor


class Agent(Base):
    """A named profile that a user competes as; everyone has a default one. History keeps deleted ones."""

    __tablename__ = "agents"
    __table_args__ = (
        # No two live agents of one user have the same name; agents_name: nor one that another user holds.
        Index("agents_of_user_name", "user_id", "name_key", unique=True),
        ForeignKeyConstraint(["name_key", "user_id"], ["names.key", "names.user_id"], name="agents_name"),
        CheckConstraint("(deleted_at IS NULL) = (name_key IS NOT NULL)", name="name"),
        Index("agents_one_default", "user_id", unique=True, postgresql_where=text("is_default")),
        CheckConstraint("NOT (is_default AND deleted_at IS NOT NULL)", name="default_stays"),
        CheckConstraint("length(personality) <= 2000 AND length(avatar_url) <= 500", name="profile"),
        UniqueConstraint("id", "user_id"),  # for claims_agent and submissions_agent
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    personality: Mapped[str] = mapped_column(server_default="")
    avatar_url: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
    name_key: Mapped[str | None]  # the first of `lookalikes.keys` while it lives
    competed: Mapped[bool] = mapped_column(server_default=text("false"))  # set by a trigger on claims


class Drop(Base):
    """A prompt with a bounty. URL and table say `job`, as the public API fixed long ago.

    The row is the outbox too: `status` says which task is owed (`states.OWED`), `due_at` from when.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(_one_of("status", tuple(Status)), name="status"),
        CheckConstraint(_one_of("pack", PACKS), name="pack"),
        CheckConstraint(_one_of("grade", GRADES), name="grade"),
        CheckConstraint(_one_of("min_grade", GRADES), name="min_grade"),
        CheckConstraint(_one_of("panel", STAGES), name="panel"),
        CheckConstraint("length(prompt) BETWEEN 1 AND 20000", name="prompt"),
        CheckConstraint(f"prompt ~ '{_SEEN}'", name="prompt_seen"),
        CheckConstraint("price_cents > 0", name="price"),
        CheckConstraint("fee_bps BETWEEN 0 AND 10000 AND fee_flat_cents >= 0", name="fee"),
        CheckConstraint("time_limit_seconds > 0 AND max_claims > 0", name="limits"),
        CheckConstraint("(opened_at IS NULL) = (window_closes_at IS NULL)", name="window"),
        CheckConstraint(
            "status NOT IN ('open', 'ranking', 'completed', 'verified') OR opened_at IS NOT NULL",
            name="opened",
        ),
        CheckConstraint(
            "(status IN ('completed', 'verified')) = (winning_submission_id IS NOT NULL)", name="winner"
        ),
        CheckConstraint("(status = 'failed') = (failure_reason IS NOT NULL)", name="failure"),
        CheckConstraint(
            "(status IN ('verified', 'cancelled', 'failed')) = (ended_at IS NOT NULL)", name="ended"
        ),
        # The sweep's question, asked each second: what is due?
        Index("jobs_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("jobs_board", "id", postgresql_where=text("status = 'open'")),
        Index("jobs_feed", "id", postgresql_where=text("status IN ('completed', 'verified')")),
        Index("jobs_sender", "sender_id", "id"),
        Index("jobs_sealed", "id", postgresql_where=text("env_vars IS NOT NULL")),  # for the rotation of keys
        Index("jobs_unrated", "ended_at", "id", postgresql_where=text("status = 'verified' AND NOT rated")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    status: Mapped[Status] = mapped_column(
        Enum(Status, native_enum=False, values_callable=lambda statuses: [str(s) for s in statuses])
    )
    sender_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    prompt: Mapped[str]
    title: Mapped[str]
    pack: Mapped[Pack] = mapped_column(Text)
    price_cents: Mapped[Cents]
    fee_bps: Mapped[int]
    fee_flat_cents: Mapped[Cents]
    # The one place of the fee rule; the sender always leaves the winner at least a cent.
    fee_cents: Mapped[int] = mapped_column(
        BigInteger,
        Computed("LEAST(price_cents * fee_bps / 10000 + fee_flat_cents, price_cents - 1)", persisted=True),
    )
    time_limit_seconds: Mapped[int]
    max_claims: Mapped[int] = mapped_column(SmallInteger)
    min_grade: Mapped[Grade | None] = mapped_column(Text)
    env_vars: Mapped[bytes | None]  # encrypted; wiped a day after the end
    opened_at: Mapped[datetime | None]
    window_closes_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # leases taken in this status
    grade: Mapped[Grade | None] = mapped_column(Text)
    grade_rationale: Mapped[str | None]
    winning_submission_id: Mapped[UUID | None] = mapped_column(ForeignKey("submissions.id", use_alter=True))
    agreement: Mapped[float | None]  # share of ballots whose first place won
    failure_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    ended_at: Mapped[datetime | None]
    rated: Mapped[bool] = mapped_column(server_default=text("false"))  # counted in the agents' ratings
    panel: Mapped[Stage] = mapped_column(Text, server_default=text("'first'"))  # which judges are asked
    deal_secret: Mapped[str | None]  # drawn for ranking: without it, labels would tell guesses right or wrong
    # Whether grade_rationale quotes an entry: the public then does not read it.
    rationale_quotes: Mapped[bool] = mapped_column(server_default=text("false"))


class Claim(Base):
    """A slot of a drop, held by a user until it is used, given back or runs out."""

    __tablename__ = "claims"
    __table_args__ = (
        CheckConstraint("state IN ('held', 'submitted', 'released', 'expired')", name="state"),
        CheckConstraint("slot > 0", name="slot"),  # not above max_claims: guards.sql
        CheckConstraint("(state = 'released') = (released_at IS NOT NULL)", name="released"),
        UniqueConstraint("id", "job_id", "user_id"),  # for submissions_slot
        # Nobody competes as somebody else's agent; as none that is deleted: guards.sql.
        ForeignKeyConstraint(["agent_id", "user_id"], ["agents.id", "agents.user_id"], name="claims_agent"),
        # One slot, one user: no sixth competitor, nobody twice.
        Index(
            "claims_slot",
            "job_id",
            "slot",
            unique=True,
            postgresql_where=text("state IN ('held', 'submitted')"),
        ),
        Index(
            "claims_user",
            "job_id",
            "user_id",
            unique=True,
            postgresql_where=text("state IN ('held', 'submitted')"),
        ),
        Index("claims_of_user", "user_id", "state", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    agent_id: Mapped[UUID | None]
    slot: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(server_default="held")
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    # Whether the request named the agent; else it is the user's default one at that time.
    agent_named: Mapped[bool] = mapped_column(server_default=text("false"))
    release_free_until: Mapped[datetime] = mapped_column(server_default=_NOW)  # a later release is a no-show
    released_at: Mapped[datetime | None]


class Submission(Base):
    """An entry: the last revision of what one user handed in for one drop."""

    __tablename__ = "submissions"
    __table_args__ = (
        # An entry stands in a slot of its author, in its drop: no slot, no entry.
        ForeignKeyConstraint(
            ["claim_id", "job_id", "user_id"],
            ["claims.id", "claims.job_id", "claims.user_id"],
            name="submissions_slot",
        ),
        ForeignKeyConstraint(
            ["agent_id", "user_id"], ["agents.id", "agents.user_id"], name="submissions_agent"
        ),
        UniqueConstraint("job_id", "user_id"),
        UniqueConstraint("job_id", "rank"),  # never two winners
        CheckConstraint(_one_of("grade", GRADES), name="grade"),
        CheckConstraint("rank > 0", name="rank"),
        CheckConstraint("(rank IS NULL) = (grade IS NULL)", name="verdict"),
        CheckConstraint("length(body) <= 100000", name="body"),
        Index("submissions_of_user", "user_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    agent_id: Mapped[UUID | None]
    claim_id: Mapped[UUID] = mapped_column(unique=True)
    body: Mapped[str]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime]
    revised_at: Mapped[datetime]
    rank: Mapped[int | None] = mapped_column(SmallInteger)
    grade: Mapped[Grade | None] = mapped_column(Text)
    score: Mapped[float | None]
    rationale: Mapped[str | None]


class Ballot(Base):
    """One listwise judgement of all entries of a drop: the k-th order, asked and answered once."""

    __tablename__ = "ballots"
    __table_args__ = (
        # A ballot of a model is that of a call for it.
        ForeignKeyConstraint(
            ["call_id", "job_id", "k"], ["calls.id", "calls.job_id", "calls.k"], name="ballots_call"
        ),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    k: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    judge: Mapped[str]
    input_hash: Mapped[str]  # SHA-256 of all that went in
    verdict: Mapped[dict[str, Any]]  # {submission id: {"place", "grade", "rationale"}}
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    labels: Mapped[list[Any]] = mapped_column(JSONB)  # [[label, submission id]], in the order that was read
    milliseconds: Mapped[int]  # how long the judge took
    call_id: Mapped[UUID | None]  # the call that brought it; none where no model was asked


class Call(Base):
    """One question to a model: begun before it is asked, so that none is forgotten or paid for unseen."""

    __tablename__ = "calls"
    __table_args__ = (
        CheckConstraint(_one_of("outcome", OUTCOMES), name="outcome"),
        CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="ended"),
        CheckConstraint("input_tokens >= 0 AND output_tokens >= 0 AND microcents >= 0", name="cost"),
        UniqueConstraint("id", "job_id", "k"),  # for ballots_call
        Index("calls_of_job", "job_id", "k"),
        Index("calls_begun", "begun_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    k: Mapped[int] = mapped_column(SmallInteger)  # of the ballot that it was to bring
    model: Mapped[str]
    begun_at: Mapped[datetime]  # by the database
    ended_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None] = mapped_column(Text)  # `panel` says what each means
    trouble: Mapped[str] = mapped_column(server_default=text("''"))
    prompt_hash: Mapped[str] = mapped_column(server_default=text("''"))  # SHA-256 of the request's messages
    raw: Mapped[str] = mapped_column(server_default=text("''"))  # what came back
    input_tokens: Mapped[int] = mapped_column(server_default=text("0"))
    output_tokens: Mapped[int] = mapped_column(server_default=text("0"))
    microcents: Mapped[int] = mapped_column(BigInteger)  # millionths of a cent; estimated until it has ended
    milliseconds: Mapped[int] = mapped_column(server_default=text("0"))


class Rejudgement(Base):
    """A second verdict on a decided drop, beside the one that paid: nothing else refers to it."""

    __tablename__ = "rejudgements"
    __table_args__ = (
        CheckConstraint("agreement BETWEEN 0 AND 1", name="agreement"),
        CheckConstraint("input_tokens >= 0 AND output_tokens >= 0 AND microcents >= 0", name="cost"),
        Index("rejudgements_of_job", "job_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    judge: Mapped[str]  # names and versions, with commas
    models: Mapped[list[str]] = mapped_column(ARRAY(Text))  # that were asked
    verdict: Mapped[dict[str, Any]]  # {"ranking", "ballots", "calls"}, each a list
    agreement: Mapped[float]
    contested: Mapped[bool]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    microcents: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class Upload(Base):
    """A file somebody brought; its bytes are in the store under the same id (`files`)."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("size > 0", name="size"),
        UniqueConstraint("id", "user_id"),  # for attachments_owner
        Index("uploads_of_user", "user_id", "id"),
        Index("uploads_age", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)  # bytes
    content_type: Mapped[str]
    sha256: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    removed_at: Mapped[datetime | None]  # when its bytes were given up; the row stays: guards.sql


class Attachment(Base):
    """A file that hangs on a drop, or on an entry of it. Whoever hangs it there brought it: guards.sql."""

    __tablename__ = "attachments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["upload_id", "user_id"], ["uploads.id", "uploads.user_id"], name="attachments_owner"
        ),
        CheckConstraint("position BETWEEN 0 AND 4", name="position"),
        Index(
            "attachments_place",
            "job_id",
            "submission_id",
            "position",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index("attachments_upload", "upload_id"),
        Index("attachments_entry", "submission_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    upload_id: Mapped[UUID]
    user_id: Mapped[UUID]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    submission_id: Mapped[UUID | None] = mapped_column(ForeignKey("submissions.id"))  # null: the drop's own
    position: Mapped[int] = mapped_column(SmallInteger)


class IdempotencyKey(Base):
    """The first answer to a request that named a key, kept to be given again; commits with its effect."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_age", "created_at"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]  # SHA-256 of method, path and body
    status: Mapped[int] = mapped_column(SmallInteger)
    content_type: Mapped[str]
    body: Mapped[bytes]  # encrypted: an answer may hold envVars or a new key
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class Event(Base):
    """Something that happened to a drop, written in the transaction that made it happen."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_of_job", "job_id", "id"),
        Index("events_in_order", "xid", "id"),
        # A drop ends once, and the audit asks each minute whether that was told.
        Index(
            "events_last",
            "job_id",
            unique=True,
            postgresql_where=text("kind IN ('payout.posted', 'drop.failed', 'drop.cancelled')"),
        ),
    )

    # Ids of one drop increase in the order of their commits, for all are written under its lock.
    # Over all drops they need not: a reader of everything asks `xid` which are sure to be complete.
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class Rating(Base):
    """How an agent has done so far, in one pack or, as pack `all`, in every one."""

    __tablename__ = "ratings"
    __table_args__ = (Index("ratings_board", "pack", "rating"),)

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    pack: Mapped[str] = mapped_column(primary_key=True)
    mu: Mapped[float]
    sigma: Mapped[float]
    rating: Mapped[float] = mapped_column(
        Float(53), Computed("mu - 3 * sigma", persisted=True)
    )  # sure to reach
    drops: Mapped[int] = mapped_column(server_default=text("0"))
    wins: Mapped[int] = mapped_column(server_default=text("0"))
    earned_cents: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    grades: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # {grade: how often}


class Account(Base):
    """One side of transfers. Balances are credits minus debits and kept by a trigger.

    `world` and `fees` keep none: one hot row would halve the throughput of every transfer.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("kind IN ('world', 'wallet', 'escrow', 'fees')", name="kind"),
        CheckConstraint("balance_cents >= 0", name="balance"),  # null passes: world and fees
        CheckConstraint("(kind IN ('wallet', 'escrow')) = (balance_cents IS NOT NULL)", name="running"),
        CheckConstraint("(kind = 'wallet') = (user_id IS NOT NULL)", name="wallet"),
        CheckConstraint("(kind = 'escrow') = (job_id IS NOT NULL)", name="escrow"),
        Index("accounts_singleton", "kind", unique=True, postgresql_where=text("kind IN ('world', 'fees')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), unique=True)
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"), unique=True)
    balance_cents: Mapped[int | None] = mapped_column(BigInteger)


class Transfer(Base):
    """Money moving from `debit_id` to `credit_id`, once and for ever: rows are never changed."""

    __tablename__ = "transfers"
    __table_args__ = (
        CheckConstraint(_one_of("kind", (*_OF_DROPS, "credit", *_OF_PAYMENTS)), name="kind"),
        CheckConstraint(f"({_one_of('kind', _OF_DROPS)}) = (job_id IS NOT NULL)", name="job"),
        CheckConstraint(f"({_one_of('kind', _OF_PAYMENTS)}) = (payment_id IS NOT NULL)", name="payment"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("debit_id <> credit_id", name="sides"),
        Index("transfers_one_hold", "job_id", unique=True, postgresql_where=text("kind = 'hold'")),
        Index(
            "transfers_one_end", "job_id", unique=True, postgresql_where=text("kind IN ('payout', 'refund')")
        ),
        Index("transfers_one_fee", "job_id", unique=True, postgresql_where=text("kind = 'fee'")),
        Index(
            "transfers_of_payment",
            "payment_id",
            "kind",
            unique=True,
            postgresql_where=text("payment_id IS NOT NULL"),
        ),
        Index("transfers_debit", "debit_id", "id"),
        Index("transfers_credit", "credit_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    key: Mapped[str] = mapped_column(unique=True)  # deterministic: `payout:<drop id>`
    kind: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    debit_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    credit_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    amount_cents: Mapped[Cents]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))


class Payment(Base):
    """Money on its way between a wallet and the world, over a rail such as a card or a bank.

    The row is the outbox too: while it is `requested` the rail has still to be told, from `due_at` on.
    Its transfers agree with its state at each commit: guards.sql.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("kind IN ('topup', 'withdrawal')", name="kind"),
        CheckConstraint("state IN ('requested', 'pending', 'succeeded', 'failed')", name="state"),
        CheckConstraint("rail IN ('sandbox', 'stripe')", name="rail"),
        CheckConstraint("amount_cents > 0", name="amount"),
        CheckConstraint("NOT (automatic AND kind <> 'topup')", name="automatic"),
        CheckConstraint("(state = 'failed') = (failure_reason IS NOT NULL)", name="failure"),
        CheckConstraint("state <> 'requested' OR due_at IS NOT NULL", name="owed"),
        Index("payments_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("payments_of_user", "user_id", "id"),
        # One automatic top-up of a user at a time, or a slow rail would charge a card again and again.
        Index(
            "payments_one_automatic",
            "user_id",
            unique=True,
            postgresql_where=text("automatic AND state IN ('requested', 'pending')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str]
    state: Mapped[str]
    rail: Mapped[str]
    amount_cents: Mapped[Cents]
    automatic: Mapped[bool] = mapped_column(server_default=text("false"))
    reference: Mapped[str | None]  # what the rail calls it
    checkout_url: Mapped[str | None]  # where a person pays
    failure_reason: Mapped[str | None]
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # how often the rail was told
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class PaymentNotice(Base):
    """Something a rail told of a payment, kept so that it counts once however often it is delivered."""

    __tablename__ = "payment_notices"
    __table_args__ = (Index("payment_notices_of_payment", "payment_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)  # the rail's own name of the event
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    kind: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class PaymentProfile(Base):
    """What a rail calls a user: whom it charges, and where it pays out to. Never a card or bank number."""

    __tablename__ = "payment_profiles"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    customer: Mapped[str | None]
    payment_method: Mapped[str | None]
    payout_account: Mapped[str | None] = mapped_column(unique=True)
    payout_ready: Mapped[bool] = mapped_column(server_default=text("false"))


class AutoTopup(Base):
    """A user's wish that the wallet fills itself; there is none until they make it."""

    __tablename__ = "auto_topups"
    __table_args__ = (
        CheckConstraint("threshold_cents >= 0 AND amount_cents > 0", name="amounts"),
        Index("auto_topups_enabled", "user_id", postgresql_where=text("enabled")),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    enabled: Mapped[bool]
    threshold_cents: Mapped[Cents]
    amount_cents: Mapped[Cents]
    failures: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))  # in a row
    rests_until: Mapped[datetime | None]  # after a failure


class Heartbeat(Base):
    """When a queue last did something: how `/readyz` knows that a drop could be settled."""

    __tablename__ = "heartbeats"

    queue: Mapped[str] = mapped_column(primary_key=True)
    beat_at: Mapped[datetime]


class LatestAudit(Base):
    """What the last audit found; the only row of its table."""

    __tablename__ = "audits"
    __table_args__ = (CheckConstraint("latest", name="latest"),)

    latest: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    finished_at: Mapped[datetime]
    milliseconds: Mapped[int]  # how long it took
    violations: Mapped[int]
    rules: Mapped[dict[str, Any]]  # {rule: how often it is broken}
    examples: Mapped[list[Any]] = mapped_column(JSONB)  # [[rule, detail]], the first few
