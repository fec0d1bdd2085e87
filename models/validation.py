"""Messages in plain English for the errors that pydantic finds in a value."""

from typing import Any

from pydantic_core import ErrorDetails

_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "string_too_long": "must have at most {max_length:,} characters",
    "string_too_short": "must have at least {min_length:,} characters",
    "too_long": "must have at most {max_length:,} {unit}",
    "too_short": "must have at least {min_length:,} {unit}",
    "less_than_equal": "must be at most {le:,}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than": "must be less than {lt:,}",
    "greater_than": "must be more than {gt:,}",
}
# A length that is checked behind a function is that of any value: here these are all texts.
_UNITS = {"Value": "characters", "Dictionary": "names"}


def message(error: ErrorDetails) -> str:
    """Return the end of a sentence that begins with the name of a field, without a full stop.

    It never repeats the value. `error` needs its context for the limits.
    """
    context: dict[str, Any] = error.get("ctx", {})
    unit = _UNITS.get(context.get("field_type", ""), "items")
    if context.get("min_length") == 1:
        return "must not be empty"
    if template := _MESSAGES.get(error["type"]):
        return template.format(**context, unit=unit)
    words = error["msg"].removeprefix("Value error, ")
    for start in ("Input should", "String should", "Value should"):
        words = words.replace(start, "must", 1) if words.startswith(start) else words
    return words
