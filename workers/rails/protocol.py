"""What a rail is: whoever can ask a provider to move money."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from models.errors import Unavailable
from models.notices import Order, RailName


class RailDown(Unavailable):
    """The rail gave no answer that settles anything: ask again with the same order."""

    sentence = "The payment provider does not answer at the moment; try again."


class Refused(Exception):
    """The rail said no for good; `reason` is its own word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Delivery:
    """A notice as it travels: the bytes, and the signature over them."""

    body: bytes
    signature: str


@dataclass(frozen=True)
class Checkout:
    """A top-up that waits to be paid at `url`; `told` where the rail already knows that it is."""

    reference: str
    url: str | None
    told: Delivery | None = None


@dataclass(frozen=True)
class Sent:
    """An order that was taken on; `told` where the outcome is known already."""

    reference: str
    told: Delivery | None = None


@dataclass(frozen=True)
class Payee:
    """An account to be paid out to. Unless it is `ready`, `url` is where its owner makes it so."""

    account: str
    ready: bool
    url: str | None


class Rail(Protocol):
    """All calls may be repeated: the provider is given the payment's id as idempotency key."""

    name: RailName
    immediate: bool  # does no I/O, so it may be asked inside a transaction

    def checkout(self, order: Order, save_card: bool) -> Checkout:
        """A page where a person pays for a top-up.

        Raises:
            RailDown: no answer.
            Refused: not for this order.
        """

    def carry_out(self, order: Order) -> Sent:
        """Charge a saved card, or pay out.

        Raises:
            RailDown: no answer; it may have happened all the same.
            Refused: it has not happened and will not.
        """

    def payee(self, user_id: UUID, account: str | None) -> Payee:
        """Where a user is paid out to, made now if there is no `account` yet.

        Raises:
            RailDown: no answer.
            Refused: not for this user.
        """

    def try_out(self) -> None:
        """Ask for what moves no money, with the rights that moving it takes.

        Raises:
            Unavailable: no answer, or it refuses this server's key.
        """
