"""Text from outside: what can be stored, what of it can be seen, how it is compared and cut."""

from collections.abc import Iterator
from itertools import dropwhile
from typing import Annotated
from unicodedata import category

import icu
from pydantic import AfterValidator, Field

# The empty Braille cell, the object replacement character, the null notehead, and two Egyptian blanks.
SHAPELESS = r"\u2800\uFFFC\U0001D159\U00013441\U00013442"
# Invisible by itself, so that a text of nothing else is blank: white space, controls, the characters that
# Unicode calls default-ignorable, noncharacters, combining marks (without a base there is nothing to combine
# with), and symbols without a shape. Not the marks before Arabic numbers: they are format characters (Cf),
# and drawn.
_UNSEEN = icu.UnicodeSet(
    r"[[[:White_Space:][:Cc:][:Cf:][:Default_Ignorable_Code_Point:][:Noncharacter_Code_Point:][:M:]"
    rf"{SHAPELESS}]-[:Prepended_Concatenation_Mark:]]"
)
_UNSEEN.freeze()
# The part of it for the pattern in PostgreSQL: plain ranges below U+10000. Combining marks are left out, for
# they are two hundred ranges.
UNSEEN_RANGES = (
    r"\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff"
)
BLANK = (
    "Blank means that nothing visible is left once white space, controls, default-ignorable characters "
    "(zero-width ones, fillers, variation selectors, tags), blank symbols such as the empty Braille "
    "cell, and combining marks without a base are taken away."
)

# For readers of the schema, in the syntax that every engine reads: ASCII without `\u`, and anchored for those
# that match from the beginning. They accept more than `storable` and `visible`, which check.
NO_NUL = r"^[^\x00]*$"
NOT_BLANK = r"^\s*[^\s\x00][^\x00]*$"

# What would turn the direction of a whole line; joiners inside a word or an emoji stay.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NFC = icu.Normalizer2.getNFCInstance()
_BYTE_ORDER_MARK = "\ufeff"
_CUT = "…"


def storable(text: str) -> str:
    """Return `text`, unless it has what PostgreSQL cannot keep: NUL, or half a surrogate pair.

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


def blank(text: str) -> bool:
    """Return whether a text has no visible character; `BLANK` is the same in words."""
    return bool(_UNSEEN.containsAll(text))


def visible(text: str) -> str:
    """Return `text`, unless it is blank.

    Raises:
        ValueError: it is.
    """
    if blank(text):
        raise ValueError("must not be blank: it has no visible character")
    return text


def composed(text: str) -> str:
    """Return a text in NFC, the normal form in which texts are compared."""
    return str(_NFC.normalize(text))


def judged(text: str) -> str:
    """Return a text as a judge reads it: in NFC, without a byte order mark. The stored text stays as sent."""
    return composed(text.removeprefix(_BYTE_ORDER_MARK))


def title(text: str, most: int) -> str:
    """Return the first line of a text that is not blank, without control and direction characters.

    A line of more than `most` characters is cut between two grapheme clusters, and ends in `…`.
    """
    lines = ("".join(filter(_harmless, line)).strip() for line in text.splitlines())
    line = next(line for line in lines if not blank(line))
    return _shortened("".join(dropwhile(_UNSEEN.contains, line)), most)


def _harmless(sign: str) -> bool:
    return category(sign) != "Cc" and sign not in _TURNING


def _shortened(line: str, most: int) -> str:
    if len(line) <= most:
        return line
    left, room = "", most - len(_CUT)
    for cluster in _clusters(line[: most + 1]):  # the last one may be incomplete, and does not fit anyway
        if len(left) + len(cluster) > room:
            break
        left += cluster
    return (left or line[:room]).rstrip() + _CUT  # one letter may have hundreds of marks


def _clusters(text: str) -> Iterator[str]:
    """Yield the grapheme clusters of a text: a letter with its marks, a flag, a family."""
    units = icu.UnicodeString(text)
    breaks = icu.BreakIterator.createCharacterInstance(icu.Locale.getRoot())  # keeps state: one for each call
    breaks.setText(units)
    start = 0
    for end in breaks:
        yield str(units[start:end])
        start = end


Storable = Annotated[str, AfterValidator(storable), Field(json_schema_extra={"pattern": NO_NUL})]
Visible = Annotated[
    str,
    AfterValidator(storable),
    AfterValidator(visible),
    Field(json_schema_extra={"minLength": 1, "pattern": NOT_BLANK}),
]
