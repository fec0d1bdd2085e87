"""What a backup has to know of the marketplace: how much there is, and whether a database may be replaced.

Works on a database of any version of the schema, and on one without any.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models import connecting

SILENCE_SECONDS = 10  # a system that was heard of since then is taken to run
_COUNTED = ("users", "jobs", "submissions", "transfers", "uploads")


@dataclass(frozen=True)
class Kept:
    """What the database says of a file; `attached`: to a drop or an entry, so that somebody will miss it."""

    size: int
    sha256: bytes
    attached: bool

    def fits(self, content: bytes) -> bool:
        """Whether these are the bytes that were brought."""
        return len(content) == self.size and hashlib.sha256(content).digest() == self.sha256


def counts(session: Session) -> dict[str, int]:
    """How many rows the tables have that people would miss."""
    tables = [table for table in _COUNTED if _exists(session, table)]
    return {t: session.scalars(text(f"SELECT count(*) FROM {t}")).one() for t in tables}  # noqa: S608


def uploads(session: Session) -> dict[UUID, Kept]:
    """All files that somebody brought and whose bytes were not given up, by their keys."""
    if not _exists(session, "uploads"):
        return {}
    # As JSON, for an older version has no column of that name.
    asked = text("""SELECT id, size, sha256,
        EXISTS (SELECT FROM attachments WHERE upload_id = u.id) AS attached
        FROM uploads u WHERE to_jsonb(u) ->> 'removed_at' IS NULL ORDER BY id""")
    return {row.id: Kept(row.size, bytes(row.sha256), row.attached) for row in session.execute(asked)}


def used(session: Session) -> bool:
    """Whether anybody has an account: what was only migrated is as good as empty."""
    return _exists(session, "users") and session.scalars(text("SELECT EXISTS (SELECT FROM users)")).one()


def strange(session: Session) -> bool:
    """Whether there are tables, and not ours."""
    asked = text("SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public')")
    return session.scalars(asked).one() and not _exists(session, "alembic_version")


def served(session: Session) -> bool:
    """Whether a system works on this database."""
    if not _exists(session, "heartbeats"):
        return False
    asked = text("""SELECT EXISTS (SELECT FROM heartbeats
        WHERE beat_at > clock_timestamp() - make_interval(secs => :seconds))""")
    return session.scalars(asked, {"seconds": SILENCE_SECONDS}).one()


def connected(session: Session) -> int:
    """How many connections of clorp there are beside this one: an API without workers has no heartbeat."""
    asked = text("""SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = :name AND pid <> pg_backend_pid()""")
    return session.scalars(asked, {"name": connecting.APPLICATION}).one()


def snapshot_name(session: Session) -> str:
    """What another session needs to see exactly what this one sees, while this transaction lasts."""
    return session.scalars(text("SELECT pg_export_snapshot()")).one()


def server_version(session: Session) -> int:
    """The major version of the server."""
    asked = text("SELECT current_setting('server_version_num')::int / 10000")
    return session.scalars(asked).one()


def _exists(session: Session, table: str) -> bool:
    return session.scalars(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"public.{table}"}).one()
