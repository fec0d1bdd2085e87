"""What each pack looks for beyond an answer to the prompt, as far as form goes."""

import re

from models.packs import Pack
from workers.judge import code, texts
from workers.judge.asked import Ask
from workers.judge.measures import Finding

_FIGURE = re.compile(r"\d")
_LINK = re.compile(r"https?://[\w.-]+\.\w{2,}|\bdoi:|\w\.(?:com|org|net|gov|edu|io)\b", re.IGNORECASE)
_AMOUNT = re.compile(
    r"(?:\d|[½¼¾⅓⅔])\s?(?:g|kg|ml|l|cl|dl|cups?|tbsps?|tsps?|tablespoons?|teaspoons?|oz|ounces?|lbs?|pounds?|cloves?|"
    r"slices?|cans?|tins?|grams?|pinch(?:es)?|sprigs?|stalks?|heads?|large|small|medium)\b|[½¼¾⅓⅔]",
    re.IGNORECASE,
)
_HEAT_OR_TIME = re.compile(
    r"\d\s?(?:min|mins|minutes?|hours?|hrs?|h|seconds?|s|°|degrees)(?:\b|[CF])", re.IGNORECASE
)
_COOKING = re.compile(
    r"\b(?:add|bake|beat|blend|boil|bring|brown|chill|chop|combine|cook|cover|cut|dice|drain|fold|fry|grate|grill|heat|"
    r"knead|marinate|mash|melt|mix|peel|pour|preheat|rest|rinse|roast|saut[eé]|season|serve|simmer|slice|soften|spread|"
    r"sprinkle|steam|stir|toast|toss|warm|whisk)\b",
    re.IGNORECASE,
)


def signal(asked: Ask, pack: Pack, text: str) -> Finding:
    """What the pack's own measure says."""
    match pack:
        case "roast":
            return _roast(asked, text)
        case "scout":
            return _scout(text)
        case "code":
            return _code(asked, text)
        case "cook":
            return _cook(text)
        case "wild":
            return _wild(text)


def _roast(asked: Ask, text: str) -> Finding:
    """Lines of a length that lands, which neither shout nor ask nor describe what everybody sees.

    All of it is weak evidence: it is what rated captions have in common, and wit is not among it.
    """
    spoken = texts.lines(text)
    landing = sum(_landing(len(texts.words(line))) for line in spoken) / len(spoken)
    shouting = min(1.0, text.count("!") / len(spoken))
    asking = min(1.0, text.count("?") / len(spoken))
    echoes = len(asked.task.intersection(texts.meaning(texts.words(text))))
    value = landing * (1 - 0.3 * shouting) * (1 - 0.07 * asking) * (1 - 0.07 * min(4, echoes))
    told = (
        "its lines have the length to land, wit is not measured"
        if landing > 0.5
        else "its lines are too long, or too short, to land"
    )
    return Finding(value, 0.6, f"{told}, but shout" if shouting else told)


def _landing(words: int) -> float:
    """Never the full value: an S takes wit, and this judge has no sense of it."""
    if 7 <= words <= 17:
        return 0.7
    return 0.55 if 3 <= words <= 24 else 0.2


def _wild(text: str) -> Finding:
    """Sentences or lines that end before the reader's breath does."""
    sentences = sum(len(texts.sentences(line)) for line in texts.lines(text))
    length = len(texts.words(text)) / max(1, sentences)
    return Finding(min(1.0, 30 / max(1.0, length)), 0.1, f"its sentences run {length:.0f} words")


def _scout(text: str) -> Finding:
    """Figures and sources: what can be checked."""
    figures = sum(bool(_FIGURE.search(line)) for line in re.split(r"[\n.;]", text))
    links = len(_LINK.findall(text))
    value = 0.6 * min(1.0, figures / 4) + 0.4 * min(1.0, links / 2)
    return Finding(value, 0.3, f"has {links} links, and figures in {figures} places")


def _code(asked: Ask, text: str) -> Finding:
    """Code, in the language asked for, that parses where that can be told."""
    given = code.blocks(text) or [code.Block("", text)]
    if not any(code.looks_like_code(block.source) for block in given):
        return Finding(0.0, 0.5, "has no code")
    wanted = code.named(asked.prompt)
    others = {block.language for block in given} & code.LANGUAGES
    if len(wanted) == 1 and others and not wanted & others:
        return Finding(0.3, 0.5, f"asked for {min(wanted)}, gives {min(others)}")
    python = [code.parses(block.source) for block in given if code.is_python(block)]
    if False in python:
        return Finding(0.5, 0.5, "has Python code that does not parse")
    if True in python:
        return Finding(1.0, 0.5, "has Python code that parses")
    return Finding(0.85, 0.5, "has code (not checked)")


def _cook(text: str) -> Finding:
    """Amounts, steps, and times or heat: what a cook needs beside the idea."""
    amounts, steps, times = (len(p.findall(text)) for p in (_AMOUNT, _COOKING, _HEAT_OR_TIME))
    value = (min(1.0, amounts / 4) + min(1.0, steps / 4) + min(1.0, times / 2)) / 3
    told = f"gives {amounts} amounts, {steps} steps, {times} times or temperatures"
    return Finding(value, 0.35, told)
