"""The files of entries, read for a judge: what each is, and what it says where it is text.

Judges read nothing themselves. What a file means for an entry is theirs to say.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from models import files
from models.errors import FileLost, Unavailable
from models.grades import Attached, Brief
from models.panel import PATIENCE
from models.schema import Upload
from models.settlement import Assignment
from models.texts import judged
from workers.judge.answering import READ_CHARACTERS
from workers.judge.decoding import START_BYTES, decoded

logger = logging.getLogger(__name__)

READ_MAX = READ_CHARACTERS + 1  # of all files of one entry: a judge sees that there is more than it reads


def read_into(assignment: Assignment) -> Brief:
    """Return the brief with the entries' files in it. Slow: never call it inside a transaction.

    Raises:
        Unavailable: the store is away, and may still come back in time.
    """
    if not assignment.files:
        return assignment.brief
    patient = assignment.attempts < PATIENCE  # then a store that is away counts as one that lost the file
    return assignment.brief.with_files(
        {label: read(uploads, patient) for label, uploads in assignment.files.items()}
    )


def read(uploads: Sequence[Upload], patient: bool = True) -> tuple[Attached, ...]:
    """Return the files of one entry as a judge sees them. Slow: never call it inside a transaction.

    Args:
        uploads: the files, in their author's order.
        patient: whether a store that is away is waited for.

    Raises:
        Unavailable: the store is away, and is waited for.
    """
    found, left = [], READ_MAX
    for upload in uploads:
        file = Attached(upload.name, upload.content_type, upload.size)
        if left and (text := _text(upload, patient)):
            file = replace(file, text=text[:left])
            left -= len(text[:left])
        found.append(file)
    return tuple(found)


def _text(upload: Upload, patient: bool) -> str | None:
    """Return what the beginning of the file says; None where it is no text, or is lost."""
    try:
        content = files.chosen().start(upload.id, START_BYTES)
    except Unavailable as error:
        if patient and not isinstance(error, FileLost):
            raise
        logger.warning("the judge goes without upload %s: %s", upload.id, error.cause or error.code)
        return None
    text = decoded(content, upload.size)
    return None if text is None else judged(text)
