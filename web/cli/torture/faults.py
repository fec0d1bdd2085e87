"""The faults, by name: each is struck, and some are healed after a while."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import redis

from web.cli.torture import window
from web.cli.torture.target import Target
from web.cli.up import celery_command, worker_command
from workers.judge import unruly
from workers.supervisor import die_with_parent

Heal = Callable[[], object]

_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")
FAKETIME = tuple(Path(folder, "faketime", "libfaketime.so.1") for folder in _LIBRARIES)
CUT_SECONDS = 0.4  # for commits to pile up whose answer will never come
MONITOR_SECONDS = 30.0  # without any command at all; there are some each second
ROLL_SECONDS = 0.7  # between two processes of a rolling restart


@dataclass(frozen=True)
class Fault:
    """Something that happens to the system; `strike` may give what heals it after `seconds`."""

    name: str
    about: str
    strike: Callable[[Target], Heal | None]
    seconds: float = 0.0


def _kill(role: str, child: bool, target: Target) -> None:
    (target.child(role) if child else target.process(role)).kill()


def _wipe_redis(target: Target) -> None:
    """Kill it without its memory: what it had appended is gone, too."""
    with target.redis() as client:
        client.config_set("appendonly", "no")
    shutil.rmtree(target.system.data / "valkey" / "appendonlydir", ignore_errors=True)
    target.process("redis").kill()


def _flush_redis(target: Target) -> None:
    with target.redis() as client:
        client.flushall()


def _freeze(role: str, target: Target) -> Heal:
    process = target.process(role)
    process.suspend()
    return process.resume


def _fill_redis(target: Target) -> Heal:
    with target.redis() as client:
        client.config_set("maxmemory", "1")

    def empty() -> None:
        with target.redis() as client:
            client.config_set("maxmemory", "0")

    return empty


def _end_sessions(target: Target) -> None:
    with target.postgres() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


def _restart_postgres(target: Target) -> None:
    """An immediate shutdown: PostgreSQL recovers from its log when its supervisor starts it again."""
    target.process("postgres").send_signal(signal.SIGQUIT)


def _cut_commits(target: Target) -> None:
    """Commit, and never say so.

    With a standby that does not exist a commit is durable and then waits for it. A session that is ended
    in this wait has committed, and its client sees a connection that broke.
    """
    with target.postgres() as connection, connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        cursor.execute("SELECT pg_reload_conf()")
        time.sleep(CUT_SECONDS)
        try:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            )
        finally:
            cursor.execute("ALTER SYSTEM RESET synchronous_standby_names")
            cursor.execute("SELECT pg_reload_conf()")


def _double_messages(target: Target) -> Heal:
    """Send every message that is sent from now on a second time, as Redis sees them come."""
    ended = threading.Event()

    def echo() -> None:
        with (
            suppress(redis.RedisError, OSError),
            target.redis(socket_timeout=MONITOR_SECONDS) as reader,
            reader.monitor() as told,
            target.redis() as writer,
        ):
            while not ended.is_set():
                _echo(told.connection.read_response(), writer)

    thread = threading.Thread(target=echo, name="double", daemon=True)
    thread.start()

    def heal() -> None:
        ended.set()
        thread.join(3)

    return heal


_MARK = "doubled"


def _echo(line: str, writer: redis.Redis) -> None:
    """Push the message of a line of MONITOR again, as another one with the same content."""
    words = _words(line)
    if len(words) < 3 or words[0].upper() != "LPUSH" or not words[1].startswith(("money", "judge")):
        return
    for pushed in words[2:]:
        message = json.loads(pushed)
        if _MARK not in message["headers"]:
            message["headers"][_MARK] = True
            message["properties"]["delivery_tag"] = str(uuid4())
            writer.lpush(words[1], json.dumps(message))


def _words(line: str) -> list[str]:
    """The command in a line such as `1700000000.1 [0 127.0.0.1:5000] "LPUSH" "money" "{…}"`."""
    _, _, rest = line.partition("] ")
    words, position, decoder = [], 0, json.JSONDecoder(strict=False)
    while (position := rest.find('"', position)) >= 0:
        try:
            word, position = decoder.raw_decode(rest, position)
        except ValueError:  # \x.. of something binary: no message of ours
            return []
        words.append(word)
    return words


def _run_beside(command: list[str], target: Target, env: dict[str, str] | None = None) -> Heal:
    """A further process of the system, until it is healed."""
    process = subprocess.Popen(
        command,
        env={**target.env, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGKILL),  # a run that is killed cannot heal
    )

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    return end


def _second_beat(target: Target) -> Heal:
    return _run_beside(celery_command("beat"), target)


def _other_clock(shift: str, target: Target) -> Heal:
    """Workers and a beat on a machine whose clock is an hour wrong."""
    env = {"LD_PRELOAD": str(faketime()), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    commands = [celery_command("beat")]
    for queue in ("money", "judge"):
        commands.append([*worker_command(queue), "--pool", "solo", "--hostname", f"{queue}{shift}@%h"])
    heals = [_run_beside(command, target, env) for command in commands]

    def end() -> None:
        for heal in heals:
            heal()

    return end


def _roll(target: Target) -> None:
    """A rolling restart: each process is told to end in good order, one after the other."""
    for role in ("judge", "money", "beat", "web"):
        target.process(role).terminate()
        time.sleep(ROLL_SECONDS)


def _order(mood: unruly.Mood, seconds: float, target: Target) -> None:
    unruly.order(target.system.data, mood, seconds)


def faketime() -> Path | None:
    """libfaketime, where it is installed."""
    return next((path for path in FAKETIME if path.exists()), None)


_ALL = (
    Fault("kill-child", "SIGKILL to a process of the money worker's pool", partial(_kill, "money", True)),
    Fault("kill-money", "SIGKILL to the money worker", partial(_kill, "money", False)),
    Fault("kill-judge", "SIGKILL to the judge worker", partial(_kill, "judge", False)),
    Fault("kill-beat", "SIGKILL to beat", partial(_kill, "beat", False)),
    Fault("kill-web", "SIGKILL to a process that serves the API", partial(_kill, "web", True)),
    Fault("kill-api", "SIGKILL to the whole API", partial(_kill, "web", False)),
    Fault("kill-redis", "SIGKILL to Redis, and everything it knew gone", _wipe_redis),
    Fault("flush-redis", "FLUSHALL", _flush_redis),
    Fault("freeze-redis", "SIGSTOP to Redis for 10 s", partial(_freeze, "redis"), 10.0),
    Fault("fill-redis", "Redis out of memory for 5 s", _fill_redis, 5.0),
    Fault("end-sessions", "every PostgreSQL session terminated", _end_sessions),
    Fault("restart-postgres", "an immediate restart of PostgreSQL", _restart_postgres),
    Fault("cut-commits", "COMMIT done, its answer never sent", _cut_commits),
    Fault("double-messages", "every Celery message twice for 8 s", _double_messages, 8.0),
    Fault("second-beat", "two beats for 8 s", _second_beat, 8.0),
    Fault("roll", "a rolling restart with SIGTERM", _roll),
    Fault("hold-lock", "a drop's lock held across the end of its window", window.hold),
    Fault(
        "clock-ahead", "further workers and a beat an hour ahead for 8 s", partial(_other_clock, "+1h"), 8.0
    ),
    Fault(
        "clock-behind", "further workers and a beat an hour behind for 8 s", partial(_other_clock, "-1h"), 8.0
    ),
    Fault("judge-hangs", "a judge that never answers, for 3 s of calls", partial(_order, "hangs", 3.0)),
    Fault("judge-lies", "a judge that answers nonsense for 5 s", partial(_order, "lies", 5.0)),
    Fault(
        "judge-wavers", "a judge that answers differently each time for 8 s", partial(_order, "wavers", 8.0)
    ),
    Fault(
        "judge-dies", "a judge that takes its worker along, for 2 s of calls", partial(_order, "dies", 2.0)
    ),
)
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}


def possible(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of the faults that can be struck on this machine, and those that cannot."""
    cannot = () if faketime() else tuple(name for name in names if name.startswith("clock-"))
    return tuple(name for name in names if name not in cannot), cannot
