"""The system under fire: its processes by role, and its servers."""

import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from uuid import UUID

import psutil
import psycopg2
import psycopg2.extensions
import redis

from web.cli.background import System

# What the command line of each role has that no other has.
ROLES = {
    "web": "gunicorn",
    "money": "--queues money",
    "judge": "--queues judge",
    "beat": "workers.app beat",
    "redis": "valkey-server",
    "postgres": "postgres -D",
}
FIND_SECONDS = 3.0  # a role may be restarting at this moment


class Missing(RuntimeError):
    """What was to be hit is not there."""


@dataclass(frozen=True)
class Frozen:
    """The entries and their revisions that a drop had when its window was over; there will be no others."""

    job_id: UUID
    entries: frozenset[str]


@dataclass(frozen=True)
class Target:
    """The processes and servers of a running system."""

    system: System
    env: dict[str, str] = field(repr=False)  # what its own processes have in theirs
    frozen: list[Frozen] = field(default_factory=list)  # what `window` saw

    def process(self, role: str) -> psutil.Process:
        """The process that plays this role.

        Raises:
            Missing: none does, for FIND_SECONDS.
        """
        return _find(self.system.pid, ROLES[role])

    def child(self, role: str) -> psutil.Process:
        """A child of the process that plays this role: of a worker's pool, of the web server.

        Raises:
            Missing: it has none, for FIND_SECONDS.
        """
        return _find(self.process(role).pid, ROLES[role])

    def redis(self, **options: float) -> "closing[redis.Redis]":
        """A client of the system's Redis."""
        timeouts = {"socket_timeout": 2, "socket_connect_timeout": 2, **options}
        return closing(redis.Redis.from_url(self.system.servers.redis_url, decode_responses=True, **timeouts))

    def postgres(self) -> "closing[psycopg2.extensions.connection]":
        """A connection to the system's PostgreSQL, each statement of its own."""
        connection = psycopg2.connect(
            self.system.servers.database_url, connect_timeout=2, application_name="torture"
        )
        connection.autocommit = True
        return closing(connection)


def _find(parent: int, words: str) -> psutil.Process:
    deadline = time.monotonic() + FIND_SECONDS
    while time.monotonic() < deadline:
        with suppress(psutil.Error):
            for process in psutil.Process(parent).children():
                with suppress(psutil.Error):
                    if words in " ".join(process.cmdline()):
                        return process
        time.sleep(0.05)
    raise Missing(words)
