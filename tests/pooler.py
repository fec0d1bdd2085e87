"""A real PgBouncer before the tests' PostgreSQL, where its package is installed: Debian's `pgbouncer`."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import URL, make_url

from tests.postgres_proxy import use
from tests.workers.processes import child, until
from workers import embedded

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
NOBODY = "nobody"  # it refuses to run as root

MISSING = "PgBouncer is not installed: there is no pooler"
needed = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


@contextmanager
def running(mode: str = "transaction", **options: object) -> Iterator[URL]:
    """The address of the tests' database through a pooler in this mode, with these options of its own."""
    straight = make_url(os.environ["CLORP_DATABASE_URL"])
    with tempfile.TemporaryDirectory(prefix="clorp-pooler-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        port = embedded.free_port()
        config = _configure(Path(folder), straight, {"listen_port": port, "pool_mode": mode, **options})
        argv = [PROGRAM, "--quiet", *(["--user", NOBODY] if os.geteuid() == 0 else []), config]
        with child(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            until("PgBouncer", lambda: process.poll() is not None or _listens(port))
            assert process.poll() is None
            yield straight.set(host=embedded.HOST, port=port)


@contextmanager
def pooled(mode: str = "transaction", **options: object) -> Iterator[str]:
    """Let this process reach its database through a pooler while the block runs; gives its address."""
    straight = os.environ["CLORP_DATABASE_URL"]
    with running(mode, **options) as address:
        url = address.render_as_string(hide_password=False)
        use(url)
        try:
            yield url
        finally:
            use(straight)


def reconnect(url: str) -> None:
    """Have a pooler open new sessions, as an operator does in its console."""
    console = make_url(url).set(database="pgbouncer").render_as_string(hide_password=False)
    with closing(psycopg2.connect(console)) as connection, closing(connection.cursor()) as cursor:
        connection.autocommit = True
        cursor.execute("RECONNECT")


def _configure(folder: Path, server: URL, options: dict[str, object]) -> Path:
    """Write what it reads, as whatever user it runs; the password in it is of the tests' server."""
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{server.username}" "{server.password or ""}"\n')
    every = {
        "listen_addr": embedded.HOST,
        "unix_socket_dir": "",
        "auth_type": "plain",
        "auth_file": users,
        "admin_users": server.username,
        "max_client_conn": 1_000,
        **options,
    }
    lines = [f"{name} = {value}" for name, value in every.items()]
    target = f"* = host={server.host} port={server.port or 5432}"
    config.write_text("\n".join(["[databases]", target, "[pgbouncer]", *lines, ""]))
    for path in (users, config):
        path.chmod(0o644)
    return config


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((embedded.HOST, port), 1):
        return True
    return False
