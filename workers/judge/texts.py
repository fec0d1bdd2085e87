"""Reading texts: words, stems, items, and the lines that talk to a judge instead of to the sender.

Every pattern here is linear in the length of the text: entries come from strangers.
"""

import re
from collections.abc import Iterator

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_]+")  # where no spaces are written, a sign is a word
_ITEM = re.compile(r"^\s{0,8}(?:[-*•–]|\d{1,3}[.)]|[a-zA-Z][.)])\s+\S")
_PARTS = re.compile(r",|;|，|、|\band\b")
_HEADING = re.compile(r"^\W{0,8}[\[=#<{|*]{1,4}.{0,200}$")

_COMMON = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between
    both but by can could did do does doing down during each else ever few for from further get give had has
    have having he her here hers him his how i if in into is it its itself just let like made make many me
    might more most must my no nor not now of off on once one only or other our ours out over own please same
    she should so some such than that the their theirs them then there these they this those through to too
    under until up use using very was we were what when where which while who whom why will with would write
    you your yours yourself two three four five six seven eight nine ten""".split()
)
# Words of the trade of judging. Two of them in a line that the prompt has no reason for are one too many.
_JUDGING = frozenset(
    """accuracy admin answer assessment best confidence criteria criterion critical disregard entry entries
    evaluate evaluated evaluation evaluator expert final first grade grader grading highest ignore
    instruction instructions judge judging monitored notice override pass passing priority prompt protocol
    quality rank ranked ranking reasoning response responses result rubric rule score scores scoring select
    selecting selects submission submissions system team total update updated verdict verify win winner
    winning wins""".split()
)
_ORDERS = re.compile(
    r"ignore (?:all|any|the|previous|prior|other)|disregard (?:all|any|the|previous)|you are now"
    r"|as (?:a|an|the) (?:expert )?(?:judge|evaluator)|dear judge"
    r"|(?:rank|grade|score|select|choose|pick) (?:this|me|my|us)|<\|im_|"
    r"\b(?:winner|verdict|override)\s*[:=]|passing grade|tried (?:really |so |very )?hard|system override"
)


def words(text: str) -> list[str]:
    """The words of a text, lower case."""
    return _WORD.findall(text.lower())


def stem(word: str) -> str:
    """A word without its commonest English endings, so that `rivers` meets `river`."""
    for ending in ("ing", "ies", "es", "ed", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def is_common(word: str) -> bool:
    """Whether a word stands in any text and tells nothing of it."""
    return word in _COMMON


def content(text: str) -> list[str]:
    """The stems that carry meaning, each once, in order."""
    return list(dict.fromkeys(stem(word) for word in words(text) if not is_common(word) and len(word) > 1))


def items(text: str) -> int:
    """How many things a text lists: its bullet points, else its lines, else what its commas part."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        return len(_PARTS.split(lines[0]))
    return sum(bool(_ITEM.match(line)) for line in lines) or len(lines)


def without_judge_talk(text: str, prompt: str) -> str:
    """A text without the lines that talk to a judge. What the prompt itself speaks of may stay."""
    return "\n".join(_plain_lines(text, frozenset(words(prompt))))


def _plain_lines(text: str, expected: frozenset[str]) -> Iterator[str]:
    in_block = False  # a heading that talks to a judge takes its paragraph along
    for line in text.splitlines():
        said = set(words(line)) & _JUDGING - expected
        if not line.strip():
            in_block = False
        elif len(said) >= 2 or _ORDERS.search(line.lower()[:2_000]):
            in_block = in_block or bool(_HEADING.match(line))
            continue
        if not in_block:
            yield line
