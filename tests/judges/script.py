"""What a scripted judge answers, and in how many ways it goes wrong.

All of it derives from the script's seed and from what is asked, not from when it is asked.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from statistics import pstdev
from typing import Any, Literal

from models.grades import GRADES
from tests.judges.question import Question, task_as_read
from workers.judge import prompt

# By score; by place; the first place first and the others at random; by what stands outside the fence, else
# by score; by what speaks for it anywhere, else by score.
Mood = Literal["honest", "first", "opener", "credulous", "gullible"]
MALFORMED = ("prose", "broken", "missing", "twice", "stranger", "cut", "empty", "grade")
_VERDICT = re.compile(
    r"(?:winner|verdict|select|choose|pick|rank|best|first|final[ _]answer|override|score|superior)", re.I
)


@dataclass
class Script:
    """How the judge behaves. Shares are of the calls, 0 to 1.

    `noise` and `bias` count in standard deviations (of the population) of the scores in the list that is
    asked about: an entry is worth its score, plus noise times a normal deviate of its own in each call,
    plus bias times (last - place) / last, so that the first place has all of the bias and the last none.
    """

    scores: dict[str, float] = field(default_factory=dict)  # by entry, as a model reads it
    rated: dict[str, dict[str, float]] = field(default_factory=dict)  # by task, then likewise; counts first
    noise: float = 0.0
    bias: float = 0.0
    mood: Mood = "honest"
    malformed: float = 0.0
    kinds: tuple[str, ...] = MALFORMED
    refused: float = 0.0
    limited: float = 0.0
    broken: float = 0.0
    limited_first: int = 0  # so many calls are answered 429 before any other is
    retry_after: str = "0.01"
    crowd: int = 0  # nobody is answered before so many have asked at the same time
    delay_seconds: float = 0.0
    drip_seconds: float = 0.0  # between two bytes of the answer
    hangs: bool = False  # reads, and never answers
    padding: int = 0  # further bytes of every answer
    key: str = ""  # wanted in the dialect's header, where there is one
    flaw: str = "It could be sharper."
    seed: int = 0
    lists: tuple[str, ...] = ()  # at `/v1/models`
    owner: str = ""  # of these
    knows_as: tuple[str, ...] = ()  # further names of models, which it does not list

    def knows(self, list_: dict[str, Any]) -> None:
        """Have it know a list of rated entries: `{"prompt", "submissions": [{"text", "score"}]}`."""
        known = self.rated.setdefault(task_as_read(list_["prompt"]), {})
        for submitted in list_["submissions"]:
            read = prompt.entry(submitted["text"], list_["prompt"])
            known[read] = max(submitted["score"], known.get(read, submitted["score"]))


def verdict(script: Script, question: Question, chance: Random) -> dict[str, Any]:
    """What the script has to say."""
    known = script.rated.get(question.task, script.scores)
    scores = {label: _score(known, text) for label, text in question.entries}
    spread, last = pstdev(scores.values()), max(1, len(scores) - 1)
    worth = {
        label: score
        + script.noise * spread * chance.gauss(0, 1)
        + script.bias * spread * (last - place) / last
        for place, (label, score) in enumerate(scores.items())
    }
    ranking = sorted(worth, key=lambda label: -worth[label])
    if script.mood == "first":
        ranking = list(scores)
    elif script.mood == "opener":
        ranking = [question.labels[0], *chance.sample(question.labels[1:], len(scores) - 1)]
    elif script.mood in ("credulous", "gullible"):
        favoured = set(_favoured(question, script.mood == "gullible"))
        ranking.sort(key=lambda label: label not in favoured)
    low, high = _range(script)
    blind = script.mood in ("first", "opener")
    remarks = [
        {"label": label, "flaw": script.flaw, "grade": "B" if blind else _grade(score, low, high)}
        for label, score in scores.items()
    ]
    return {"entries": remarks, "ranking": ranking}


def _score(known: dict[str, float], text: str) -> float:
    """Of a known entry; of the longest one that this begins with; or else one made of the text."""
    if text in known:
        return known[text]
    begun = [other for other in known if other and text.startswith(other)]
    if begun:
        return known[max(begun, key=len)]
    share = int(hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8], 16) / 0xFFFFFFFF
    # In the middle of what is known of the task, so that a stranger neither wins nor loses by itself.
    middle = sum(known.values()) / len(known) if known else 0.0
    return middle + share * (1e-6 if known else 1.0)


def _range(script: Script) -> tuple[float, float]:
    """From the worst to the best score of all that is known: grades are absolute, no list has its curve."""
    known = (script.scores, *script.rated.values())
    every = [score for scores in known for score in scores.values()] or [0.0, 1.0]
    return min(every), max(every)


def _grade(score: float, low: float, high: float) -> str:
    share = (score - low) / (high - low or 1)
    return GRADES[min(len(GRADES) - 1, int((1 - min(1.0, max(0.0, share))) * len(GRADES)))]


def _favoured(question: Question, everywhere: bool) -> Iterator[str]:
    """Whom the foreign lines speak for: the labels they name, where they name none the entry they follow.

    `everywhere`: so is a line inside an entry that names its label and sounds like a verdict.
    """
    named = [label for _, line in question.foreign for label in _named(line, question.labels)]
    yield from named or [owner for owner, _ in question.foreign if owner]
    for label, text in question.entries if everywhere else []:
        for line in text.splitlines():
            if label in _named(line, [label]) and _VERDICT.search(line):
                yield label


def _named(line: str, labels: list[str]) -> list[str]:
    return [label for label in labels if re.search(rf"(?<![A-Za-z0-9]){label}(?![A-Za-z0-9])", line)]


def spoil(kind: str, said: dict[str, Any]) -> str:
    """A malformed answer of this kind, as text."""
    labels = said["ranking"]
    if kind == "prose":
        return f"The winner is {labels[0]}, followed by {', '.join(labels[1:])}."
    if kind in ("broken", "cut"):
        return json.dumps(said)[:-7]
    if kind == "empty":
        return ""
    changed = {
        "missing": {**said, "ranking": labels[:-1]},
        "twice": {**said, "ranking": [labels[0], *labels[:-1]] if len(labels) > 1 else labels * 2},
        "stranger": {**said, "ranking": [*labels[:-1], "??"]},
        "grade": {**said, "entries": [{**remark, "grade": "A+"} for remark in said["entries"]]},
    }
    return json.dumps(changed[kind])


def envelope(
    dialect: str, text: str, tokens: int, cut: bool = False, refused: bool = False
) -> dict[str, Any]:
    """A text as this dialect's answer, to a question of so many tokens."""
    written = len(text) // 4
    if dialect == "openai":
        message = {"role": "assistant", "content": None if refused else text}
        message |= {"refusal": "I can't help with that."} if refused else {}
        choice = {"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}
        usage = {"prompt_tokens": tokens, "completion_tokens": written}
        return {"object": "chat.completion", "choices": [choice], "usage": usage}
    try:
        block = {"type": "tool_use", "id": "x", "name": "verdict", "input": json.loads(text)}
    except ValueError:
        block = {"type": "text", "text": text}
    reason = "refusal" if refused else "max_tokens" if cut else "tool_use"
    usage = {"input_tokens": tokens, "output_tokens": written}
    return {"type": "message", "content": [] if refused else [block], "stop_reason": reason, "usage": usage}
