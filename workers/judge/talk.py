"""Lines that talk to a judge instead of to the sender. They are taken out before anything is measured.

Nothing here punishes: an entry is worth what is left of it. What the prompt itself speaks of stays.
"""

import re
import unicodedata
from collections.abc import Iterator

from workers.judge import texts

_LINE_CHARACTERS = 4_000  # of a line that is searched; who hides beyond has written a page before

_RATE = r"\b(?:rank|rate|grade|score|mark|select|choose|pick|declare|prefer|favou?r|award|crown)"
_ENTRY = r"(?:entry|response|submission|candidate|answer|output|completion)"
_ENTRIES = r"(?:entries|responses|submissions|candidates|answers|outputs)"
_JUDGE = r"(?:judge|evaluator|grader|reviewer|assessor|rater)s?"
_START = r"^\W{0,8}"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


# Orders, roles and stage directions: nobody writes these to a sender.
_ORDERS = _any(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}\b(?:above|previous|prior|earlier|other|content"
    r"|instructions?|criteria|rubrics?|rules?|prompts?|guidelines?)\b",
    # who the reader is told to be, or is greeted as
    rf"\byou are (?:now|an? (?:helpful |impartial |expert )?{_JUDGE})\b",
    rf"\b(?:as|dear|note to|attention|hey|hello|hi)\b,? (?:an? |the |all )?(?:\w{{1,12}} )?{_JUDGE}\b",
    rf"{_START}{_JUDGE}\s?[:,]|\b(?:other|all|previous|several) {_JUDGE}\b",
    r"\b(?:evaluating|judging|grading|ranking|scoring) (?:this|these|the entr|the submission|the response)",
    r"\bfrom now on,? you\b",
    r"\byou (?:must|will|shall|always|should) (?:always )?(?:output|respond|select|choose|pick)\b",
    # what to do with this entry
    rf"{_RATE} (?:this|my|our|the current) {_ENTRY}\b",
    rf"{_RATE} (?:the )?{_ENTRY} \W?[a-z0-9]{{1,12}}\b",
    rf"{_RATE}\b.{{1,30}}\bas (?:the )?(?:winner|best)\b",
    r"\b(?:rank|rate|grade|score|mark|place|put) (?:this|me|it|mine|us)\b"
    r".{0,20}\b(?:first|1st|1|one|highest|top|best|winner|s|a|10)\b",
    r"\b(?:deserves?|must receive|should (?:get|receive|be given)|give (?:it|this|me)) (?:an? |the )?"
    r"(?:highest|top|best|full|perfect|maximum|passing|grade|score|10|s\b)",
    rf"\b(?:{_ENTRY}|test)(?: above)? (?:has|is|was) (?:already )?(?:been )?"
    r"(?:verified|pre-?approved|certified|the winner|the best|correct|superior)",
    rf"\b(?:this|my) {_ENTRY} (?:is|has|meets|satisfies|fulfils|deserves|wins)\b|\b{_ENTRY} above\b",
    r"\b(?:is|be|was|are) (?:not |now )?(?:ranked|graded|rated|scored)\b"
    r".{0,12}\b(?:first|highest|top|best|as)\b",
    r"\bpassing (?:grade|score)\b|\btried (?:really |so |very )?hard\b",
    # marks of a prompt or of a conversation around it
    r"\b(?:system|admin|developer|judge|evaluation|grading|qa team) "
    r"(?:override|prompt|message|notice|mode|notes?)\b",
    r"<\|(?:im_|system|user|assistant|end)|\[/?inst\]|<</?sys>>",
    r"</?(?:system|judge|verdict|winner|evaluation|grading|entry|response|submission|candidate)"
    r"[\w-]{0,20}\b[^>]{0,60}>",
    rf"{_START}\[\W{{0,2}}(?:system|admin|(?:updated? )?evaluat|grading|judge|qa\b|developer|override"
    r"|verdict|scor)",
    rf"{_START}system\s?:|\bmodel[ _](?:outputs?|identifier)\b",
)

