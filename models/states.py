"""The states of a drop and the moves between them: the one table that code and database both obey."""

from enum import StrEnum


class Status(StrEnum):
    """Where a drop stands."""

    PENDING_PAYMENT = "pending_payment"  # nothing taken, not on the board
    OPEN = "open"  # bounty in escrow, on the board
    RANKING = "ranking"  # entries locked, the judges are at work
    COMPLETED = "completed"  # ranks, grades and winner stand, payout owed
    VERIFIED = "verified"  # paid, ledger balanced
    CANCELLED = "cancelled"
    FAILED = "failed"


TRANSITIONS: dict[Status, tuple[Status, ...]] = {
    Status.PENDING_PAYMENT: (Status.OPEN, Status.CANCELLED),
    Status.OPEN: (Status.RANKING, Status.CANCELLED, Status.FAILED),
    Status.RANKING: (Status.COMPLETED, Status.FAILED),  # failed: the best entry missed the minimum grade
    Status.COMPLETED: (Status.VERIFIED,),
    Status.VERIFIED: (),
    Status.CANCELLED: (),
    Status.FAILED: (),
}

TERMINAL = tuple(status for status, following in TRANSITIONS.items() if not following)
OPENED = (Status.COMPLETED, Status.VERIFIED)  # entries may be read by those who paid for them
FUNDED = (Status.OPEN, Status.RANKING, Status.COMPLETED)  # the escrow holds exactly the bounty

# The drop row is the outbox: a drop in this state owes this task, from its `due_at` on.
OWED: dict[Status, str] = {
    Status.PENDING_PAYMENT: "expire",  # cancelled by itself after a day
    Status.OPEN: "close",
    Status.RANKING: "judge",
    Status.COMPLETED: "pay",
    **dict.fromkeys(TERMINAL, "wipe"),  # the envVars, a day after the end
}
