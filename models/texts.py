"""Text that can be stored: what every string from outside has to be."""

from typing import Annotated
from unicodedata import category

from pydantic import AfterValidator, Field


def storable(text: str) -> str:
    """`text`, unless it has what PostgreSQL cannot keep: NUL, or half a surrogate pair.

    Raises:
        ValueError: it has.
    """
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


# Said to readers of the schema; checked by `storable`, whose sentence is kinder than a pattern's.
NO_NUL = r"^[^\u0000]*$"
NOT_BLANK = r"^[^\u0000]*[^\u0000\s][^\u0000]*$"

Storable = Annotated[str, AfterValidator(storable), Field(json_schema_extra={"pattern": NO_NUL})]


# What would turn the direction of a whole line; joiners inside a word or an emoji stay.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """The first line that says something, without what a terminal would obey."""
    lines = ("".join(filter(_harmless, line)).strip() for line in text.splitlines())
    return next(filter(None, lines), "untitled")


def _harmless(sign: str) -> bool:
    return category(sign) != "Cc" and sign not in _TURNING
