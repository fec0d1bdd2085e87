"""Watching processes: what lives, and waiting for a fact, however slow the machine is."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 120  # for what is bound to come: no slow machine, only something broken takes so long
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def until(what: str, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `condition` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


@contextmanager
def child(argv: Sequence[object], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Run a process that a signal ends, as one that was started in a terminal; killed with the block."""
    with signals_for_children():
        process = subprocess.Popen([str(word) for word in argv], **options)
    with process, ended(process):
        yield process


@contextmanager
def signals_for_children() -> Iterator[None]:
    """Let what is started in the block hear signals.

    A shell starts what runs in its background with SIGINT ignored, `nohup` does it with SIGHUP, and children
    inherit that: a program like that would not notice what a test sends it.
    """
    ours = {number: signal.getsignal(number) for number in _ENDING}
    ignored = [number for number, handler in ours.items() if handler is signal.SIG_IGN]
    try:
        for number in ignored:
            signal.signal(number, lambda *_: None)  # what is handled here has its default in a new program
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def ended(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Kill a process at the end of the block, so that a test that fails does not wait for it."""
    try:
        yield
    finally:
        process.kill()


def alive(pid: int) -> bool:
    """Whether this process still runs; a dead one that nobody has asked after yet does not."""
    try:
        os.kill(pid, 0)
        return not Path(f"/proc/{pid}").exists() or state(pid) != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def state(pid: int) -> str:
    """What a process does, as Linux names it: R runs, S sleeps, T was stopped, Z has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def gone(*pids: int) -> bool:
    """Whether none of these processes runs any more."""
    return not any(alive(pid) for pid in pids)


def command(pid: int) -> str:
    """The command line of a process; empty for one that is gone, be it between two looks."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
