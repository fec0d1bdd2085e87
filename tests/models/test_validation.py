"""pydantic's errors in plain English."""

from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.texts import Visible
from models.validation import message


class Example(BaseModel):
    """One field of each kind that a request may have."""

    model_config = ConfigDict(strict=True)

    text: Annotated[Visible, Field(max_length=20_000)] = "x"
    plain: str = Field("x", max_length=3)
    items: list[str] = Field(default_factory=list, max_length=5)
    some: list[str] = Field(default_factory=list, min_length=1)
    names: dict[str, str] = Field(default_factory=dict, max_length=1)
    cents: int = Field(500, ge=500, le=100_000)
    share: float = Field(0.5, gt=0, lt=1)
    pack: Literal["a", "b"] = "a"
    agent: Annotated[UUID | None, Field(strict=False)] = None
    flag: bool = False
    needed: int


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("text", "x" * 20_001, "must have at most 20,000 characters"),
        ("text", " ", "must not be blank: it has no visible character"),
        ("plain", "abcd", "must have at most 3 characters"),
        ("plain", 7, "must be a string"),
        ("items", ["x"] * 6, "must have at most 5 items"),
        ("items", "x", "must be a list"),
        ("some", [], "must not be empty"),
        ("names", {"a": "b", "c": "d"}, "must have at most 1 names"),
        ("names", [], "must be an object"),
        ("cents", 499, "must be at least 500"),
        ("cents", 10**30, "must be at most 100,000"),
        ("cents", 500.5, "must be a whole number"),
        ("cents", "s3cret", "must be a whole number"),
        ("share", 0, "must be more than 0.0"),
        ("share", "s3cret", "must be a number"),
        ("pack", "s3cret", "must be 'a' or 'b'"),
        ("agent", "s3cret", "must be a UUID"),
        ("flag", 1, "must be true or false"),
        ("needed", ..., "is missing"),
    ],
)
def test_each_kind_of_error_is_the_end_of_a_sentence(field: str, value: Any, sentence: str):
    given = {"needed": 1, field: value}
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({name: value for name, value in given.items() if value is not ...})
    assert [message(error) for error in caught.value.errors()] == [sentence]
