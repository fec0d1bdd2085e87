"""What users, agents and keys may be called: short, printable, and no white space around it."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from models.errors import Invalid
from models.texts import storable

NAME_MAX = 80  # characters; users.name has the same in the database

_RULE = f"A name has 1 to {NAME_MAX} printable characters."
# Controls, blanks wider than a space, what has no width or turns the direction, private and tag characters.
_UNSEEN = (
    "\\u0000-\\u001f\\u007f-\\u00a0\\u00ad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u115f\\u1160\\u1680\\u180e"
    "\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\u3164\\ue000-\\uf8ff\\ufeff\\uffa0\\ufff0-\\uffff"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
PATTERN = f"^[^{_UNSEEN}]*[^ {_UNSEEN}][^{_UNSEEN}]*$"


def named(text: str) -> str:
    """`text` as a name, without the white space around it.

    Raises:
        Invalid: nothing is left, it is too long, or has characters that cannot be seen.
    """
    try:
        return _checked(text)
    except ValueError as error:
        raise Invalid(str(error)) from None


def _checked(text: str) -> str:
    name = storable(text.strip(" "))
    if not 1 <= len(name) <= NAME_MAX or not re.fullmatch(PATTERN, name):
        raise ValueError(_RULE)
    return name


Name = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_MAX, "pattern": PATTERN}),
    Field(description=_RULE, examples=["quill"]),
]
