"""What of an entry answers: its text, or the files that the text leaves it to.

A count of words cannot tell work from filler, so beside a text that answers a file adds nothing. A file is
measured in place of the text where there is none, where the text only points at files, and where the file
has the form that was asked for, which the text lacks, and shares a word of meaning with task or text. Names,
types and sizes of files count for nothing.
"""

import re
from collections.abc import Callable, Iterator, Sequence, Set

from models.packs import Pack
from workers.judge import code, measures, texts
from workers.judge.asked import Ask
from workers.judge.talk import without_judge_talk

READ_CHARACTERS = 20_000  # of a text: five of them are judged in a tenth of a second
POINTING_CHARACTERS = 400  # of a text at most that says nothing but where the answer is
_FILE_NAME = r"\b[\w-]{1,80}\.[a-z][a-z0-9]{0,4}\b"
_FILES = rf"(?:files?|documents?|docs?|pdfs?|uploads?|{_FILE_NAME})"
_POINTER = re.compile(
    r"\b(?:attach\w{0,8}|enclosed|uploaded)\b"
    rf"|\b(?:see|read|open|find|check|view|look|in|inside|is|are)\b.{{0,40}}?\b{_FILES}"
)
_NAMES = re.compile(_FILE_NAME)
# What a text that only points is worded with, beside the words of its task: what is delivered, how, and
# courtesy. Any other word is an answer of its own.
_POINTING = frozenset(
    texts.stem(word)
    for word in """analysis answer archive article brief code content copy csv data detail doc document draft
    entry essay everything file folder format html json list markdown material md note output page part pdf
    piece plan poem py python question recipe report response rest result script size solution story stuff
    submission summary table task text thing txt version whole work zip
    added asked attach attached attachment available box check complete contain couldn created deliver didn
    don download enclosed final find finish fit follow full go here include inside instead large latest ll
    long longer look made moved needed open order prepared provided put re read ready refer reply requested
    required review saved see send sent separate separately share short space stored submit submitted took
    upload uploaded ve view want wanted way worked written wrote
    best enjoy feedback glad good happy hello hi hope kind kindly know let like please pleased regards sorry
    sure thank thanks think welcome well""".split()
)


def readings(ask: Ask, pack: Pack, text: str, files: Sequence[str]) -> list[str]:
    """Return the readings of an entry, of which the best one counts.

    Args:
        ask: what was asked for.
        pack: which form its entries have.
        text: of the entry.
        files: what those of its files say that are text, in the author's order.
    """
    own = _cleaned(text, ask)
    contents = {file: _cleaned(file, ask) for file in files}
    filled = [file for file in files if texts.words(contents[file])]
    if filled and (not texts.words(own) or _points(own, ask)):
        return ["\n\n".join(filled), *filled]
    missing = [has_form for has_form in _forms(ask, pack) if not has_form(own)]
    formed = [file for file in filled if any(has_form(contents[file]) for has_form in missing)]
    subjects = ask.subjects | texts.meaning(texts.words(own)).keys()  # of anything else it is no answer
    return [text, *(file for file in formed if _names_any(subjects, contents[file]))]


def _cleaned(text: str, ask: Ask) -> str:
    """Return as much of a text as is read, without what talks to a judge."""
    return without_judge_talk(text.strip()[:READ_CHARACTERS], ask.prompt).strip()


def _points(text: str, ask: Ask) -> bool:
    """Return whether a text says nothing but that the answer is in a file."""
    lower = text.lower()
    further = texts.meaning(texts.words(_NAMES.sub(" ", lower))).keys() - _POINTING
    if not ask.question:  # whose words may be the answer: “The Rhine or the Danube?”
        further -= ask.task
    if further or len(lower) > POINTING_CHARACTERS:
        return False
    expected = set(texts.words(ask.prompt))  # “In a file.” may be the answer to a question
    return any(not expected.issuperset(texts.words(found[0])) for found in _POINTER.finditer(lower))


def _names_any(stems: Set[str], text: str) -> bool:
    """Return whether a text has one of the stems."""
    return not stems.isdisjoint(texts.meaning(texts.words(text)))


def _forms(ask: Ask, pack: Pack) -> Iterator[Callable[[str], bool]]:
    """Give a test for each form that was asked for and that words alone do not make."""
    if pack == "code":
        yield code.is_sound
    if ask.form in measures.STRICT_FORMS:
        yield measures.STRICT_FORMS[ask.form]
