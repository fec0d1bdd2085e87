"""Program code in an entry: where it is, and whether it parses. Only Python is checked; nothing is run."""

import ast
import re
import warnings
from typing import NamedTuple

_FENCE = re.compile(r"^[ \t]{0,8}```([^\n`]{0,40})\n(.*?)(?:^[ \t]{0,8}```|\Z)", re.MULTILINE | re.DOTALL)
_CODE_LINE = re.compile(
    r"\s{0,40}(?:(?:def|class|import|async|const|let|var|for|if|while|fn|func|public|select|insert|create) "
    r"|echo |from \w+ import|function\b|return\b|#include|print\(|@\w"
    r"|[\w.]+ ?[+-]?= ?\S|[\w.]+\(.{0,80}\);?$)",
    re.IGNORECASE,
)
_PYTHON_LINE = re.compile(
    r"^\s{0,40}(?:def \w+\(.*:|class \w.*:$|import \w+|from \w[\w.]* import )", re.MULTILINE
)
_DEFINES = re.compile(
    r"\b(?:def|class|function|fn|func|fun|sub|struct|interface|module|create|select|insert|void|int|let) "
    r"|=>|\w\(",
    re.IGNORECASE,
)
_SIGN = re.compile(r"[(){}\[\]=<>|$]")
_END = re.compile(r"[;{}()\],:]\s*$")
# What Python would warn of in an entry is none of our log's business. Set once: with threads, filters
# that are set for a moment get mixed up.
_FILE_NAME = "<entry>"
warnings.filterwarnings("ignore", module=_FILE_NAME)
_ESCAPE = re.compile(r"\\[^\n]")
_PARSED_CHARACTERS = 20_000
_NESTED_MAX = 60
_ASKED_CHARACTERS = 600
_OTHER_NAMES = dict(
    pair.split("=")
    for pair in """py=python python3=python js=javascript node=javascript ts=typescript golang=go rs=rust
    sh=bash shell=bash c++=cpp cs=c# csharp=c# rb=ruby kt=kotlin""".split()
)
LANGUAGES = frozenset(
    """python javascript typescript go rust bash c cpp c# java kotlin swift ruby php sql html css haskell
    scala r perl lua elixir dart""".split()
)


_ALSO_WORDS = frozenset("c r go rust swift dart".split())


class Block(NamedTuple):
    """A piece of code and the language it says it is in, perhaps none."""

    language: str
    source: str


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text."""
    return [Block(language(tag), source) for tag, source in _FENCE.findall(text)]


def language(tag: str) -> str:
    """The usual name of a language: `py` is `python`."""
    name = tag.strip().lower().partition(" ")[0]
    return _OTHER_NAMES.get(name, name)


def named(prompt: str) -> frozenset[str]:
    """The languages that the beginning of a prompt names by a word that means nothing else."""
    return (LANGUAGES - _ALSO_WORDS).intersection(re.findall(r"[\w#+]+", prompt[:_ASKED_CHARACTERS].lower()))


def looks_like_code(source: str) -> bool:
    """Whether at least one line reads like a program's."""
    return any(_CODE_LINE.match(line) for line in source.splitlines())


def is_program(text: str) -> bool:
    """Whether a text is code, or has it in a fence: not prose with a line that could begin one."""
    if any(looks_like_code(block.source) for block in blocks(text)):
        return True
    lines = [line for line in text.splitlines() if line.strip()]
    program = [line for line in lines if _SIGN.search(line) and (_CODE_LINE.match(line) or _END.search(line))]
    return 2 * len(program) >= len(lines) > 0


def is_sound(text: str) -> bool:
    """Return whether a text is a program that defines or calls something and, where it is Python, parses."""
    pieces = blocks(text) or [Block("", text)]
    broken = any(parses(block.source) is False for block in pieces if is_python(block))
    return is_program(text) and bool(_DEFINES.search(text)) and not broken


def is_python(block: Block) -> bool:
    """Whether a block says it is Python, or says nothing and looks like it."""
    return block.language == "python" or (not block.language and bool(_PYTHON_LINE.search(block.source)))


def parses(source: str) -> bool | None:
    """Whether Python parses it; None where it is too long or too nested to try."""
    if len(source) > _PARSED_CHARACTERS or _nesting(source) > _NESTED_MAX:
        return None
    try:
        # An unfinished escape is no reason to call a program broken.
        ast.parse(_ESCAPE.sub("__", source), _FILE_NAME)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _nesting(source: str) -> int:
    deepest = depth = 0
    for sign in source:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    return deepest
