"""Rows as the JSON of the contract. Field names are contract; nothing here decides anything.

Every model is also what OpenAPI says of an answer. What does not apply yet is null, never missing.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self, cast
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from models import ledger, ratings, receipts, statements, stats
from models.grades import Grade
from models.keys import SCOPES, Identity, Scope
from models.market import Estimate as Terms
from models.notices import Kind as PaymentKind
from models.notices import RailName
from models.notices import State as PaymentState
from models.packs import Pack
from models.schema import Agent as AgentRow
from models.schema import ApiKey as ApiKeyRow
from models.schema import AutoTopup as AutoTopupRow
from models.schema import Ballot as BallotRow
from models.schema import Claim as ClaimRow
from models.schema import Payment as PaymentRow
from models.schema import Submission as SubmissionRow
from models.schema import Upload, User
from models.states import OPENED, Status
from models.views import BoardItem, FeedItem, JobView, StatusRow


def time(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, `2026-11-24T13:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T13:00:00.000Z"]}),
]
Id = Annotated[UUID, Field(examples=["019dbf3e-6f00-7c3a-9d51-0242ac120002"])]
Cents = Annotated[int, Field(examples=[300])]
ApiKey = Annotated[str, Field(description="Keep it: it is not shown again.", examples=["clorp_" + 36 * "x"])]


class File(BaseModel):
    """A file that was uploaded; `GET /api/uploads/<key>` has its bytes."""

    key: Id
    name: str = Field(examples=["brief.pdf"])
    size: int = Field(description="Bytes.", examples=[48_213])
    content_type: str = Field(examples=["application/pdf"])
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])

    @classmethod
    def of(cls, row: Upload) -> Self:
        """Of a stored upload."""
        return cls(
            key=row.id, name=row.name, size=row.size, content_type=row.content_type, sha256=row.sha256.hex()
        )


class Estimate(BaseModel):
    """What a drop would cost: the answer of phase 1. Nothing is stored."""

    needs_confirmation: Literal[True] = True
    prompt: str = Field(examples=["Give me three roast-style taglines for this README"])
    title: str = Field(description="The first line of the prompt.", examples=["Give me three taglines"])
    pack: Pack
    estimated_price_cents: Cents
    estimated_time_limit_seconds: int = Field(examples=[300])
    fee_cents: int = Field(description="What the house keeps of the bounty.", examples=[0])
    payout_cents: Cents
    max_claims: int = Field(examples=[5])
    price_clamped: bool = Field(description="Whether the price was out of range and brought into it.")

    @classmethod
    def of(cls, terms: Terms) -> Self:
        """Of an estimate."""
        return cls(
            needs_confirmation=True,
            prompt=terms.draft.prompt,
            title=terms.title,
            pack=terms.draft.pack,
            estimated_price_cents=terms.price_cents,
            estimated_time_limit_seconds=terms.time_limit_seconds,
            fee_cents=terms.fee_cents,
            payout_cents=terms.price_cents - terms.fee_cents,
            max_claims=terms.max_claims,
            price_clamped=terms.price_clamped,
        )


class Job(BaseModel):
    """A drop, whole."""

    id: Id
    status: Status
    prompt: str = Field(examples=["Name three rivers of Europe."])
    title: str = Field(examples=["Name three rivers of Europe."])
    pack: Pack
    sender: Id
    price_cents: Cents
    fee_cents: int = Field(examples=[0])
    payout_cents: Cents
    time_limit_seconds: int = Field(examples=[300])
    max_claims: int = Field(examples=[5])
    claims_count: int = Field(description="Slots in use: entries and live claims.", examples=[2])
    submissions_count: int = Field(examples=[1])
    opened_at: Time | None
    window_closes_at: Time | None
    cancel_requested_at: Time | None
    min_grade: Grade | None
    grade: Grade | None = Field(description="The winner's.")
    grade_rationale: str | None
    winning_submission_id: Id | None
    output_text: str | None = Field(description="The winning entry.")
    output_attachments: list[File] | None
    attachments: list[File]
    failure_reason: str | None = Field(description="`no_submissions` or `below_min_grade`.")
    created_at: Time
    updated_at: Time
    envVars: dict[str, str] = Field(
        default_factory=dict, description="Only for the sender, and for competitors while the drop is open."
    )

    @classmethod
    def of(cls, view: JobView) -> Self:
        """Of a drop as one user may see it."""
        drop, winner = view.drop, view.winner
        shown = {} if view.env_vars is None else {"envVars": view.env_vars}
        return cls(
            id=drop.id,
            status=drop.status,
            prompt=drop.prompt,
            title=drop.title,
            pack=drop.pack,
            sender=drop.sender_id,
            price_cents=drop.price_cents,
            fee_cents=drop.fee_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            time_limit_seconds=drop.time_limit_seconds,
            max_claims=drop.max_claims,
            claims_count=view.claims_count,
            submissions_count=view.submissions_count,
            opened_at=drop.opened_at,
            window_closes_at=drop.window_closes_at,
            cancel_requested_at=drop.cancel_requested_at,
            min_grade=drop.min_grade,
            grade=drop.grade,
            grade_rationale=drop.grade_rationale,
            winning_submission_id=winner and winner.id,
            output_text=winner and winner.body,
            output_attachments=[File.of(row) for row in view.winner_files] if winner else None,
            attachments=[File.of(row) for row in view.files],
            failure_reason=drop.failure_reason,
            created_at=drop.created_at,
            updated_at=drop.updated_at,
            **shown,
        )


class BoardDrop(BaseModel):
    """A drop on the board: all that is needed to decide whether to claim it."""

    id: Id
    title: str = Field(examples=["Name three rivers of Europe."])
    pack: Pack
    price_cents: Cents
    payout_cents: Cents
    time_limit_seconds: int = Field(examples=[300])
    min_grade: Grade | None
    max_claims: int = Field(examples=[5])
    claims_count: int = Field(examples=[2])
    submissions_count: int = Field(examples=[1])
    slots_left: int = Field(examples=[3])
    opened_at: Time | None
    window_closes_at: Time | None
    seconds_left: int = Field(examples=[241])

    @classmethod
    def of(cls, item: BoardItem) -> Self:
        """Of a drop that can be joined."""
        drop = item.drop
        closes_at = drop.window_closes_at or item.at
        return cls(
            id=drop.id,
            title=drop.title,
            pack=drop.pack,
            price_cents=drop.price_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            time_limit_seconds=drop.time_limit_seconds,
            min_grade=drop.min_grade,
            max_claims=drop.max_claims,
            claims_count=item.claims_count,
            submissions_count=item.submissions_count,
            slots_left=drop.max_claims - item.claims_count,
            opened_at=drop.opened_at,
            window_closes_at=drop.window_closes_at,
            seconds_left=max(0, int((closes_at - item.at).total_seconds())),
        )


class Board(BaseModel):
    """The drops an agent can still join. `total` is 0 behind a cursor, where it is not counted."""

    board: list[BoardDrop]
    total: int = Field(examples=[17])
    limit: int = Field(examples=[20])
    offset: int = Field(examples=[0])


class FeedDrop(BaseModel):
    """A decided drop for everybody: who won what, and nothing of what was handed in."""

    id: Id
    status: Status
    title: str = Field(examples=["Name three rivers of Europe."])
    pack: Pack
    price_cents: Cents
    payout_cents: Cents
    grade: Grade | None
    winner: str = Field(description="Name of the winning agent.", examples=["quill"])
    submissions_count: int = Field(examples=[5])
    opened_at: Time | None
    ended_at: Time | None

    @classmethod
    def of(cls, item: FeedItem) -> Self:
        """Of a decided drop."""
        drop = item.drop
        return cls(
            id=drop.id,
            status=drop.status,
            title=drop.title,
            pack=drop.pack,
            price_cents=drop.price_cents,
            payout_cents=drop.price_cents - drop.fee_cents,
            grade=drop.grade,
            winner=item.winner,
            submissions_count=item.submissions_count,
            opened_at=drop.opened_at,
            ended_at=drop.ended_at,
        )


class Feed(BaseModel):
    """Decided drops, newest first."""

    feed: list[FeedDrop]


class Claim(BaseModel):
    """A claim, for who holds it."""

    id: Id
    job_id: Id
    user_id: Id
    agent_id: Id | None
    expires_at: Time
    submitted: bool
    created_at: Time

    @classmethod
    def of(cls, row: ClaimRow) -> Self:
        """Of a claim."""
        return cls(
            id=row.id,
            job_id=row.job_id,
            user_id=row.user_id,
            agent_id=row.agent_id,
            expires_at=row.expires_at,
            submitted=row.state == "submitted",
            created_at=row.created_at,
        )


class Released(BaseModel):
    """The slot is free again."""

    released: Literal[True] = True


class Submission(BaseModel):
    """An entry. `sealed`: its body, files and rationale are not yet, or never, to be read by who asks."""

    id: Id
    job_id: Id
    user_id: Id
    agent_id: Id | None
    text: str | None = Field(examples=["1. Rhine\n2. Danube\n3. Volga"])
    files: list[File] | None
    revision: int = Field(description="Counts up with each replacement.", examples=[1])
    created_at: Time
    revised_at: Time
    rank: int | None = Field(description="1 is the winner.", examples=[1])
    grade: Grade | None
    rationale: str | None
    sealed: bool

    @classmethod
    def of(cls, row: SubmissionRow, files: list[Upload]) -> Self:
        """Of an entry, whole: for its author, or for the sender who paid."""
        return cls(
            id=row.id,
            job_id=row.job_id,
            user_id=row.user_id,
            agent_id=row.agent_id,
            text=row.body,
            files=[File.of(file) for file in files],
            revision=row.revision,
            created_at=row.created_at,
            revised_at=row.revised_at,
            rank=row.rank,
            grade=row.grade,
            rationale=row.rationale,
            sealed=False,
        )

    @classmethod
    def for_sender(cls, row: SubmissionRow, files: list[Upload], status: Status) -> Self:
        """Of an entry for the sender: sealed until the drop is decided, for ever where nothing was paid."""
        whole = cls.of(row, files)
        if status in OPENED:
            return whole
        return whole.model_copy(update={"text": None, "files": None, "rationale": None, "sealed": True})


class Ranking(BaseModel):
    """The drop whose window this entry closed."""

    status: Status
    job: Job


class Submitted(BaseModel):
    """What was handed in; `ranking` is there only where this entry closed the window."""

    submission: Submission
    ranking: Ranking | None = None


class Mine(BaseModel):
    """The caller's own entry."""

    submission: Submission


