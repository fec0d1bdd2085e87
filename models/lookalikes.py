"""Folding names that look alike to the same keys, by the skeletons of UTS #39 (ICU).

The keys are stored. Another version of ICU may fold differently: the version is pinned, and an upgrade needs
a migration that computes all keys again.
"""

import re

import icu

_SPOOFS = icu.SpoofChecker()
_NFKC = icu.Normalizer2.getNFKCInstance()  # folds width, ligatures, circled and mathematical letters
_CASELESS = (
    icu.Normalizer2.getNFKCCasefoldInstance()
)  # the same, in lower case and without ignorable characters
# Unicode gives these letters no other form, and ICU folds few of them.
_SMALL_CAPITALS = {
    point: name[-1].lower()
    for point in range(0x0250, 0xA800)
    if re.fullmatch("LATIN LETTER SMALL CAPITAL [A-Z]", name := icu.Char.charName(chr(point)))
}
_DIGITS = re.compile("([0-9]+)")


def keys(name: str) -> tuple[str, ...]:
    """Return the keys of a name, one to three, its lower case's first. Names that look alike share a key.

    One key is not enough. Cyrillic `СНАТ` looks like `CHAT` as written, while its lower case `снат` does not
    look like `chat`. And a capital I is an i in `Ian`, but looks like an l in `aIice`.
    """
    plain = name.translate(_SMALL_CAPITALS)
    written = _NFKC.normalize(plain)
    readings = (_CASELESS.normalize(plain), _with_capital_i(written), written)
    return tuple(dict.fromkeys(map(_folded, readings)))


def _folded(text: str) -> str:
    """Return the skeleton of a text in lower case. A combining dot on an i is dropped: it is not visible."""
    folded = str(_CASELESS.normalize(_skeleton(text)))
    return " ".join(folded.replace("i\u0307", "i").split())


def _skeleton(text: str) -> str:
    """Return the skeleton of a text, in which digits stay digits: 1 is not l, and 0 is not O."""
    pieces = _DIGITS.split("".join(map(_digit, text)))
    return "".join(piece if place % 2 else _looks(piece) for place, piece in enumerate(pieces))


def _digit(sign: str) -> str:
    """Return the ASCII digit for a decimal digit of any script, and any other character unchanged."""
    return str(icu.Char.charDigitValue(sign)) if icu.Char.isdigit(sign) else sign


def _with_capital_i(text: str) -> str:
    """Return a text with an i in place of each capital letter whose skeleton is l."""
    return "".join("i" if sign.isupper() and _looks(sign) == "l" else sign for sign in text)


def _looks(text: str) -> str:
    return str(_SPOOFS.getSkeleton(0, text))
