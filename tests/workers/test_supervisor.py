"""Real children, tiny ones: kept alive, ended in order, and never left behind."""

import io
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.processes import PATIENCE_SECONDS, alive, gone, until
from workers import supervisor as module
from workers.supervisor import Child, Supervisor

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(99)"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"  # RFC 3339, in UTC
PATIENT = "import time; print('up'); time.sleep(99)"


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """One that waits as long as a busy machine takes, where a test says nothing else."""
    for limit in ("END_SECONDS", "RESTART_PATIENCE_SECONDS", "LAST_WORDS_SECONDS", "HEALTHY_SECONDS"):
        monkeypatch.setattr(module, limit, PATIENCE_SECONDS)
    started = Supervisor(log)
    yield started
    started.stop()


def child(code: str, name: str = "child", stage: int = 1, **more: Any) -> Child:
    return Child(name, [sys.executable, "-c", code], stage, **more)


def watch_until(supervisor: Supervisor, log: io.StringIO, words: str, times: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    supervisor.watch(until=lambda: log.getvalue().count(words) >= times or time.monotonic() > deadline)
    assert log.getvalue().count(words) >= times, log.getvalue()


def pauses(log: io.StringIO) -> list[float]:
    return [float(seconds) for seconds in re.findall(r"restarting in (\S+) s", log.getvalue())]


# Kept alive ------------------------------------------------------------------------------------


def test_a_killed_child_is_started_again(supervisor, log):
    supervisor.start([child(PATIENT)])
    watch_until(supervisor, log, " up")
    first = supervisor.pids()["child"]
    os.kill(first, signal.SIGKILL)
    watch_until(supervisor, log, " up", times=2)
    assert "killed by SIGKILL, restarting in" in log.getvalue()
    assert supervisor.pids()["child"] != first


def test_only_the_dead_one_is_started_again(supervisor, log):
    supervisor.start([child(PATIENT, "healthy"), child("raise SystemExit(3)", "ill")])
    healthy = supervisor.pids()["healthy"]
    watch_until(supervisor, log, "ended with 3")
    assert supervisor.pids()["healthy"] == healthy


def test_one_that_keeps_dying_is_left_alone_for_longer_and_longer(supervisor, log, monkeypatch):
    monkeypatch.setattr(module, "RESTART_SECONDS_MAX", 0.5)
    supervisor.start([child("")])
    watch_until(supervisor, log, "ended with 0", times=4)
    assert pauses(log)[:4] == [0.2, 0.4, 0.5, 0.5]


def test_one_that_has_lived_long_is_started_again_soon(supervisor, log, monkeypatch):
    supervisor.start([child("")])
    watch_until(supervisor, log, "restarting", times=2)
    monkeypatch.setattr(module, "HEALTHY_SECONDS", 0)
    watch_until(supervisor, log, "restarting", times=3)
    assert pauses(log)[:3] == [0.2, 0.4, 0.2]


def test_what_a_crashed_child_had_started_is_ended(supervisor, log):
    code = "import subprocess; print('mine:', subprocess.Popen(['sleep', '99']).pid); raise SystemExit(1)"
    supervisor.start([child(code)])
    watch_until(supervisor, log, "restarting")
    until("its words", lambda: "mine:" in log.getvalue())
    grandchild = int(log.getvalue().partition("mine: ")[2].split()[0])
    until("the grandchild to end", lambda: gone(grandchild))


def test_one_that_is_to_be_replaced_is_asked_first(supervisor, log):
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('thanks'))); "
    supervisor.start([child(code + PATIENT)])
    watch_until(supervisor, log, " up")
    first = supervisor.pids()["child"]
    supervisor.restart("child")
    watch_until(supervisor, log, " up", times=2)
    assert "thanks" in log.getvalue()
    assert supervisor.pids()["child"] != first


def test_one_that_is_to_be_replaced_and_stands_still_is_killed(supervisor, log, monkeypatch):
    monkeypatch.setattr(module, "RESTART_PATIENCE_SECONDS", 0.2)
    supervisor.start([child(PATIENT)])
    watch_until(supervisor, log, " up")
    os.kill(supervisor.pids()["child"], signal.SIGSTOP)
    supervisor.restart("child")
    watch_until(supervisor, log, " up", times=2)
    assert 0 <= supervisor.age_seconds("child") < PATIENCE_SECONDS


def test_a_file_stays_open_for_a_child_however_often_it_is_started(supervisor, log):
    reading, writing = os.pipe()
    code = f"import os; os.write({writing}, b'x')"
    supervisor.start([child(code, files=(writing,))])
    watch_until(supervisor, log, "restarting", times=2)
    assert os.read(reading, 9).startswith(b"xx")
    os.close(reading)
    os.close(writing)


# Ended in order --------------------------------------------------------------------------------


