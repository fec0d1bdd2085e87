"""Wallets, payments and the books as answers."""

from typing import Self, cast

from pydantic import BaseModel, Field

from models import ledger, statements
from models.notices import Kind as PaymentKind
from models.notices import RailName
from models.notices import State as PaymentState
from models.schema import AutoTopup as AutoTopupRow
from models.schema import Payment as PaymentRow
from web.shapes.words import Cents, Id, Time, Yes


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

    received: Yes


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
