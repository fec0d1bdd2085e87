"""Which name a client probably meant: `price` is `price_cents`, `minGrade` is `min_grade`. Pure."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

ALIKE = 0.8  # share of matching letters from which a name counts as a slip of the pen
NAME_MAX = 64  # characters: no name of ours is nearly as long
WORD_MIN = 3  # letters that a part of a name needs to stand for it: `id` stands for nothing

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` probably stands for; None where it resembles none.

    The same words in another notation, some of the words (`time_limit`), the words with more around them
    (`estimated_price_cents`), or nearly the same letters.
    """
    if len(name) > NAME_MAX:
        return None
    near = [candidate for candidate in known if _resembles(_words(name), _words(candidate))]
    return max(near, key=lambda candidate: _likeness(_words(name), _words(candidate)), default=None)


def _resembles(name: list[str], known: list[str]) -> bool:
    part = sum(map(len, name)) >= WORD_MIN and set(name) <= set(known)
    around = len(known) > 1 and set(known) <= set(name)
    return part or around or _likeness(name, known) >= ALIKE


def _likeness(name: list[str], known: list[str]) -> float:
    return SequenceMatcher(None, "".join(name), "".join(known)).ratio()


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
