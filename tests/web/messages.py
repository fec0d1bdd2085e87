"""Server-Sent Events as a client reads them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Message:
    """One block of a stream; `kind` is None where it is no event, such as a comment."""

    id: str | None
    kind: str | None
    data: Any
    comment: bool


def messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """The blocks of a stream, each as soon as it has come."""
    text = ""
    for chunk in chunks:
        text += chunk.decode()
        while "\n\n" in text:
            block, text = text.split("\n\n", 1)
            yield _message(block)
    assert text == "", "cut off inside a message"


def _message(block: str) -> Message:
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    assert fields.keys() <= {"id", "event", "data", "retry"}
    data = json.loads(fields["data"]) if "data" in fields else None
    return Message(fields.get("id"), fields.get("event"), data, block.startswith(":"))


def only_events(found: Iterable[Message]) -> list[Message]:
    """Without comments and what only sets the pace."""
    return [message for message in found if message.kind]
