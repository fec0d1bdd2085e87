"""Identifiers: UUIDv7, so that rows sort by the time they were made and indexes stay dense."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76  # version
    value = value & ~(0x3 << 62) | 2 << 62  # variant
    return UUID(int=value)


def between(beginning: str) -> tuple[UUID, UUID] | None:
    """Return the least and the greatest id that begins so; None where none can."""
    digits = beginning.replace("-", "")
    try:
        least, greatest = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    except ValueError:
        return None
    return (least, greatest) if str(least).startswith(beginning) else None


def parse(text: str) -> UUID | None:
    """`text` as a UUID, or None where it is not one in its usual form."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
