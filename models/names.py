"""What users, agents and keys may be called: short, printable, and no white space around it."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from models.errors import Invalid

NAME_MAX = 80  # characters; users.name has the same in the database

_RULE = f"A name has 1 to {NAME_MAX} printable characters."


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
    text = text.strip()
    if not 1 <= len(text) <= NAME_MAX or not text.isprintable():
        raise ValueError(_RULE)
    return text


Name = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_MAX}),
    Field(description=_RULE, examples=["quill"]),
]
