"""What spoils an entry, whatever else it has: it refuses, breaks off, repeats itself, copies the prompt.

A fault leaves a share of the score. The gravest one is told in the rationale.
"""

import re
from typing import NamedTuple

from models.packs import Pack
from workers.judge import texts

_CANNOT = r"i (?:can(?:no|')t|can not|won't|will not|am (?:unable|not able) to|'m (?:unable|not able) to)"
_MACHINE = r"as an? (?:ai|(?:large )?language model)(?: language)?(?: model| assistant)?,? i\b"
_REGRET = r"(?:(?:i'm |i am )?(?:very |so )?sorry|unfortunately|i apologi[sz]e|no)[,.]? (?:but )?"
_SERVICE = r"(?:help|assist|comply|fulfil|provide|answer|complete|generate|write|create|do)\b"
_REFUSAL = re.compile(rf"\b{_MACHINE}|^\W{{0,4}}{_REGRET}{_CANNOT}\b|^\W{{0,4}}{_CANNOT} {_SERVICE}")
_REFUSAL_CHARACTERS = 600  # a longer text that starts with a regret has gone on to answer
_PLACEHOLDER = re.compile(r"[\[<{(]\s?[\w ,.'/-]{0,80}\s?[\]>})]")
_DANGLING = re.compile(
    r"(?:[,(\[{]|\b(?:the|an?|and|or|of|for|with|to|from|my|your|our|their|than|because|including|such))$",
    re.IGNORECASE,
)
_NOISE = re.compile(r"[^\w\s.,;:!?'\"’“”()。，、！？-]")
_REWORKING = re.compile(
    r"\b(?:fix|correct|edit|proofread|rewrite|rephrase|refactor|improve|convert|reformat|sort|extract|quote|repeat)\b"
)
_FRESH_ENOUGH = 0.75  # of its runs of three words; prose of any length stays above
_FRESH_ENOUGH_CODE = 0.4


class Fault(NamedTuple):
    """`left`: the share of the score that stays, 0 to 1."""

    left: float
    words: str


def faults(prompt: str, pack: Pack, text: str, whole: bool) -> list[Fault]:
    """The faults of a text that says something. Only a `whole` one can be blamed for its end."""
    found = (
        _refuses(pack, text),
        _stands_in(text),
        _is_noise(prompt, pack, text),
        _repeats(pack, text),
        _copies(prompt, text),
        _breaks_off(text) if whole else None,
    )
    return [fault for fault in found if fault]


def _refuses(pack: Pack, text: str) -> Fault | None:
    start = text[:200].lower().replace("’", "'")
    found = _REFUSAL.search(start)
    # In a caption “Sorry, I can't hear you” is a line of somebody in the picture.
    spoken = pack == "roast" and found is not None and "as a" not in found[0]
    refuses = found and not spoken and len(text) < _REFUSAL_CHARACTERS
    return Fault(0.15, "refuses instead of answering") if refuses else None


def _stands_in(text: str) -> Fault | None:
    return Fault(0.2, "is a placeholder, no answer") if _PLACEHOLDER.fullmatch(text) else None


def _is_noise(prompt: str, pack: Pack, text: str) -> Fault | None:
    """Whether signs crowd out the words, where neither the pack nor the prompt has a use for them."""
    if pack == "code" or len(text) < 40 or _noise(text) <= 0.25 + _noise(prompt[: len(text)]):
        return None
    return None if "```" in text or "|" in text else Fault(0.3, "is mostly signs instead of words")


def _noise(text: str) -> float:
    return len(_NOISE.findall(text)) / max(1, len(text))


def _repeats(pack: Pack, text: str) -> Fault | None:
    spoken = [word for word in texts.words(text) if not word.isdecimal()]
    runs = _runs(spoken)
    enough = _FRESH_ENOUGH_CODE if pack == "code" else _FRESH_ENOUGH
    fresh = len(set(runs)) / max(1, len(runs))
    if len(runs) < 10 or fresh >= enough:
        return None
    return Fault(max(0.1, fresh / enough), f"repeats itself: only {fresh:.0%} is new as it goes on")


def _copies(prompt: str, text: str) -> Fault | None:
    ours = _runs(texts.words(text))
    known = set(_runs(texts.words(prompt)))
    share = sum(run in known for run in ours) / max(1, len(ours))
    allowed = 0.8 if _REWORKING.search(prompt[:600].lower()) else 0.4
    if len(ours) < 2 or share <= allowed:
        return None
    # Grows with the share, so that a few words more do not wash a copy clean.
    return Fault(max(0.3, 1 - 3.5 * (share - allowed)), f"copies the prompt: {share:.0%} of it stands there")


def _runs(words: list[str]) -> list[tuple[str, str, str]]:
    return list(zip(words, words[1:], words[2:], strict=False))


def _breaks_off(text: str) -> Fault | None:
    last = text[-400:].splitlines()[-1].rstrip()
    if _DANGLING.search(last) or text.count("```") % 2:
        return Fault(0.6, "breaks off in the middle")
    told = last.rstrip("\"'”’)*_ ")[-1:]
    prose = len(texts.sentences(last)) > 2 and not texts.bullets(last)
    return (
        Fault(0.85, "ends in the middle of a sentence") if prose and (told.isalnum() or told == ",") else None
    )
