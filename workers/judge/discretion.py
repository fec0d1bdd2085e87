"""The remark on an entry must not disclose what an entry says to readers who may not read that entry.

A model that compares entries, or was talked into quoting them, would open what is sealed. A remark is shown
to the author of its entry, so one that quotes another entry is withheld; the winner's is public, so one that
quotes any entry is marked. (The local judge's remarks are made of its own phrases and the prompt's words.)
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from models.grades import Brief, Opinion
from workers.judge import texts

RUN_WORDS, RUN_CHARACTERS = 5, 25  # in a row, of another's text; shorter ones come about by chance
WITHHELD = "Withheld, for it quotes another entry."


def discreet(flaw: str, label: str, brief: Brief) -> str:
    """Return a flaw, or `WITHHELD` where it quotes another entry and not also its own or the task."""
    own = [brief.prompt, *(c.whole for c in brief.candidates if c.label == label)]
    others = [c.whole for c in brief.candidates if c.label != label]
    return WITHHELD if _quotes(flaw, others, own) else flaw


def mark_quotes(opinions: Mapping[str, Opinion], brief: Brief) -> dict[str, Opinion]:
    """Return the opinions, each with whether its rationale quotes an entry beyond what the task says."""
    entries = [c.whole for c in brief.candidates]
    return {
        label: replace(opinion, quotes=_quotes(opinion.rationale, entries, [brief.prompt]))
        for label, opinion in opinions.items()
    }


def _quotes(remark: str, texts_: list[str], allowed: list[str]) -> bool:
    """Return whether a remark repeats a run of words of one of these texts that no allowed text has."""
    free, closed = [_plain(text) for text in allowed], [_plain(text) for text in texts_]
    runs = (run for run in _runs(remark) if not any(run in text for text in free))
    return any(run in text for run in runs for text in closed)


def _runs(flaw: str) -> list[str]:
    plain = _plain(flaw)
    words = plain.split()
    by_words = [" ".join(words[at : at + RUN_WORDS]) for at in range(len(words) - RUN_WORDS + 1)]
    return by_words + [plain[at : at + RUN_CHARACTERS] for at in range(len(plain) - RUN_CHARACTERS + 1)]


@lru_cache(maxsize=256)
def _plain(text: str) -> str:
    return " ".join(texts.words(text))
