"""Which name a client probably meant: `price` is `price_cents`, `minGrade` is `min_grade`. Pure."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

ALIKE = 0.8  # share of matching letters from which a name counts as a slip of the pen
NAME_MAX = 64  # characters: no name of ours is nearly as long
WORD_MIN = 3  # letters that a part of a name needs to stand for it: `id` stands for nothing
ABOUT = {"id", "at"}  # last words of names about a field: `prompt_id` is no slip of the pen for `prompt`

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
# Words that stand for a field wherever they are in a name: `price_usd`, `timelimit`, `fileIds`. Passing over
# one of these fields costs money, or gives a right away.
_TELLING = {
    name: frozenset(words.split())
    for name, words in {
        "price_cents": "price pricing bounty budget reward amount",
        "amount_cents": "amount sum",
        "time_limit_seconds": "time timelimit timeout deadline duration window minutes seconds",
        "min_grade": "grade grading mingrade",
        "envVars": "env envs environment envvars secrets",
        "attachments": "file files attachment",
        "files": "file attachment",
        "scopes": "scope permission permissions rights",
    }.items()
}


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` probably stands for; None where it resembles none.

    The same words in another notation, some of the words (`time_limit`), the words with more around them
    (`estimated_price_cents`), a word that tells (`price_usd`), or nearly the same letters.
    """
    if len(name) > NAME_MAX:
        return None
    words = _words(name)
    near = [candidate for candidate in known if _resembles(words, candidate)]
    return max(near, key=lambda candidate: _likeness(words, _words(candidate)), default=None)


def _resembles(name: list[str], candidate: str) -> bool:
    known = _words(candidate)
    part = sum(map(len, name)) >= WORD_MIN and set(name) <= set(known)
    around = len(known) > 1 and set(known) <= set(name)
    telling = not _TELLING.get(candidate, frozenset()).isdisjoint(name)
    slip = ABOUT.isdisjoint(name[1:]) and _likeness(name, known) >= ALIKE
    return part or around or telling or slip


def _likeness(name: list[str], known: list[str]) -> float:
    return SequenceMatcher(None, "".join(name), "".join(known)).ratio()


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