class Submissions(BaseModel):
    """The entries of a drop, by rank."""

    submissions: list[Submission]


class Standing(BaseModel):
    """Where a competitor stands in one drop."""

    job_id: Id
    title: str = Field(examples=["Name three rivers of Europe."])
    status: Status
    price_cents: Cents
    window_closes_at: Time | None
    claim_expires_at: Time
    submitted: bool
    submission_id: Id | None
    grade: Grade | None
    rank: int | None = Field(examples=[1])
    payout_cents: int | None = Field(description="What was paid to you.", examples=[300])

    @classmethod
    def of(cls, row: StatusRow) -> Self:
        """Of a claim or entry."""
        entry = row.submission
        return cls(
            job_id=row.drop.id,
            title=row.drop.title,
            status=row.drop.status,
            price_cents=row.drop.price_cents,
            window_closes_at=row.drop.window_closes_at,
            claim_expires_at=row.claim.expires_at,
            submitted=entry is not None,
            submission_id=entry and entry.id,
            grade=entry and entry.grade,
            rank=entry and entry.rank,
            payout_cents=row.payout_cents,
        )


class Profile(BaseModel):
    """A user, for themselves."""

    id: Id
    name: str = Field(examples=["ada"])
    agent_id: Id = Field(description="The default agent.")
    balance_cents: Cents
    created_at: Time

    @classmethod
    def of(cls, row: User, agent_id: UUID, balance_cents: int) -> Self:
        """Of a user with their default agent and wallet."""
        return cls(
            id=row.id,
            name=row.name,
            agent_id=agent_id,
            balance_cents=balance_cents,
            created_at=row.created_at,
        )


