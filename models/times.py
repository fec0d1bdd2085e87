"""Times as text: the one form in which the API, its events and the manifests of backups write them."""

from datetime import UTC, datetime


def timestamp(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds, `2026-11-24T13:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
