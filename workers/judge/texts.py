"""Reading texts: words, stems, sentences and the things a text lists. What they are worth stands elsewhere.

Entries come from strangers, so every pattern of this package is linear in the length of the text.
"""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_]+")  # where no spaces are written, a sign is a word
# A figure before the full stop is the number of a point, unless it is a year.
_SENTENCE_END = re.compile(r"(?<=[^\W\d][.!?])\s+|(?<=[.!?][\"”)])\s+|(?<=\d{4}[.!?])\s+|(?<=[。！？])")
_BULLET = re.compile(r"\s{0,8}(?:[-*•–+]|\d{1,3}[.):]|[a-zA-Z][.)]|[ivxIVX]{1,5}\.)\s+\S")
_PIECE = re.compile(r",|;|\band\b")
_STEM_LETTERS = 7  # enough to tell words apart, few enough for `procrastination` to meet `procrastinate`

_COMMON = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between
    both but by can could did do does doing down during each else ever few for from further get give had has
    have having he her here hers him his how i if in into is it its itself just let like made make many me
    might more most must my no nor not now of off on once one only or other our ours out over own please same
    she should so some such than that the their theirs them then there these they this those through to too
    under until up use using very was we were what when where which while who whom why will with would write
    you your yours yourself two three four five six seven eight nine ten""".split()
)


def words(text: str) -> list[str]:
    """The words of a text, lower case."""
    return _WORD.findall(text.lower())


def stem(word: str) -> str:
    """A word without its commonest English endings, so that `rivers` meets `river`."""
    for ending in ("ing", "ies", "es", "ed", "ly", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)[:_STEM_LETTERS]
    return word[:_STEM_LETTERS]


def meaning(found: Iterable[str]) -> dict[str, str]:
    """Of some words those that carry meaning: each stem once, with the word it was first seen in."""
    stems: dict[str, str] = {}
    for word in dict.fromkeys(found):
        if word not in _COMMON and (len(word) > 1 or not word.isascii()):
            stems.setdefault(stem(word), word)
    return stems


def lines(text: str) -> list[str]:
    """The lines that say something."""
    return [line for line in text.splitlines() if _WORD.search(line)]


def sentences(text: str) -> list[str]:
    """The sentences of one paragraph; their ends stay with them."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def bullets(text: str) -> int:
    """How many lines are points of a list. One that ends in a colon is a heading over points."""
    return sum(bool(_BULLET.match(line)) and not line.rstrip().endswith(":") for line in lines(text))


def items(text: str, wanted: int) -> int:
    """How many things a text gives, in the reading that comes closest to the `wanted` number.

    Points of a list are what they are. Without any, a thing may be a line, a paragraph, or in a
    text of one line a sentence or what stands between commas.
    """
    if points := bullets(text):
        return points
    filled = lines(text)
    readings = {len(filled), sum(bool(part.strip()) for part in text.split("\n\n"))}
    if len(filled) == 1:
        readings |= {len(sentences(text)), sum(bool(part.strip()) for part in _PIECE.split(text))}
    return min(sorted(readings), key=lambda reading: abs(reading - wanted))