def test_a_start_that_is_broken_off_lets_all_go_at_once_but_what_they_stand_on(supervisor, log):
    supervisor.start([child(PATIENT, f"stage{stage}", stage) for stage in (0, 1, 2)])
    watch_until(supervisor, log, " up", times=3)
    supervisor.let_go(above=0)
    until("the others to end", lambda: supervisor.pids().keys() == {"stage0"})
    supervisor.stop()
    assert "killed" not in log.getvalue()


def test_stages_end_one_after_the_other_the_highest_first(supervisor, log, tmp_path):
    ended = tmp_path / "ended"
    code = f"""
import signal, sys, time
def end(*_):
    time.sleep(float(sys.argv[1]))
    open({str(ended)!r}, "a").write(sys.argv[2] + " ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up")
time.sleep(99)"""
    slow_first = [("0", "servers", 0), ("0.1", "workers", 1), ("0.3", "web", 3)]
    supervisor.start(
        Child(name, [sys.executable, "-c", code, seconds, name], stage) for seconds, name, stage in slow_first
    )
    watch_until(supervisor, log, " up", times=3)
    supervisor.stop()
    assert ended.read_text().split() == ["web", "workers", "servers"]


def test_each_is_asked_with_its_own_signal(supervisor, log):
    code = "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(print('thanks'))); "
    supervisor.start([child(code + PATIENT, stop_signal=signal.SIGINT)])
    watch_until(supervisor, log, " up")
    supervisor.stop()
    assert "thanks" in log.getvalue()


def test_those_that_will_not_end_are_killed_within_the_promised_time(supervisor, log, monkeypatch):
    monkeypatch.setattr(module, "END_SECONDS", 0.6)
    supervisor.start([child(STUBBORN, "one", 1), child(STUBBORN, "two", 2), child(STUBBORN, "three", 3)])
    watch_until(supervisor, log, " up", times=3)
    pids = supervisor.pids().values()
    supervisor.stop()  # they never end by themselves
    assert log.getvalue().count("does not end, killed") == 3
    until("all to end", lambda: gone(*pids))


def test_a_larger_share_is_a_longer_time_to_end(supervisor, log, monkeypatch):
    monkeypatch.setattr(module, "END_SECONDS", 2.0)
    supervisor.start([child(STUBBORN, "web", 2, share=3), child(PATIENT, "server", 1)])
    watch_until(supervisor, log, " up", times=2)
    begun = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - begun >= 2.0 * 3 / 4
    assert "web      does not end, killed" in log.getvalue()
    assert log.getvalue().count("killed") == 1


def test_nothing_is_left_to_wait_for_after_a_stop(supervisor, log, monkeypatch):
    monkeypatch.setattr(module, "END_SECONDS", 0.2)
    supervisor.start([child(STUBBORN)])
    watch_until(supervisor, log, " up")
    pid = supervisor.pids()["child"]
    supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_stop_between_a_death_and_the_restart_starts_nothing(supervisor, log):
    supervisor.start([child("")])
    watch_until(supervisor, log, "restarting")
    supervisor.stop()
    assert supervisor.pids() == {}


