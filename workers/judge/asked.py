"""What a prompt asks for, as far as words show it: things, a number, a length, a form."""

import re
from dataclasses import dataclass

from workers.judge import texts
from workers.judge.code import LANGUAGES

PROMPT_CHARACTERS = 4_000  # what is asked stands at the beginning; the rest is material
TOPICS_MAX = 16

_NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
_MANY = re.compile(
    r"\b(up to |at most |no more than |at least )?(\d{1,2}|" + "|".join(_NUMBERS[1:]) + r")\s+"
    r"((?:[\w'-]{1,20}\s+){0,2}?)([a-z'-]{2,20}(?<!s)s)\b"
)
_SINGLE = re.compile(
    r"\b(?:one|1|a single)\s+(?:[\w'-]{1,20}\s+){0,2}?"
    r"(caption|tagline|title|name|joke|pun|one-liner|slogan|headline|sentence|line|word|tweet|roast)\b"
)
_LIMIT = re.compile(
    r"\b(?:under|below|at most|no more than|fewer than|less than|up to|within|max(?:imum)?(?: of)?|in)\s+"
    r"(\d{1,5})\s+(words|characters|sentences|lines)\b"
)
_UNITS = frozenset(
    """words lines sentences characters minutes hours days seconds years dollars euros cents paragraphs grams
    times people persons guests servings pages""".split()
)
_BRIEFLY = re.compile(r"\b(?:short|brief|briefly|concise|concisely|in one (?:sentence|word|line))\b")
# What every task is worded with. An answer does not get better by saying it again.
_TASK_WORDS = frozenset(
    texts.stem(word)
    for word in """add analyze answer appropriate article ask base based best brainstorm brief briefly build
    choose code compile complete compose concise consider convert create decide describe description design
    detail determine develop discuss draft example examples explain extract fill find following format
    function funny generate given good help helpful identify include information instruction list name need
    needed output pick prompt propose provide provided question read recommend response retrieve return
    review rewrite sentence short show simple solve starting statement step suggest summarize summary take
    task tell text think topic translate verify want words""".split()
)
_FORMS = {
    "JSON": re.compile(r"\bjson\b"),
    "a table": re.compile(r"\b(?:a|markdown|as|comparison) table\b"),
    "a list": re.compile(
        r"^\W{0,4}list\b|\b(?:bullet(?:ed)?|numbered) (?:points?|list)|\ba list of\b|\bchecklist\b"
    ),
}

_FORM_WORDS = frozenset(texts.stem(word) for word in "array json list markdown object table".split()) | {
    texts.stem(language) for language in LANGUAGES
}


@dataclass(frozen=True)
class Number:
    """How many of something are asked for; `least` and `most` are inclusive."""

    least: int
    most: int
    noun: str


@dataclass(frozen=True)
class Ask:
    """What one prompt asks for."""

    prompt: str
    topics: dict[str, str]  # stem: the word in the prompt
    task: frozenset[str]  # stems of the whole first paragraph: saying them again adds nothing
    number: Number | None
    limit: tuple[int, str] | None  # so many words, characters, sentences or lines
    form: str | None
    briefly: bool
    question: bool  # then its own words may be the answer

    @property
    def subjects(self) -> frozenset[str]:
        """Stems of what the task is about, without the form it is wanted in."""
        noun = [texts.stem(self.number.noun)] if self.number else []
        return frozenset([*self.topics, *noun]) - _FORM_WORDS


def ask(prompt: str) -> Ask:
    """Read a prompt."""
    read = prompt[:PROMPT_CHARACTERS]
    task = read.strip().partition("\n\n")[0]
    lower = task.lower()
    named = {s: word for s, word in texts.meaning(texts.words(read)).items() if s not in _TASK_WORDS}
    limit = _LIMIT.search(lower)
    number = _number(lower)
    if number:
        named.pop(texts.stem(number.noun), None)  # a list of rivers need not say “river”
    return Ask(
        prompt=prompt,
        topics=dict(list(named.items())[:TOPICS_MAX]),
        task=frozenset(texts.meaning(texts.words(task))),
        number=number,
        limit=(int(limit[1]), limit[2]) if limit and int(limit[1]) else None,
        form=next((form for form, pattern in _FORMS.items() if pattern.search(lower)), None),
        briefly=bool(_BRIEFLY.search(lower)),
        question="?" in task,
    )


def _number(task: str) -> Number | None:
    """“three short taglines”, but not “dinner for two from chickpeas” or “200 words”."""
    for found in _MANY.finditer(task):
        plain = len(texts.meaning(texts.words(found[3]))) == len(texts.words(found[3]))
        number = int(found[2]) if found[2].isdigit() else _NUMBERS.index(found[2]) + 1
        if plain and number and found[4] not in _UNITS:
            bound = (found[1] or "").strip()
            least = 1 if bound in ("up to", "at most", "no more than") else number
            return Number(least, 99 if bound == "at least" else number, found[4])
    single = _SINGLE.search(task)
    return Number(1, 1, single[1]) if single else None
