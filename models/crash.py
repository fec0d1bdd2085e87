"""Places at which a process can be made to die, to see that nothing is lost when it does.

`CLORP_CRASH_AT=pay_committed` ends the process that first comes to that place as SIGKILL would, with nothing
cleaned up; `pay_committed:3` at the third time. What was forked from one process counts together.
"""

import mmap
import os
import re
import signal
from enum import StrEnum


class Point(StrEnum):
    """Every place, in the order in which a drop comes to them."""

    FUNDED = "funded"  # the bounty is in escrow, nothing is committed
    ANSWER = "answer"  # a request's change is committed, its answer has not left
    HANDOFF = "handoff"  # the last entry is committed, its task is not offered to the broker
    LEASED = "leased"  # a sweep has taken a task, and not sent it
    MOVED = "moved"  # a window is closed, nothing is committed
    CHORD_UNSENT = "chord_unsent"  # the ballots are known, none is sent
    CHORD_SENT = "chord_sent"  # all are sent, the message that asked for them is not acknowledged
    BALLOT_JUDGED = "ballot_judged"  # a judge has answered, nothing is recorded
    BALLOT_RECORDED = "ballot_recorded"  # recorded, not acknowledged
    RANKED = "ranked"  # ranks and winner are committed, the payout is not sent
    PAYING = "paying"  # the winner has the money, nothing is committed
    PAID = "paid"  # committed, not acknowledged
    RAIL_TOLD = "rail_told"  # a payment's rail was told, what it said is not stored
    REMITTED = "remitted"  # stored, not acknowledged


_plan: str | None = None
_planned: Point | None = None
_times = 1
_passed = mmap.mmap(-1, 1)


def read(planned: str) -> tuple[Point, int]:
    """A place, and at which time: `paid` or `paid:3`.

    Raises:
        ValueError: there is no such place; it lists all there are.
    """
    name, counted, times = planned.partition(":")
    if name not in set(Point) or not re.fullmatch("[1-9][0-9]?", times if counted else "1"):
        raise ValueError(f"has to be one of {', '.join(Point)}, with :N for the N-th time, at most 99")
    return Point(name), int(times or 1)


def plan(planned: str | None) -> None:
    """Die at that place from now on; None: nowhere. What is planned already goes on counting."""
    global _plan, _planned, _times, _passed
    if planned != _plan:
        _plan = planned
        _planned, _times = read(planned) if planned else (None, 1)
        _passed = mmap.mmap(-1, 1)  # shared with what is forked from here


def point(here: Point) -> None:
    """Die, if it was planned for here."""
    if _planned is here:
        _passed[0] = min(_passed[0] + 1, 255)
        if _passed[0] == _times:
            os.kill(os.getpid(), signal.SIGKILL)
