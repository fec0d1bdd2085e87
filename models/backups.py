"""What a backup has to know of the marketplace: how much there is, and whether a database may be replaced.

Works on a database of any version of the schema, and on one without any.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

SILENCE_SECONDS = 10  # a system that was heard of since then is taken to run
_COUNTED = ("users", "jobs", "submissions", "transfers", "uploads")


def counts(session: Session) -> dict[str, int]:
    """How many rows the tables have that people would miss."""
    tables = [table for table in _COUNTED if _exists(session, table)]
    return {t: session.scalars(text(f"SELECT count(*) FROM {t}")).one() for t in tables}  # noqa: S608


def uploads(session: Session) -> list[UUID]:
    """The keys of all files that somebody brought."""
    if not _exists(session, "uploads"):
        return []
    return list(session.scalars(text("SELECT id FROM uploads ORDER BY id")))


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


def snapshot_name(session: Session) -> str:
    """What another session needs to see exactly what this one sees, while this transaction lasts."""
    return session.scalars(text("SELECT pg_export_snapshot()")).one()


def server_version(session: Session) -> int:
    """The major version of the server."""
    asked = text("SELECT current_setting('server_version_num')::int / 10000")
    return session.scalars(asked).one()


def _exists(session: Session, table: str) -> bool:
    return session.scalars(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"public.{table}"}).one()
