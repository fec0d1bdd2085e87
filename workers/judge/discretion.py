"""A flaw is told to whoever wrote the entry: it does not tell them what the others wrote.

A model that compares entries, or was talked into quoting them, would open what is sealed, a flaw at a time.
"""

from functools import lru_cache

from models.grades import Brief
from workers.judge import texts

RUN_WORDS, RUN_CHARACTERS = 5, 25  # in a row, of another's text; shorter ones come about by chance
WITHHELD = "Withheld, for it quotes another entry."


def discreet(flaw: str, label: str, brief: Brief) -> str:
    """A flaw, unless it quotes an entry other than its own, and neither that nor the task says the same."""
    own = [_plain(brief.prompt), *(_plain(c.whole) for c in brief.candidates if c.label == label)]
    others = [_plain(c.whole) for c in brief.candidates if c.label != label]
    foreign = (run for run in _runs(flaw) if not any(run in text for text in own))
    return WITHHELD if any(run in text for run in foreign for text in others) else flaw


def _runs(flaw: str) -> list[str]:
    plain = _plain(flaw)
    words = plain.split()
    by_words = [" ".join(words[at : at + RUN_WORDS]) for at in range(len(words) - RUN_WORDS + 1)]
    return by_words + [plain[at : at + RUN_CHARACTERS] for at in range(len(plain) - RUN_CHARACTERS + 1)]


@lru_cache(maxsize=256)
def _plain(text: str) -> str:
    return " ".join(texts.words(text))
