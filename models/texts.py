"""Text that can be stored: what every string from outside has to be."""

from typing import Annotated

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
