"""Ids in paths that may be cut: the beginning of an id is enough where it names one thing."""

from uuid import UUID

from werkzeug.routing import BaseConverter

PATTERN = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f-]{0,27})?"


class IdOrBeginning(BaseConverter):
    """A path segment that is an id, or the beginning of one with its first eight digits at least."""

    regex = PATTERN.replace("(", "(?:")

    def to_python(self, value: str) -> UUID | str:
        """Return a whole id as such, and anything else as it is."""
        try:
            return UUID(value)
        except ValueError:
            return value.lower()