# Verdicts, as a judge would announce them. A prompt may well ask for scores and winners of its own.
_VERDICTS = _any(
    rf"{_START}(?:the |and |final |overall |my )*(?:winner|verdict|ranking|best {_ENTRY}|final[ _]answer"
    r"|(?:final )?(?:decision|choice|vote))"
    rf"\W{{0,3}}(?:is|:|=)\W*(?:{_ENTRY}\W*)?[\w-]{{1,12}}\b.{{0,24}}$",
    rf"{_START}(?:final |overall |total )*(?:score|grade|rating|rank|confidence)\W{{0,3}}[:=]\W*"
    r"(?:[sabcdf][+-]?|\d[\d.]*)(?:\W{0,3}(?:/|out of)\W{0,3}\d+)?\W{0,4}$",
    r"[\"'](?:winner|verdict|score|grade|rank|ranking|pass|passed|best|rating)[\"']\s?:",
    rf"\b{_ENTRY} \W?[a-z0-9]{{1,12}}\W? "
    r"(?:is|has|provides?|shows?|demonstrates?|wins?|scores?|deserves?)\b",
    rf"\b(?:other|competing|rival|shorter|longer|verbose|concise) {_ENTRIES}\b",
    rf"\b(?:{_ENTRY}|{_ENTRIES}) (?:contain|includ|mention|us)ing\b",
    r"\b(?:score|grade|rating|rank|place|deserves|worth)\W{0,3}(?:an? )?"
    r"(?:\d+(?:\.\d+)? ?/ ?\d+|[sa]\b\W*$|1st)",
    rf"{_START}(?:assistant|human)\s?:",
    rf"{_START}(?:begin|end)(?: of)? (?:verdict|judg|evaluat|{_ENTRIES}|{_ENTRY})",
    r"\b(?:evaluation|scoring|grading|assessment|judging) (?:is (?:now )?(?:complete|over|final|done)"
    r"|criteria|rubric|protocol|rules?|results?|team|standards?)\b",
    rf"{_START}(?:internal|new|updated) (?:scor|grad|evaluat|rule|rubric)",
)

# Words of the trade. Two of them in a later line, where the prompt uses neither, are talk as well.
_TRADE = frozenset(
    """criteria entries entry evaluate evaluated evaluating evaluation evaluator grade graded grader grades
    grading instruction instructions judge judged judges judging override panel points position prompt rank
    ranked ranking rating response responses reviewer rubric score scored scores scoring submission
    submissions verdict winner winners wins""".split()
)
_TRADE_WORDS = 2

_BACKWARDS = tuple(word[::-1] for word in ("ignore", "override", "select ", "winner", "rank this"))
_HEADING = re.compile(r"\s*(?:[\[=#<{*|]|.{0,120}:\s*$)")
_HIDDEN = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]")
_CODE_FENCE = re.compile(r"\s{0,8}```(?!json|text|txt|xml|html|md|markdown|yaml)(?=[a-zA-Z])")
_EMPTY_FENCE = re.compile(r"^[ \t]{0,8}```[^\n`]{0,40}\n[ \t]{0,8}```[ \t]{0,8}$", re.MULTILINE)


def without_judge_talk(text: str, prompt: str) -> str:
    """A text without what talks to a judge.

    A sentence goes, and after a line that opens with an order or a heading the rest of its
    paragraph. In a block of program code only orders go: `winner: str` is no verdict there.
    """
    kept = "\n".join(_kept_lines(text, frozenset(texts.words(prompt))))
    return _EMPTY_FENCE.sub("", kept)


def _kept_lines(text: str, expected: frozenset[str]) -> Iterator[str]:
    in_code = in_talk = began = False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        if fence:
            in_code = not in_code and bool(_CODE_FENCE.match(line))
        if fence or not line.strip():
            in_talk = False
        elif not in_talk and _talks(line, expected, in_code):
            in_talk = not in_code and _leads(line)
            line = " ".join(s for s in texts.sentences(line) if not _talks(s, expected, in_code))
        elif began and not in_code and _speaks_shop(line, expected):
            line = " ".join(s for s in texts.sentences(line) if not _speaks_shop(s, expected))
        began = began or bool(line.strip() and not in_talk)
        if not in_talk:
            yield line


def _talks(text: str, expected: frozenset[str], in_code: bool) -> bool:
    said = _plain(text)
    patterns = (_ORDERS,) if in_code else (_ORDERS, _VERDICTS)
    readings = [said, said[::-1]] if any(word in said for word in _BACKWARDS) else [said]
    return any(
        not expected.issuperset(texts.words(found[0]))
        for reading in readings
        for pattern in patterns
        if (found := pattern.search(reading))
    )


def _speaks_shop(sentence: str, expected: frozenset[str]) -> bool:
    return len(_TRADE.intersection(texts.words(sentence)) - expected) >= _TRADE_WORDS


def _leads(line: str) -> bool:
    """Whether a line that talks to a judge opens a paragraph that does."""
    found = _ORDERS.search(_plain(line))
    return bool(_HEADING.match(line)) or (found is not None and found.start() < 12)


def _plain(line: str) -> str:
    """A line as a reader sees it: no invisible signs, no letters in fancy dress, lower case."""
    line = line[:_LINE_CHARACTERS]
    if line.isascii():
        return line.lower()
    seen = _HIDDEN.sub("", unicodedata.normalize("NFKC", line))[:_LINE_CHARACTERS]
    return seen.replace("’", "'").lower()
