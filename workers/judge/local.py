"""The `local` judge: a heuristic, and it says so. Deterministic, no network, standard library only.

It measures what can be measured without understanding: whether an entry answers at all, whether it
speaks of what the prompt speaks of, gives as many things as were asked for, has substance and the
form that its pack calls for. It is blind to wit, taste and truth.
"""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from models.grades import GRADES, Brief, Grade, Opinion
from models.packs import Pack
from workers.judge import texts

PROMPT_CHARACTERS = 4_000  # what is asked stands at the beginning; the rest is material
KEYWORDS_MAX = 24
RATIONALE_MAX = 240  # characters

# Distinct words from which more length earns nothing more.
ENOUGH_WORDS: dict[Pack, int] = {"roast": 24, "scout": 90, "code": 60, "cook": 80, "wild": 60}

# The least score of each grade, best first; below the last it is an F.
THRESHOLDS = (0.86, 0.72, 0.57, 0.42, 0.25)

_NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
_ASKED = re.compile(
    r"\b(\d{1,2}|" + "|".join(_NUMBERS[1:]) + r")\s+((?:[\w'-]{1,20}\s+){0,2}?)([a-z'-]{2,20}(?<!s)s)\b"
)
_UNITS = frozenset(
    "words lines sentences characters minutes hours days seconds years dollars paragraphs".split()
)
_REFUSAL = re.compile(
    r"^\W{0,4}(?:i'?m sorry|sorry,|i (?:can(?:no|')t|am unable|am not able|won't)|as an ai\b"
    r"|unfortunately,? i can)"
)
_CUT_OFF = re.compile(r"[\w,;:(\[{-]$")
_FENCE = re.compile(r"^```[^\n`]{0,40}\n(.*?)(?:^```|\Z)", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"\d|https?://")
_QUANTITY = re.compile(r"\d+\s?(?:g|kg|ml|l|cups?|tbsp|tsp|min|minutes?|°|c|f|oz|cloves?|slices?)\b|½|¼|¾")
_CODE = re.compile(
    r"^\s{0,40}(?:def |class |import |from |function |const |let |return |for |if |while |#include|fn |func )"
)


class Finding(NamedTuple):
    """One thing that was measured: 0 to 1, what it weighs, and how to say it."""

    value: float
    weight: float
    words: str


class Wish(NamedTuple):
    """How many of which things a prompt asks for: 3, `rivers`."""

    number: int
    things: str


@dataclass(frozen=True)
class Assessment:
    """What one entry is worth by itself, whoever else competes: 0 to 1, and why."""

    score: float
    rationale: str

    @property
    def grade(self) -> Grade:
        """The letter of the score."""
        return GRADES[sum(self.score < threshold for threshold in THRESHOLDS)]


class LocalJudge:
    """Ranks by `assess`; equal scores share a place."""

    name = "local/1"

    def ballot(self, brief: Brief) -> dict[str, Opinion]:
        """One opinion for each label. Labels and order make no difference."""
        assessed = {c.label: assess(brief.prompt, brief.pack, c.text) for c in brief.candidates}
        scores = [assessment.score for assessment in assessed.values()]
        return {
            label: Opinion(1 + sum(score > a.score for score in scores), a.grade, a.rationale)
            for label, a in assessed.items()
        }


def assess(prompt: str, pack: Pack, entry: str) -> Assessment:
    """What an entry is worth as an answer to a prompt."""
    text = texts.without_judge_talk(entry, prompt).strip()
    if not texts.words(text):
        return Assessment(0.0, "Nothing in it answers the prompt.")
    asked = prompt[:PROMPT_CHARACTERS]
    wish = _asked_for(asked)
    findings = [
        _coverage(asked, text),
        # A few things asked for may well be a few words.
        _substance(text, min(ENOUGH_WORDS[pack], 4 * wish.number) if wish else ENOUGH_WORDS[pack]),
        *([count] if wish and (count := _count(wish, text)) else []),
        _FORM[pack](text),
    ]
    faults = [
        fault for fault in (_refuses(text), _repeats(text), _copies(prompt, text), _breaks_off(text)) if fault
    ]
    weights = sum(finding.weight for finding in findings)
    score = sum(finding.value * finding.weight for finding in findings) / weights
    for fault in faults:
        score *= fault.value
    return Assessment(round(score, 6), _rationale(findings, faults))


def _rationale(findings: list[Finding], faults: list[Finding]) -> str:
    """The gravest fault or else the weakest point, and the strongest one; it names itself a heuristic."""
    best = max(findings, key=lambda finding: (finding.value, finding.weight))
    worst = min(findings, key=lambda finding: (finding.value, -finding.weight))
    first = min(faults) if faults else best
    said = dict.fromkeys([first.words, worst.words])
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]} (heuristic)."[:RATIONALE_MAX]


# What an entry is measured by ----------------------------------------------------------------


