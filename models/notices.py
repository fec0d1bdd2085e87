"""What the marketplace and a rail say to each other about a payment, as plain data."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

RailName = Literal["sandbox", "stripe"]
Kind = Literal["topup", "withdrawal"]
State = Literal["requested", "pending", "succeeded", "failed"]

CURRENCY = "usd"


@dataclass(frozen=True)
class Order:
    """What a rail is asked to do: to bring `amount_cents` in, or to take them out."""

    payment_id: UUID
    user_id: UUID
    kind: Kind
    rail: RailName
    amount_cents: int
    retried: bool = False  # the rail may have been told before
    customer: str | None = None
    payment_method: str | None = None
    payout_account: str | None = None


@dataclass(frozen=True)
class Notice:
    """What a rail tells of a payment. `id` names the telling: the same one counts once."""

    id: str
    kind: str
    payment_id: UUID
    outcome: Literal["succeeded", "failed"] | None  # None: still under way
    amount_cents: int
    currency: str
    reference: str
    reason: str | None = None  # of a failure
    customer: str | None = None  # with `payment_method`: may be charged again without the user
    payment_method: str | None = None
