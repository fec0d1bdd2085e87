"""The files of entries as a judge reads them: text, below a line with the file's name.

Judges read nothing themselves. What is no text, or cannot be read, is told by its line alone.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from models import files
from models.errors import FileLost, Unavailable
from models.grades import Brief
from models.panel import PATIENCE
from models.schema import Upload
from models.settlement import Assignment
from models.texts import blank

logger = logging.getLogger(__name__)

READ_MAX = 20_000  # characters of all files of one entry; as much as the local judge reads of its text


def read_into(assignment: Assignment) -> Brief:
    """The brief with the entries' files in it. Slow: never call it inside a transaction.

    Raises:
        Unavailable: the store is away, and may still come back in time.
    """
    if not assignment.files:
        return assignment.brief
    patient = assignment.attempts < PATIENCE  # then a store that is away counts as one that lost the file
    candidates = [
        replace(candidate, text=_with_files(candidate.text, assignment.files[candidate.label], patient))
        if candidate.label in assignment.files
        else candidate
        for candidate in assignment.brief.candidates
    ]
    return replace(assignment.brief, candidates=tuple(candidates))


def _with_files(text: str, attached: Sequence[Upload], patient: bool) -> str:
    parts, left = [] if blank(text) else [text], READ_MAX
    for file in attached:
        content = (_text(file, patient) or "")[:left] if left else ""
        left -= len(content)
        parts.append(f"[{file.name}, {file.content_type}, {file.size} bytes]\n{content}".strip())
    return "\n\n".join(parts)


def _text(file: Upload, patient: bool) -> str | None:
    """What the file says; None where it is no text, or is lost."""
    if not (file.content_type.startswith("text/") or file.content_type == "application/json"):
        return None
    try:
        text = files.chosen().read(file.id).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    except Unavailable as error:
        if patient and not isinstance(error, FileLost):
            raise
        logger.warning("the judge goes without upload %s: %s", file.id, error.code)
        return None
    return None if "\0" in text else text