def _coverage(asked: str, text: str) -> Finding:
    wanted = texts.content(asked)[:KEYWORDS_MAX]
    if not wanted:
        return Finding(1.0, 0.0, "the prompt names nothing in particular")
    there = set(texts.content(text))
    missing = [word for word in wanted if word not in there]
    share = 1 - len(missing) / len(wanted)
    words = f"speaks of {len(wanted) - len(missing)} of the {len(wanted)} things the prompt names"
    if missing and share < 0.5:
        words += f", not of “{missing[0][:24]}”"
    # An answer need not echo the whole question: half of its words are all one can ask.
    return Finding(min(1.0, share * 2), 0.35, words)


def _substance(text: str, enough: int) -> Finding:
    distinct = len(set(texts.words(text)))
    # The first words say more than the last ones.
    return Finding(min(1.0, distinct / enough) ** 0.7, 0.4, f"has {distinct} different words")


def _asked_for(asked: str) -> Wish | None:
    """The number of things that the prompt asks for, if it names one."""
    found = next(filter(_counts_things, _ASKED.finditer(asked.lower())), None)
    if found is None:
        return None
    number = int(found[1]) if found[1].isdigit() else _NUMBERS.index(found[1]) + 1
    return Wish(number, found[3]) if number else None


def _count(wish: Wish, text: str) -> Finding | None:
    """Whether there are as many things as were asked for; None where prose may hold them all."""
    given = texts.items(text)
    if given == 1 and len(texts.words(text)) > 12 * wish.number:
        return None
    words = f"gives the {wish.number} {wish.things} asked for"
    if given != wish.number:
        words = f"asked for {wish.number} {wish.things}, gives {given}"
    return Finding(min(given, wish.number) / max(given, wish.number), 0.3, words)


def _counts_things(found: re.Match[str]) -> bool:
    """“three short taglines”, but not “two from chickpeas” or “200 words”."""
    return found[3] not in _UNITS and not any(texts.is_common(word) for word in texts.words(found[2]))


def _plain(text: str) -> Finding:
    sentences = max(1, len(re.findall(r"[.!?。！？]", text)))
    length = len(texts.words(text)) / sentences
    return Finding(1.0 if length <= 40 else 40 / length, 0.1, f"takes {length:.0f} words a sentence")


def _roast(text: str) -> Finding:
    lines = [len(texts.words(line)) for line in text.splitlines() if line.strip()]
    punchy = sum(2 <= length <= 25 for length in lines) / len(lines)
    return Finding(punchy, 0.15, f"{punchy:.0%} of its lines are short enough to land")


def _scout(text: str) -> Finding:
    facts = sum(bool(_FIGURE.search(line)) for line in text.splitlines())
    return Finding(min(1.0, facts / 4), 0.2, f"has figures or sources in {facts} lines")


def _code(text: str) -> Finding:
    blocks = "\n".join(_FENCE.findall(text)) or text
    if not any(_CODE.match(line) for line in blocks.splitlines()):
        return Finding(0.0, 0.4, "has no code")
    return Finding(1.0, 0.4, "has code that parses") if _parses(blocks) else Finding(0.7, 0.4, "has code")


def _parses(code: str) -> bool:
    if len(code) > 20_000:
        return False
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _cook(text: str) -> Finding:
    lines = text.lower().splitlines()
    amounts = sum(bool(_QUANTITY.search(line)) for line in lines)
    return Finding(min(1.0, amounts / 4), 0.25, f"gives amounts or times in {amounts} lines")


_FORM = {"roast": _roast, "scout": _scout, "code": _code, "cook": _cook, "wild": _plain}


# What spoils an entry: the value is what is left of its score --------------------------------


def _refuses(text: str) -> Finding | None:
    refuses = _REFUSAL.match(text.lower()[:200]) and len(text) < 600
    return Finding(0.15, 1, "refuses instead of answering") if refuses else None


def _repeats(text: str) -> Finding | None:
    words = texts.words(text)
    if len(words) < 12:
        return None
    distinct = len(set(words)) / min(len(words), 200)
    if distinct < 0.25 or Counter(words).most_common(1)[0][1] > len(words) * 0.4:
        return Finding(0.3, 1, "repeats itself")
    return None


def _copies(prompt: str, text: str) -> Finding | None:
    """Whether most of the entry is the prompt again."""
    theirs, ours = texts.words(prompt), texts.words(text)
    if len(ours) < 4:
        return None
    known = set(zip(theirs, theirs[1:], theirs[2:], strict=False))
    mine = list(zip(ours, ours[1:], ours[2:], strict=False))
    share = sum(three in known for three in mine) / len(mine)
    return Finding(0.35, 1, "copies the prompt") if share > 0.6 else None


def _breaks_off(text: str) -> Finding | None:
    last = text.splitlines()[-1]
    long = len(texts.words(text)) > 25 and len(texts.words(last)) > 6
    return Finding(0.9, 1, "breaks off in the middle") if long and _CUT_OFF.search(last[-1:]) else None
