"""Running a set of processes as one: started together, restarted when they die, ended in order.

Knows nothing of what the processes do. Their output becomes one readable log.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from workers.relay import Log
from workers.stopping import Stop

END_SECONDS = 9.0  # everything together; a stop is promised within ten
RESTART_PATIENCE_SECONDS = 5.0  # for one that is to be replaced while the others go on
LAST_WORDS_SECONDS = 0.5  # what has ended may have left output to read
RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 5.0
TEND_SECONDS = 0.05  # between two looks at the children
HEALTHY_SECONDS = 5.0  # who lived so long has no bad start behind it, whatever ended it then

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_red")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Child:
    """A process to keep alive. Those of a lower `stage` are started first and ended last."""

    name: str
    argv: list[str]
    stage: int
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL  # when we are killed: to end in order it may need others
    share: int = 1  # of END_SECONDS, against those of the other stages
    files: tuple[int, ...] = ()  # open ones that it inherits, every time it is started
    env: dict[str, str] = field(default_factory=dict, repr=False)  # added to ours; holds secrets
    user: int | None = None


@dataclass
class _Run:
    """A child and its present process."""

    child: Child
    colour: str
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    kill_at: float = 0.0  # it was told to end; 0: it was not
    let_go: bool = False  # it was told to end with the others
    pause: float = RESTART_SECONDS_MIN
    relay: threading.Thread | None = None


class Supervisor:
    """Keeps children alive until a signal or `stop` says otherwise. Use it from the main thread."""

    def __init__(self, log: IO[str] | None = None) -> None:
        self._log = Log(log)
        self._runs: list[_Run] = []
        self._stop = Stop()

    def catch_signals(self) -> None:
        """SIGINT, SIGTERM and SIGHUP end everything in order; a second one does so at once."""
        self._stop.catch_signals(self._kill_all)

    @property
    def stopping(self) -> bool:
        """Whether the end has been asked for."""
        return self._stop.asked

    def say(self, text: str, name: str = "clorp", style: str = "bold") -> None:
        """A line of the log; never raises."""
        self._log.say(text, name, style)

    def start(self, children: Iterable[Child]) -> None:
        """Start these, too."""
        for child in children:
            run = _Run(child, _COLOURS[len(self._runs) % len(_COLOURS)])
            self._runs.append(run)
            self._spawn(run)

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Restart what dies, until a signal comes or `until` is true."""
        while not self.stopping and not until():
            self.tend()

    def tend(self) -> None:
        """One look at every child, and a moment's rest."""
        for run in self._runs:
            self._revive(run)
        self._stop.wait(TEND_SECONDS)

    def let_go(self, above: int) -> None:
        """Tell the children of all stages above this one to end, at once; `stop` then waits for them.

        By itself for a start that is broken off, where nobody needs anybody yet.
        """
        for run in self._runs:
            if run.child.stage > above and not run.let_go:
                run.let_go = True
                _signal(run, run.child.stop_signal)

    def stop(self) -> None:
        """End every child, the highest stage first, within END_SECONDS."""
        deadline = time.monotonic() + END_SECONDS
        stages = sorted({run.child.stage for run in self._runs}, reverse=True)
        shares = [max(run.child.share for run in self._runs if run.child.stage == s) for s in stages]
        for place, stage in enumerate(stages):
            runs = [run for run in self._runs if run.child.stage == stage]
            self.let_go(stage - 1)
            # What a stage does not use of its share is left to the next ones.
            left = (deadline - time.monotonic()) * shares[place] / sum(shares[place:])
            until = time.monotonic() + left
            while any(_alive(run) for run in runs) and time.monotonic() < until:
                time.sleep(0.02)
            for run in runs:
                if _alive(run):
                    self.say("does not end, killed", run.child.name, run.colour)
                _signal_group(run, signal.SIGKILL)
                if run.process:
                    run.process.wait()
        self._hear_last_words()
        self._runs.clear()
        self._stop.close()

    def restart(self, name: str) -> None:
        """Have this child replaced; one that does not end when it is told to is killed."""
        for run in self._runs:
            if run.child.name == name and _alive(run) and not run.kill_at:
                _signal(run, run.child.stop_signal)
                run.kill_at = time.monotonic() + RESTART_PATIENCE_SECONDS

    def age_seconds(self, name: str) -> float:
        """How long the present process of this child has been running; 0 for one that does not run."""
        begun = [run.started_at for run in self._runs if run.child.name == name and _alive(run)]
        return time.monotonic() - begun[0] if begun else 0.0

    def pids(self) -> dict[str, int]:
        """The running children by name."""
        return {run.child.name: run.process.pid for run in self._runs if run.process and _alive(run)}

    def _spawn(self, run: _Run) -> None:
        run.started_at, run.kill_at = time.monotonic(), 0.0
        run.process = subprocess.Popen(
            run.child.argv,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **run.child.env},
            **identity(run.child.user),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C in a terminal reaches only us, who end the others in order
            preexec_fn=die_with_parent(run.child.orphan_signal),
            cwd="/" if run.child.user is not None else None,
            pass_fds=run.child.files,
        )
        assert run.process.stdout is not None
        run.relay = self._log.follow(run.process.stdout, run.child.name, run.colour)

    def _kill_all(self) -> None:
        for run in self._runs:
            _signal_group(run, signal.SIGKILL)

    def _hear_last_words(self) -> None:
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        for run in self._runs:
            if run.relay:
                run.relay.join(max(0, deadline - time.monotonic()))

    def _revive(self, run: _Run) -> None:
        assert run.process is not None
        code, now = run.process.poll(), time.monotonic()
        if code is None:
            if run.kill_at and now >= run.kill_at:
                _signal_group(run, signal.SIGKILL)
            return
        if not run.restart_at:
            if now - run.started_at > HEALTHY_SECONDS:
                run.pause = RESTART_SECONDS_MIN
            run.restart_at = now + run.pause
            _signal_group(run, signal.SIGKILL)  # its own children would keep its port or its folder
            self.say(f"{_ending(code)}, restarting in {run.pause:.1f} s", run.child.name, run.colour)
            run.pause = min(run.pause * 2, RESTART_SECONDS_MAX)
        elif now >= run.restart_at:
            run.restart_at = 0.0
            self._spawn(run)


def identity(user: int | None) -> dict[str, Any]:
    """What makes `subprocess` run a program as this user: nothing of our groups may stay behind."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": []}


def _alive(run: _Run) -> bool:
    return run.process is not None and run.process.poll() is None


def _signal(run: _Run, number: signal.Signals) -> None:
    if _alive(run) and run.process:
        run.process.send_signal(number)


def _signal_group(run: _Run, number: signal.Signals) -> None:
    if run.process is not None:
        try:
            os.killpg(run.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def die_with_parent(number: signal.Signals, parent: int | None = None) -> Callable[[], None] | None:
    """Return what a child has to run first, so that it gets this signal when its parent ends. Linux only.

    Args:
        number: of the signal.
        parent: its pid; left out, this process is the parent.
    """
    if not Path("/proc/self/status").exists():
        return None
    prctl, parent = ctypes.CDLL(None).prctl, parent or os.getpid()  # before the fork: later little is safe

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # killed in between: the signal would never come
            os._exit(1)

    return prepare
