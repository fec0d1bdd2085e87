"""A whole system in the background: `clorp up` as a child process, for the demo, benchmarks and tests."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from web.cli.readiness import Pauses, ask, local_client
from workers import embedded
from workers.supervisor import die_with_parent

START_SECONDS = 180  # three on an idle machine; one that had eight test runs to do needed 62
STOP_SECONDS = 60  # ten are promised, and needed at most; on a busy machine even what is killed takes longer
_ENDS = (signal.SIGTERM, signal.SIGHUP)


class BackgroundError(RuntimeError):
    """The system did not start or did not stop; the message has the end of its log."""


@dataclass(frozen=True)
class System:
    """A running system; `pid` is its supervisor's."""

    api_url: str
    data: Path
    log: Path
    servers: embedded.Servers
    pid: int


@contextmanager
def running(data: Path, env: Mapping[str, str] | None = None) -> Iterator[System]:
    """Run everything in `data` while the block runs.

    Args:
        data: an empty folder, or one that was used before.
        env: settings for it, `CLORP_…`.

    Raises:
        BackgroundError: it is not ready within START_SECONDS, or does not end.
    """
    try:
        embedded.prepare(data)  # before its log makes it a folder that holds other things
    except embedded.EmbeddedError as error:
        raise BackgroundError(str(error)) from None
    log = data / "clorp.log"
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLORP_")}
    with embedded.private_log(log) as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "web.cli", "up", "--port", "0", "--data", str(data)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**ours, **(env or {})},
            process_group=0,  # a Ctrl-C is for us, who then end it in order
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    with ended_in_order():
        try:
            url, servers = _wait_until_ready(process, data, log)
            yield System(url, data, log, servers, process.pid)
        finally:
            _stop(process, log)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM and a terminal that closes are exceptions, as Ctrl-C is: what was begun is ended in order."""

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # only there can signals be heard
        yield
        return
    heard = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]  # as nohup has it
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_ready(
    process: subprocess.Popen[bytes], data: Path, log: Path
) -> tuple[str, embedded.Servers]:
    deadline, pauses = time.monotonic() + START_SECONDS, Pauses()
    with local_client() as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise BackgroundError(f"clorp up ended with {process.returncode}:\n{tail(log)}")
            url = embedded.address(data, process.pid)
            if url and (answer := ask(client, url)) and answer.ready and (servers := embedded.find(data)):
                return url, servers
            pauses.rest()
    raise BackgroundError(f"clorp up was not ready after {START_SECONDS} s:\n{tail(log)}")


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BackgroundError(f"clorp up did not end within {STOP_SECONDS} s:\n{tail(log)}") from None


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