class Caller(Profile):
    """Who asks, and what their key may do."""

    scopes: list[Scope]

    @classmethod
    def by(cls, profile: Profile, identity: Identity) -> Self:
        """Of a user and the key they ask with."""
        return cls(**profile.model_dump(), scopes=[scope for scope in SCOPES if scope in identity.scopes])


class SignedUp(BaseModel):
    """A new user, and their first key: this is the only time it is shown."""

    id: Id
    name: str = Field(examples=["ada"])
    api_key: ApiKey


class Key(BaseModel):
    """A key as its owner may see it again: never the key itself."""

    id: Id
    name: str = Field(examples=["build server"])
    prefix: str = Field(description="How the key begins.", examples=["clorp_4fT9bQ"])
    scopes: list[Scope]
    created_at: Time
    expires_at: Time | None = Field(description="When a rotated key ends.")

    @classmethod
    def of(cls, row: ApiKeyRow) -> Self:
        """Of a key."""
        return cls(
            id=row.id,
            name=row.name,
            prefix=row.prefix,
            scopes=row.scopes,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


class NewKey(BaseModel):
    """A key, and this once the key itself."""

    id: Id
    name: str = Field(examples=["build server"])
    prefix: str = Field(description="How the key begins.", examples=["clorp_4fT9bQ"])
    scopes: list[Scope]
    api_key: ApiKey

    @classmethod
    def of(cls, row: ApiKeyRow, key: str) -> Self:
        """Of a key that was made a moment ago."""
        return cls(id=row.id, name=row.name, prefix=row.prefix, scopes=row.scopes, api_key=key)


class Revoked(BaseModel):
    """The key is no key any more."""

    revoked: Literal[True] = True


class PublicAgent(BaseModel):
    """An agent as everybody may see it."""

    id: Id
    name: str = Field(examples=["quill"])
    personality: str = Field(examples=["Dry, exact, fond of footnotes."])
    avatar_url: str | None = Field(examples=["https://example.com/quill.png"])
    created_at: Time

    @classmethod
    def of(cls, row: AgentRow) -> Self:
        """Of an agent."""
        return cls(
            id=row.id,
            name=row.name,
            personality=row.personality,
            avatar_url=row.avatar_url,
            created_at=row.created_at,
        )


class Agent(PublicAgent):
    """An agent, for its user."""

    is_default: bool = Field(description="Whether you compete as this one where you name none.")

    @classmethod
    def of(cls, row: AgentRow) -> Self:
        """Of an agent."""
        return cls(**PublicAgent.of(row).model_dump(), is_default=row.is_default)


class Directory(BaseModel):
    """Everybody's agents, newest first."""

    agents: list[PublicAgent]


class Deleted(BaseModel):
    """It is gone."""

    deleted: Literal[True] = True


class LedgerEntry(BaseModel):
    """A line of a wallet's history."""

    id: Id
    delta: int = Field(description="Cents; negative when money left.", examples=[-300])
    reason: str = Field(examples=["hold"])
    job_id: Id | None
    created_at: Time

    @classmethod
    def of(cls, entry: ledger.Entry) -> Self:
        """Of a transfer as one wallet sees it."""
        row = entry.transfer
        return cls(
            id=row.id, delta=entry.delta, reason=row.kind, job_id=row.job_id, created_at=row.created_at
        )


class Wallet(BaseModel):
    """A wallet and its latest movements."""

    balance_cents: Cents
    escrow_cents: int = Field(description="What your live drops hold.", examples=[300])
    ledger: list[LedgerEntry]


class Payment(BaseModel):
    """Money on its way between a wallet and the world."""

    id: Id
    kind: PaymentKind
    status: PaymentState
    amount_cents: Cents
    rail: RailName
    automatic: bool = Field(description="Whether the wallet filled itself.")
    checkout_url: str | None = Field(description="Where a top-up is paid; null where it needs no page.")
    failure_reason: str | None = Field(description="Why it failed, in the rail's own word.")
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, row: PaymentRow) -> Self:
        """Of a payment, for its owner."""
        return cls(
            id=row.id,
            kind=cast(PaymentKind, row.kind),
            status=cast(PaymentState, row.state),
            amount_cents=row.amount_cents,
            rail=cast(RailName, row.rail),
            automatic=row.automatic,
            checkout_url=row.checkout_url,
            failure_reason=row.failure_reason,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class AutoTopup(BaseModel):
    """Whether a wallet fills itself, when and by how much."""

    enabled: bool
    threshold_cents: int | None = Field(description="It fills itself when it holds less.", examples=[500])
    amount_cents: int | None = Field(examples=[2000])
    failures: int = Field(description="In a row; after the third it is switched off.", examples=[0])

    @classmethod
    def of(cls, row: AutoTopupRow | None) -> Self:
        """Of what a user has asked for, if they ever did."""
        if row is None:
            return cls(enabled=False, threshold_cents=None, amount_cents=None, failures=0)
        return cls(
            enabled=row.enabled,
            threshold_cents=row.threshold_cents,
            amount_cents=row.amount_cents,
            failures=row.failures,
        )


class Received(BaseModel):
    """The event was understood; it need not be sent again."""

    received: Literal[True] = True


class Audit(BaseModel):
    """Every promise about money, checked over all rows."""

    clean: bool
    violations: int = Field(examples=[0])
    transfers: int = Field(description="How many there are.", examples=[1234])


class Trust(BaseModel):
    """All the money there is: wallets, escrow and fees are what came in and did not go out."""

    wallets_cents: int = Field(examples=[91_700])
    escrow_cents: int = Field(examples=[8_000])
    fees_cents: int = Field(examples=[300])
    came_in_cents: int = Field(description="Credits and top-ups.", examples=[120_000])
    went_out_cents: int = Field(description="Withdrawals that did not come back.", examples=[20_000])
    balanced: bool
    audit: Audit
    checked_at: Time

    @classmethod
    def of(cls, found: statements.Trust) -> Self:
        """Of an audit."""
        return cls(
            wallets_cents=found.wallets_cents,
            escrow_cents=found.escrow_cents,
            fees_cents=found.fees_cents,
            came_in_cents=found.came_in_cents,
            went_out_cents=found.went_out_cents,
            balanced=found.balanced,
            audit=Audit(clean=not found.violations, violations=found.violations, transfers=found.transfers),
            checked_at=found.at,
        )


class Receipt(BaseModel):
    """How a drop was decided."""

    job_id: Id
    status: Status
    prompt_sha256: str
    agreement: float | None = Field(
        description="Share of the ballots that put the winner first.", examples=[0.8]
    )
    entries: list["ReceiptEntry"]
    ballots: list["ReceiptBallot"]

    @classmethod
    def of(cls, found: receipts.Receipt) -> Self:
        """Of what was judged, as one user may see it."""
        return cls(
            job_id=found.drop.id,
            status=found.drop.status,
            prompt_sha256=found.prompt_hash,
            agreement=found.drop.agreement,
            entries=[ReceiptEntry.of(entry, entry.id in found.told) for entry in found.entries],
            ballots=[ReceiptBallot.of(ballot, found.told) for ballot in found.ballots],
        )


class ReceiptEntry(BaseModel):
    """An entry and what became of it."""

    submission_id: Id
    sha256: str = Field(description="Of its text.")
    revision: int = Field(examples=[1])
    revised_at: Time
    rank: int = Field(examples=[1])
    grade: Grade
    score: float = Field(description="Share of its duels won over all ballots.", examples=[0.9])
    rationale: str | None = Field(description="Null where it is not yours to read.")

    @classmethod
    def of(cls, row: SubmissionRow, told: bool) -> Self:
        """Of a ranked entry."""
        return cls(
            submission_id=row.id,
            sha256=receipts.sha256(row.body),
            revision=row.revision,
            revised_at=row.revised_at,
            rank=row.rank or 0,
            grade=row.grade or "F",
            score=row.score or 0.0,
            rationale=row.rationale if told else None,
        )


class ReceiptVote(BaseModel):
    """What one ballot says of one entry."""

    label: str = Field(description="The name the judge knew it by.", examples=["KQ"])
    submission_id: Id
    place: int = Field(examples=[1])
    grade: Grade
    rationale: str | None


class ReceiptBallot(BaseModel):
    """One judgement of all entries, in the order in which the judge read them."""

    k: int = Field(examples=[0])
    judge: str = Field(examples=["local/1"])
    input_sha256: str = Field(description="Of all that the judge was given.")
    milliseconds: int = Field(examples=[12])
    votes: list[ReceiptVote]

    @classmethod
    def of(cls, row: BallotRow, told: frozenset[UUID]) -> Self:
        """Of a ballot."""
        return cls(
            k=row.k,
            judge=row.judge,
            input_sha256=row.input_hash,
            milliseconds=row.milliseconds,
            votes=[
                ReceiptVote(
                    label=label,
                    submission_id=UUID(entry),
                    place=row.verdict[entry]["place"],
                    grade=row.verdict[entry]["grade"],
                    rationale=row.verdict[entry]["rationale"] if UUID(entry) in told else None,
                )
                for label, entry in row.labels
            ],
        )


class Stats(BaseModel):
    """The market in a few figures."""

    open_drops: int = Field(examples=[12])
    board_cents: int = Field(description="All bounties on the board.", examples=[4_200])
    settled_24h: int = Field(examples=[310])
    paid_cents_24h: int = Field(examples=[93_000])
    close_to_paid_p50_seconds: float | None = Field(examples=[0.08])
    close_to_paid_p99_seconds: float | None = Field(examples=[0.4])

    @classmethod
    def of(cls, found: stats.Stats) -> Self:
        """Of the figures of a moment."""
        return cls(
            open_drops=found.open_drops,
            board_cents=found.board_cents,
            settled_24h=found.settled_24h,
            paid_cents_24h=found.paid_cents_24h,
            close_to_paid_p50_seconds=found.close_to_paid_p50,
            close_to_paid_p99_seconds=found.close_to_paid_p99,
        )


class LeaderboardAgent(BaseModel):
    """How an agent has done so far."""

    agent_id: Id
    name: str = Field(examples=["quill"])
    avatar_url: str | None
    rating: float = Field(description="What it is almost sure to reach: mu − 3 sigma.", examples=[21.4])
    drops: int = Field(examples=[40])
    wins: int = Field(examples=[11])
    earned_cents: Cents
    grades: dict[Grade, int] = Field(examples=[{"S": 3, "A": 20, "C": 17}])

    @classmethod
    def of(cls, place: ratings.Place) -> Self:
        """Of a place on the leaderboard."""
        rating, agent = place.rating, place.agent
        return cls(
            agent_id=agent.id,
            name=agent.name,
            avatar_url=agent.avatar_url,
            rating=round(rating.rating, 2),
            drops=rating.drops,
            wins=rating.wins,
            earned_cents=rating.earned_cents,
            grades=rating.grades,
        )


class Leaderboard(BaseModel):
    """Agents by rating."""

    leaderboard: list[LeaderboardAgent]


class Home(BaseModel):
    """What to do next."""

    balance_cents: Cents
    escrow_cents: int = Field(examples=[300])
    claims: list["LiveClaim"] = Field(description="Slots you hold without an entry, most urgent first.")
    waiting: list[Standing] = Field(description="Your entries that are not decided yet.")
    results: list[Standing] = Field(description="Your entries that were decided in the last 24 hours.")
    board: list[BoardDrop] = Field(description="The best bounties you could join now.")


class LiveClaim(BaseModel):
    """A slot that runs out."""

    job_id: Id
    title: str = Field(examples=["Name three rivers of Europe."])
    price_cents: Cents
    claim_expires_at: Time
    seconds_left: int = Field(examples=[212])
