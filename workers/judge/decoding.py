"""What the bytes of a file say, where they are text. Pure; name and type of the file are not asked for.

Both are its author's choice: `main.rs` may come as XML or as bytes of no kind, and a picture as plain text.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress

import icu

from workers.judge.answering import READ_CHARACTERS

START_BYTES = 4 * (READ_CHARACTERS + 1)  # of a file; no encoding takes more than four for a character
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before the mark of UTF-16 that it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_DOCUMENT = b"%PDF-"  # what it says is not in its bytes, though they may all be letters
_BINARY = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")  # controls of no encoding before Unicode
_STRANGE = icu.UnicodeSet(r"[[:Cc:][:Cn:][:Co:]-[\u0007-\u000D\u001B\u0085]]")
_STRANGE.freeze()
_CONFIDENCE = 10  # of 100; so little does ICU give to a line of Russian, and less to most noise


def decoded(start: bytes, size: int) -> str | None:
    """Return what the beginning of a file says; None where the file is no text.

    UTF-8, with a byte order mark also UTF-16 and UTF-32, or where there are no control characters in it the
    older encoding that ICU takes it for.

    Args:
        start: its first `START_BYTES`, or all of them.
        size: how many it has. The last character of a mere beginning may be incomplete.
    """
    if start.startswith(_DOCUMENT):
        return None
    for encoding in _encodings(start):
        text = _strictly(start, encoding, whole=size <= len(start))
        if text is not None and "\0" not in text and (encoding == "utf-8" or not _STRANGE.containsSome(text)):
            return text.removeprefix("\ufeff")
    return None


def _encodings(start: bytes) -> Iterator[str]:
    """Give the encodings that the bytes may be in, the likeliest first."""
    yield next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), "utf-8")
    if _BINARY.search(start):
        return
    detector = icu.CharsetDetector()
    detector.setText(start)
    with suppress(icu.ICUError):  # of a byte or two it may have no idea
        for match in detector.detectAll():
            if match.getConfidence() >= _CONFIDENCE and not match.getName().startswith("UTF"):
                yield match.getName()


def _strictly(content: bytes, encoding: str, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content, final=whole)
    except (UnicodeDecodeError, LookupError):  # ICU knows encodings that Python does not
        return None
