"""No text makes a pattern of the judges look at it again and again: not one that a user can send."""

import subprocess
import sys

import pytest

from tests.workers.processes import PATIENCE_SECONDS

# Each in a process of its own, which has to end within minutes. A pattern that goes over a text once for each
# of its characters takes hours for these.
LONG = 1_000_000
CALLS = {
    "a class": f"code.is_python(code.Block('', 'class ' + 'x' * {LONG}))",
    "a class of many words": f"code.is_python(code.Block('', 'class ' + 'x ' * {LONG}))",
    "many classes on a line": f"code.is_python(code.Block('', 'class x x x ' * {LONG}))",
    "many classes": f"code.is_python(code.Block('', 'class x\\n' * {LONG}))",
    "a call": f"code.is_python(code.Block('', 'def f(' * {LONG}))",
    "an import": f"code.is_python(code.Block('', 'from a' + '.a' * {LONG}))",
    "a line of code": f"code.looks_like_code('a.' * {LONG})",
    "fences": f"code.blocks('```\\n' * {LONG})",
    "a winner of dashes": f"talk._VERDICTS.search('winner: ' + '-' * {LONG})",
    "a winner of dashes and spaces": f"talk._VERDICTS.search('winner is ' + '- ' * {LONG})",
    "a winner of marks": f"talk._VERDICTS.search('winner is ' + '!' * {LONG})",
    "a score of digits": f"talk._VERDICTS.search('score: ' + '1.' * {LONG} + 'x')",
    "sentences of spaces": f"texts.sentences('a.' + ' ' * {LONG})",
    "a link": f"packs._LINK.findall('http://' + 'a.' * {LONG})",
    "a number of things": f"asked._MANY.findall('1 a' + ' ' * {LONG})",
}


@pytest.mark.parametrize("what", CALLS)
def test_a_long_text_is_gone_over_once(what):
    code = f"from workers.judge import asked, code, packs, talk, texts; {CALLS[what]}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("line", ["winner: " + "-" * 3_990, "class " + "x" * 19_990])
def test_what_is_judged_of_such_an_entry_is_judged_at_once(line):
    code = f"from workers.judge.local import assess; [assess('Hi', 'code', {line!r}) for _ in range(20)]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS)
