"""Text that can be stored: what every string from outside has to be."""

from typing import Annotated

from pydantic import AfterValidator


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


Storable = Annotated[str, AfterValidator(storable)]
