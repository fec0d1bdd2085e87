"""Lists over HTTP: which stretch was asked for, and the headers that lead on."""

from collections.abc import Callable
from typing import Annotated, Any

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from models.paging import CURSOR_MAX, Page, Stretch
from models.texts import Storable
from web import links
from web.caching import WAIT_MAX
from web.contract import Reply

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
OFFSET_MAX = 2**31 - 1
NUMBER_MAX = 2**63 - 1

HEADERS = {
    "X-Total-Count": "How long the whole list is; behind a cursor, as it was where you began.",
    "X-Next-Cursor": "The `cursor` of the next stretch, where there is more.",
    "Link": '`<…>; rel="next"`, where there is more; by cursor, unless you asked with an `offset`.',
}


def clamped(low: int, high: int) -> Any:
    """The type of a whole number that is brought into bounds instead of being refused."""

    def read(raw: object) -> int:
        text = str(raw)
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError("must be a whole number")
        # Longer than any bound: no need to turn thousands of digits into a number.
        value = int(text) if len(digits) < 20 else high if digits == text else low
        return min(max(value, low), high)

    return Annotated[int, BeforeValidator(read), WithJsonSchema({"type": "integer"})]


class WaitQuery(BaseModel):
    """Whether to wait for a change."""

    wait: clamped(0, WAIT_MAX) = Field(  # type: ignore[valid-type]
        0,
        description=f"Seconds, at most {WAIT_MAX}, to wait for something newer than `If-None-Match` or now.",
    )


class ListQuery(BaseModel):
    """Which stretch of a list."""

    model_config = ConfigDict(extra="ignore")

    limit: clamped(1, LIMIT_MAX) = Field(  # type: ignore[valid-type]
        LIMIT_DEFAULT, description=f"How many, 1 to {LIMIT_MAX}; brought into these bounds."
    )
    offset: clamped(0, OFFSET_MAX) = Field(0, description="How many to pass over.")  # type: ignore[valid-type]

    @property
    def stretch(self) -> Stretch:
        """As the marketplace asks for it."""
        return Stretch(self.limit, self.offset)


class CursorQuery(ListQuery):
    """Which stretch of a list that also goes by cursor."""

    cursor: Annotated[Storable, Field(max_length=CURSOR_MAX)] | None = Field(
        None, description="`X-Next-Cursor` of the stretch before; takes the place of `offset`."
    )

    @property
    def stretch(self) -> Stretch:
        """As the marketplace asks for it."""
        return Stretch(self.limit, self.offset, self.cursor)


def listed(page: Page[Any], query: ListQuery, answer: Callable[[list[Any]], Any] = list) -> Reply:
    """A page as an answer: the total and the next stretch stand in the headers.

    Args:
        page: what was found.
        query: what was asked.
        answer: makes the document from the rows.
    """
    headers = {"X-Total-Count": str(page.total)}
    if page.following:
        headers["X-Next-Cursor"] = page.following
        headers["Link"] = f'<{links.with_query(_next(page.following, query))}>; rel="next"'
    return Reply(answer(page.rows), headers=headers)


def _next(following: str, query: ListQuery) -> dict[str, Any]:
    """The parameters that lead on: who counts by offset goes on counting, everybody else goes by cursor."""
    asked = {**request.args.to_dict(), "limit": query.limit}
    if asked.pop("offset", None) is None or query.stretch.cursor:
        return {**asked, "cursor": following}
    return {**asked, "offset": query.offset + query.limit}