SUPERVISED = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup themselves
from workers import supervisor as module
from workers.supervisor import Child, Supervisor
module.END_SECONDS = 3600
supervisor = Supervisor()
supervisor.catch_signals()
user = int(sys.argv[1]) if sys.argv[1] else None
supervisor.start([Child("child", {argv!r}, 1, user=user)])
print(supervisor.pids()["child"], file=sys.stderr, flush=True)
supervisor.watch()
supervisor.say("stopping")
supervisor.stop()
"""


@pytest.fixture
def supervised() -> Iterator[Any]:
    """Runs a supervisor of one child in a process of its own; gives it and the child's pid."""
    running = []

    def run(*argv: str, user: str = "") -> tuple[subprocess.Popen[str], int]:
        script = SUPERVISED.format(argv=argv)
        process = subprocess.Popen(
            [sys.executable, "-c", script, user], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stderr is not None
        pid = int(process.stderr.readline())
        assert " up" in process.stdout.readline()
        return process, pid

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_all(supervised, name):
    process, pid = supervised(sys.executable, "-c", PATIENT)
    process.send_signal(signal.Signals[name])
    assert process.wait(PATIENCE_SECONDS) == 0
    assert gone(pid)


STOPS = """
import os, random, signal, threading, time
from workers import supervisor as module
module.TEND_SECONDS = 0

def ask():
    time.sleep(random.random() / 500)
    os.kill(os.getpid(), signal.SIGTERM)

for _ in range(1000):
    supervisor = module.Supervisor()
    supervisor.catch_signals()
    threading.Thread(target=ask).start()
    supervisor.watch()
    supervisor.stop()
print("stopped each time")
"""


def test_a_signal_is_heard_in_whatever_it_interrupts():
    """A handler that takes a lock would wait for ever where it interrupts who holds it."""
    done = subprocess.run(
        [sys.executable, "-c", STOPS], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert done.stdout == "stopped each time\n", done.stderr


def test_a_second_signal_waits_for_nobody(supervised):
    process, pid = supervised(sys.executable, "-c", STUBBORN)
    process.send_signal(signal.SIGINT)
    until("it to wait for its child", lambda: "stopping" in process.stdout.readline())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert alive(pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGINT
    until("the child to end", lambda: gone(pid))


HANGING = """
import signal, sys, threading
from workers.supervisor import Child, Supervisor
supervisor = Supervisor()
supervisor.catch_signals()
supervisor.start([Child("child", [sys.executable, "-c", "import time; print('up'); time.sleep(99)"], 1)])
print(supervisor.pids()["child"], file=sys.stderr, flush=True)
lock = threading.Lock()
lock.acquire()
lock.acquire()
"""


def test_a_second_signal_ends_what_hangs():
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        pid = int(process.stderr.readline())
        assert " up" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
    until("the child to end", lambda: gone(pid))


def test_what_nohup_ignores_stays_ignored():
    script = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); " + IGNORING
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "still there\n"


IGNORING = """
import os
from workers.supervisor import Supervisor
supervisor = Supervisor()
supervisor.catch_signals()
os.kill(os.getpid(), signal.SIGHUP)
print("stopping" if supervisor.stopping else "still there")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_do_not_outlive_a_killed_supervisor(supervised):
    # As root PostgreSQL is such a child: changing users must not make it forget its parent.
    nobody = str(pwd.getpwnam("nobody").pw_uid) if os.geteuid() == 0 else ""
    process, pid = supervised("/bin/sh", "-c", "echo ' up'; exec sleep 99", user=nobody)
    process.kill()
    until("the child to end", lambda: gone(pid))


# What they say and know ------------------------------------------------------------------------


def test_every_line_has_its_time_and_its_name(supervisor, log):
    supervisor.start([child("print('one\\n\\ntwo'); import time; time.sleep(99)", "talker")])
    watch_until(supervisor, log, "two")
    assert re.fullmatch(rf"({STAMP} talker   (one|two)\n){{2}}", log.getvalue())


def test_bytes_that_are_no_text_do_no_harm(supervisor, log):
    code = r"import os, time; os.write(1, b'caf\xe9 [/] \xff\n'); os.write(2, b'then\n'); time.sleep(99)"
    supervisor.start([child(code)])
    watch_until(supervisor, log, "then")
    assert "caf� [/] �\n" in log.getvalue()


def test_last_words_are_heard(supervisor, log):
    supervisor.start([child("import atexit, signal, sys, time; " + FAREWELL)])
    watch_until(supervisor, log, " up")
    supervisor.stop()
    assert "line 999" in log.getvalue()


FAREWELL = """
def end(*_):
    for number in range(1000):
        print("line", number)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up")
time.sleep(99)
"""


def test_the_environment_reaches_the_child_on_top_of_ours(supervisor, log, monkeypatch):
    monkeypatch.setenv("OURS", "inherited")
    code = "import os, time; print(os.environ['OURS'], os.environ['THEIRS']); time.sleep(99)"
    supervisor.start([child(code, env={"THEIRS": "added"})])
    watch_until(supervisor, log, "inherited added")


def test_the_environment_is_not_shown():
    assert "hidden" not in repr(child("", env={"CLORP_ENCRYPTION_KEYS": "hidden"}))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_child_may_run_as_somebody_else(supervisor, log):
    nobody = pwd.getpwnam("nobody").pw_uid
    supervisor.start([Child("child", ["/bin/sh", "-c", "echo uid `id -u`; sleep 99"], 1, user=nobody)])
    watch_until(supervisor, log, f"uid {nobody}")


def test_a_program_that_does_not_exist_is_named(supervisor):
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        supervisor.start([Child("child", [str(Path("/no-such-program"))], 1)])


class _Full(io.StringIO):
    """Where no line can be written any more."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_holds_nobody_up(tmp_path):
    supervisor, done = Supervisor(_Full()), tmp_path / "done"
    code = (
        f"print('x' * 1_000_000, flush=True); open({str(done)!r}, 'w').close(); import time; time.sleep(99)"
    )
    supervisor.start([child(code)])
    supervisor.say("nobody hears this")
    deadline = time.monotonic() + PATIENCE_SECONDS
    supervisor.watch(until=lambda: done.exists() or time.monotonic() > deadline)
    supervisor.stop()
    assert done.exists()


def test_a_reader_who_has_left_ends_nothing():
    script = """
import sys, time
from workers.supervisor import Supervisor
supervisor = Supervisor()
sys.stdin.readline()
for line in range(3):
    supervisor.say("x")
print("alive", file=sys.stderr)
"""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stderr.read() == "alive\n"
