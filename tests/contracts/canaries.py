"""Words that stand nowhere else, and every form in which one could be lying about."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from uuid import uuid4


def _canary() -> str:
    return f"canary{uuid4().hex}"


@dataclass(frozen=True)
class Canaries:
    """What is private of one drop. `keys` are whole API keys, filled as they are made."""

    env_name: str = field(default_factory=_canary)
    env_value: str = field(default_factory=_canary)
    prompt: str = field(default_factory=_canary)  # of its second line; public, but in no log and no message
    entry: str = field(default_factory=_canary)
    rival: str = field(default_factory=_canary)
    file: str = field(default_factory=_canary)
    keys: list[str] = field(default_factory=list)

    @property
    def sealed(self) -> list[str]:
        """What lies nowhere unencrypted."""
        return [self.env_name, self.env_value, *self.keys]

    @property
    def all(self) -> list[str]:
        texts = [getattr(self, part.name) for part in fields(self) if part.name != "keys"]
        return [*texts, *self.keys]


def forms(word: str) -> Iterator[bytes]:
    """As it is, as hexadecimal digits, and as base64 would write it wherever it begins and ends."""
    raw = word.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        # The signs at both ends depend on what is beside it.
        inner = encoded[(0, 2, 3)[before] : len(encoded) - (0, 3, 2)[(before + len(raw)) % 3]]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def found(words: Iterable[str], place: bytes) -> list[str]:
    """Which of the words lie there in any form."""
    return [word for word in words if any(form in place for form in forms(word))]
