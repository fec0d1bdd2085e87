"""What checking a receipt comes to: one finding for each thing that it says."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Result = Literal["verified", "differs", "unknown"]

_ERROR = 1e-9  # what a decimal number may lose on its way


@dataclass(frozen=True)
class Finding:
    """One thing a receipt says. `said` by the receipt, `found` by working it out; `why` it could not be."""

    about: str
    what: str
    result: Result
    said: Any = None
    found: Any = None
    why: str = ""


def same(about: str, what: str, said: Any, found: Any) -> Finding:
    """Of a value that has to be this one."""
    return Finding(about, what, "verified" if said == found else "differs", said, found)


def close(about: str, what: str, said: Any, found: float) -> Finding:
    """Of a fraction."""
    result: Result = "verified" if _is_number(said) and abs(said - found) < _ERROR else "differs"
    return Finding(about, what, result, said, found)


def within(about: str, what: str, said: Any, least: int, most: int) -> Finding:
    """Of a number that has to lie between two, both included."""
    result: Result = "verified" if _is_number(said) and least <= said <= most else "differs"
    return Finding(about, what, result, said, f"{least} to {most}")


def unknown(about: str, what: str, why: str) -> Finding:
    """Of what cannot be checked."""
    return Finding(about, what, "unknown", why=why)


def legible(about: str, check: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of a check; where a receipt is no such document, up to there, and that it is none."""
    try:
        yield from check
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as trouble:
        yield Finding(about, "form", "differs", f"{type(trouble).__name__}: {trouble}", "a receipt's")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
