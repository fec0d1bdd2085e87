"""What an entry is measured by: coverage, substance, and the number, length and form asked for."""

import json
import re
from typing import NamedTuple

from models.packs import Pack
from workers.judge import texts
from workers.judge.asked import Ask
from workers.judge.code import blocks

# Distinct words that carry meaning, from which more of them earn nothing more.
ENOUGH_WORDS: dict[Pack, int] = {"roast": 3, "scout": 60, "code": 30, "cook": 50, "wild": 40}
ENOUGH_WORDS_BRIEFLY = 15
WORDS_A_THING = 5  # where a number of things is asked for
_COVER = 0.5  # of the prompt's words: an answer need not echo the whole question
_JSON_CHARACTERS = 40_000
_WORD_OR_FIGURE = re.compile(r"[^\W_]")


class Finding(NamedTuple):
    """One thing that was measured: 0 to 1, what it weighs, how to say it, if it comes first when missed."""

    value: float
    weight: float
    words: str
    demanded: bool = False


def coverage(asked: Ask, stems: frozenset[str], pack: Pack) -> Finding | None:
    """How much of what the prompt names the entry speaks of. A roast need not name what everybody sees."""
    if not asked.topics or pack == "roast":
        return None
    missing = [word for stem, word in asked.topics.items() if stem not in stems]
    total = len(asked.topics)
    share = 1 - len(missing) / total
    told = f"covers {total - len(missing)} of {total} things the prompt names"
    if missing:
        told += f", not “{missing[0][:24]}”"
    return Finding(min(1.0, share / _COVER), 0.25 * min(1.0, total / 4), told, share < _COVER)


def substance(asked: Ask, stems: frozenset[str], pack: Pack) -> Finding:
    """How much the entry says that the task does not, up to a cap. The first words say more than the last."""
    enough = ENOUGH_WORDS[pack]
    if asked.briefly:
        enough = min(enough, ENOUGH_WORDS_BRIEFLY)
    if asked.number and pack == "wild":
        enough = min(enough, WORDS_A_THING * asked.number.most)
    own = len(stems - asked.task)
    told = f"adds {own} words of its own" + (f", where {enough} earn full marks" if own < enough else "")
    return Finding(min(1.0, own / enough) ** 0.5, 0.45, told)


def number(asked: Ask, text: str) -> Finding | None:
    """Whether there are as many things as the prompt asked for, where it named a number."""
    wanted = asked.number
    if wanted is None:
        return None
    given = texts.items(text, wanted.most)
    if wanted.least <= given <= wanted.most:
        return Finding(1.0, 0.3, f"gives {given} {wanted.noun}, as asked", True)
    if given == 1 and len(texts.words(text)) > 12 * wanted.least:
        return None  # prose may hold them all
    share = given / wanted.least if given < wanted.least else wanted.most / given
    asked_for = wanted.least if given < wanted.least else wanted.most
    return Finding(share**2, 0.3, f"asked for {asked_for} {wanted.noun}, gives {given}", True)


def length(asked: Ask, text: str) -> Finding | None:
    """Whether the entry keeps to the length the prompt set."""
    if asked.limit is None:
        return None
    most, unit = asked.limit
    count = {"words": texts.words, "sentences": texts.sentences, "lines": texts.lines}.get(unit, len)(text)
    given = count if isinstance(count, int) else len(count)
    told = f"keeps to {most} {unit}" if given <= most else f"asked for {most} {unit}, runs to {given}"
    return Finding(min(1.0, most / max(1, given)) ** 2, 0.2, told, True)


def form(asked: Ask, text: str) -> Finding | None:
    """Whether the entry has the form the prompt named: JSON, a table, a list."""
    if asked.form is None:
        return None
    has = {"JSON": _is_json, "a table": _is_table, "a list": _is_list}[asked.form](text)
    return Finding(
        float(has), 0.2, f"is {asked.form}, as asked" if has else f"asked for {asked.form}, is none"
    )


def _is_json(text: str) -> bool:
    source = next((block.source for block in blocks(text)), text)
    try:
        json.loads(source[:_JSON_CHARACTERS])
    except (ValueError, RecursionError):
        return False
    return True


def _is_table(text: str) -> bool:
    return sum(line.count("|") >= 2 for line in text.splitlines()) >= 2


def _is_list(text: str) -> bool:
    return texts.bullets(text) > 1 or len(texts.lines(text)) > 1 or text.count(",") > 1


def _is_json_document(text: str) -> bool:
    return ("{" in text or "[" in text) and bool(_WORD_OR_FIGURE.search(text)) and _is_json(text)


# Forms that no words have by chance, as those of a list, or a number that is JSON.
STRICT_FORMS = {"JSON": _is_json_document, "a table": _is_table}
