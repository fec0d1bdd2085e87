"""Watching processes: what lives, and waiting for something with a deadline."""

import os
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_SECONDS = 20


def until(what: str, condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until `condition` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether this process still runs; a dead one that nobody has asked after yet does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.parent.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def gone(*pids: int) -> bool:
    """Whether none of these processes runs any more."""
    return not any(alive(pid) for pid in pids)


def command(pid: int) -> str:
    """The command line of a process; empty for one that is gone, be it between two looks."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
