"""The remark on an entry must not disclose what an entry says to readers who may not read that entry.

A model that compares entries, or was talked into quoting them, would open what is sealed. A remark is shown
to the author of its entry, so one that discloses another entry is withheld; the winner's is public, so one
that discloses any entry is marked. (The local judge's remarks are made of its own phrases and the prompt's
words.)

Words alone show it: what a remark says of a long entry in words of its own is not recognized.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import icu

from models.grades import Brief, Candidate, Opinion
from workers.judge import texts

RUN_WORDS, RUN_CHARACTERS = 5, 25  # in a row, of another's text; shorter ones come about by chance
SHORT_WORDS = 25  # of an entry that a remark has room for as a whole
WITHHELD = "Withheld, for it quotes another entry."

_FOLDING = icu.Normalizer2.getNFKCCasefoldInstance()
# Each kind by itself, for one kind may stand inside another. What opens in one language closes in the next,
# and a remark that was cut has lost the closing mark.
_QUOTATIONS = [
    re.compile(r"[“”„‟«»‹›\"＂〝〞〟](.+?)(?:[“”„‟«»‹›\"＂〝〞〟]|($))"),
    re.compile(r"[「『《〈﹁](.+?)(?:[」』》〉﹂]|($))"),
    re.compile(r"[`´](.+?)(?:[`´]|($))"),
    re.compile(r"(?<!\w)['‘’‚‛](.+?)(?:['‘’‛](?!\w)|($))"),  # inside a word they are apostrophes
]
_LEFT_OUT = re.compile(r"…|\.\.\.")
_EDGES = " .,;:!?。，、！？'\"“”„‘’‚«»‹›「」『』()"


def discreet(flaw: str, label: str, brief: Brief) -> str:
    """Return a flaw, or `WITHHELD` where it discloses another entry and not just its own or the task."""
    own = [text for c in brief.candidates if c.label == label for text in _texts(c)]
    others = [text for c in brief.candidates if c.label != label for text in _texts(c)]
    return WITHHELD if _discloses(flaw, others, brief.prompt, own) else flaw


def mark_quotes(opinions: Mapping[str, Opinion], brief: Brief) -> dict[str, Opinion]:
    """Return the opinions, each with whether its rationale discloses an entry beyond what the task says."""
    entries = [text for c in brief.candidates for text in _texts(c)]
    return {
        label: replace(opinion, quotes=_discloses(opinion.rationale, entries, brief.prompt, []))
        for label, opinion in opinions.items()
    }


def _texts(candidate: Candidate) -> Iterator[str]:
    """Give the whole entry and, where it has several, each of its texts: any of them may be short."""
    parts = [candidate.whole, candidate.text, *(file.text or "" for file in candidate.files)]
    return filter(None, dict.fromkeys(parts))


def _discloses(remark: str, closed: list[str], prompt: str, own: list[str]) -> bool:
    """Return whether a remark repeats of a closed text what neither the prompt nor an own text says."""
    free = [prompt, *own]
    wordings = [
        *_quotations(remark),
        *(whole for text in closed if (whole := _wording(text)) in _spelt(remark)),
    ]
    return (
        _repeats_a_run(remark, closed, free)
        or any(_says(closed, wording) and not _says(free, wording) for wording in filter(str.strip, wordings))
        or any(_repeats_half(remark, text, prompt, own) for text in closed)
    )


def _repeats_a_run(remark: str, closed: list[str], free: list[str]) -> bool:
    """Return whether a remark has a long run of words or characters of a closed text."""
    runs = (run for run in _runs(remark) if not any(run in _plain(text) for text in free))
    return any(run in _plain(text) for run in runs for text in closed)


def _repeats_half(remark: str, text: str, prompt: str, own: list[str]) -> bool:
    """Return whether a remark has half of what a short text says in words that the prompt has not."""
    if len(_words(text)) > SHORT_WORDS:
        return False
    telling = _telling(text) - _telling(prompt)
    repeated = telling & _telling(remark)
    return 2 * len(repeated) >= len(telling) > 0 and bool(repeated.difference(*map(_telling, own)))


def _says(among: list[str], wording: str) -> bool:
    return any(wording in _spelt(text) for text in among)


def _quotations(remark: str) -> Iterator[str]:
    """Give the wordings that a remark puts in quotation marks, but for a mere “and”."""
    for found in (found for marks in _QUOTATIONS for found in marks.finditer(remark)):
        pieces = _LEFT_OUT.split(found[1])
        if found[2] is not None:
            pieces.append(found[1].rpartition(" ")[0])  # the last word may have been cut, too
        for wording in map(_wording, pieces):
            if _telling(wording) or not any(map(str.isalnum, wording)):
                yield wording


def _runs(remark: str) -> list[str]:
    plain = _plain(remark)
    words = plain.split()
    by_words = [" ".join(words[at : at + RUN_WORDS]) for at in range(len(words) - RUN_WORDS + 1)]
    return by_words + [plain[at : at + RUN_CHARACTERS] for at in range(len(plain) - RUN_CHARACTERS + 1)]


@lru_cache(maxsize=256)
def _plain(text: str) -> str:
    return " ".join(texts.words(text))


@lru_cache(maxsize=256)
def _telling(text: str) -> frozenset[str]:
    """Return the stems of the words of a text that carry meaning, and its numbers."""
    words = _words(text)
    return frozenset(texts.meaning(words)).union(word for word in words if word.isdecimal())


def _words(text: str) -> list[str]:
    return [piece for piece in _spelt(text).split() if any(map(str.isalnum, piece))]


def _wording(text: str) -> str:
    """Return a text to be looked for in what `_spelt` returns, without the punctuation around it."""
    spelt = _spelt(text)
    return f" {core} " if (core := spelt.strip(_EDGES)) else spelt


@lru_cache(maxsize=256)
def _spelt(text: str) -> str:
    """Return a text with a space around each word and sign, letters folded.

    ICU finds the words where no spaces are written, too.
    """
    units = icu.UnicodeString(_FOLDING.normalize(text.replace("’", "'")))
    breaks = icu.BreakIterator.createWordInstance(icu.Locale.getRoot())  # keeps state: one for each call
    breaks.setText(units)
    ends = list(breaks)
    pieces = (str(units[start:end]) for start, end in zip([0, *ends], ends, strict=False))
    return f" {' '.join(piece for piece in pieces if not piece.isspace())} "
