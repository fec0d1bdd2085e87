"""A form with one file, as browsers and scripts send it: `multipart/form-data`, read in pieces.

Not with Werkzeug: its reader (3.1) puts a CR behind a file where a piece ends inside the boundary that
follows, and its limit on fields counts the pieces of files, too.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

from flask import request
from multipart import MultipartSegment, ParserLimitReached, PushMultipartParser
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.http import parse_options_header

from models.errors import Invalid
from models.uploads import UPLOAD_MAX

PARTS_MAX = 100  # of a form; one is wanted, and some clients send fields of their own
HEADERS_MAX = 8  # of a part; three are in use
HEADER_MAX = 4 * 1024  # bytes of one of them: a name of 255 signs in any spelling
FORM_ROOM = 64 * 1024  # bytes for everything in a form but the file
TOO_LARGE = (
    f"A file may have at most {UPLOAD_MAX} bytes, and all else in its form {FORM_ROOM}: "
    "send a smaller file, or its parts one by one."
)
# A whole name as aiohttp encodes it, in which Werkzeug has decoded quotes. Of a name with other signs
# browsers encode quotes and these two, and no percent.
_ENCODED = re.compile(r'(?:[\w.~"-]|%[0-9A-Fa-f]{2})+', re.ASCII)
_ENCODED_BREAKS = re.compile(r"%(0D|0A)", re.IGNORECASE)
_PLAIN = re.compile(r';\s*filename=(?:"(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE)
_ESCAPES = re.compile(r'\\["\\]?')


@dataclass(frozen=True)
class Sent:
    """A file of a form, under the field `field`; what a client says about it, and its bytes."""

    field: str
    name: str
    content_type: str
    content: bytes


def the_file() -> Sent:
    """Return the one file of this request's form, which is not empty.

    Raises:
        UnsupportedMediaType: the body is no form.
        RequestEntityTooLarge: the file, or what is around it, is too large.
        Invalid: there is not exactly one file, or it is empty.
    """
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send the file as the part `file` of multipart/form-data.")
    try:
        files = _files()
    except (ParserLimitReached, RequestEntityTooLarge):
        raise RequestEntityTooLarge(TOO_LARGE) from None
    except ValueError:
        raise _invalid("cannot be read: the form is broken") from None
    return _only(files)


def _files() -> list[Sent]:
    """Return the files of the form. They stay in memory: a temporary file would outlive a refusal."""
    request.max_content_length = UPLOAD_MAX + FORM_ROOM  # of this request alone
    parser = PushMultipartParser(
        request.mimetype_params.get("boundary", ""),
        max_header_size=HEADER_MAX,
        max_header_count=HEADERS_MAX,
        max_segment_size=UPLOAD_MAX,
        max_segment_count=PARTS_MAX,
    )
    files, room = [], FORM_ROOM
    for segment, content in _parts(parser):
        if file := _file(segment, content):
            files.append(file)
        elif (room := room - len(content)) < 0:
            raise RequestEntityTooLarge
    return files


def _parts(parser: PushMultipartParser) -> Iterator[tuple[MultipartSegment, bytes]]:
    """Give each part whole: its head, and its content."""
    pieces: list[bytes] = []
    for event in parser.parse_blocking(request.stream.read):
        if isinstance(event, MultipartSegment):
            segment, pieces = event, []
        elif event is None:
            yield segment, b"".join(pieces)
        else:
            pieces.append(event)


def _file(segment: MultipartSegment, content: bytes) -> Sent | None:
    """Return the part as a file; None where it has no filename, and so is a field.

    A filename may be a Windows path with its backslashes, which browsers do not double: one before a quote or
    another backslash escapes it, any other one is meant as it stands.
    """
    head = _ESCAPES.sub(lambda found: found[0].ljust(2, "\\"), segment["Content-Disposition"])
    options = parse_options_header(head)[1]
    if "filename" not in options:
        return None
    content_type = segment.header("Content-Type", "")
    return Sent(options.get("name", ""), _filename(head, options["filename"]), content_type, content)


def _filename(head: str, plain: str) -> str:
    """Return the name of a part's head: `filename*` of RFC 2231 counts before the plain one, in any order."""
    without_plain = parse_options_header(_PLAIN.sub("", head))[1]
    return without_plain["filename"] if "filename" in without_plain else _decoded(plain)


def _decoded(name: str) -> str:
    """Return a filename without its percent-encoding; what is no UTF-8 behind that stays as it came."""
    if _ENCODED.fullmatch(name):
        with suppress(UnicodeDecodeError):
            return unquote(name, errors="strict")
    return _ENCODED_BREAKS.sub(lambda found: chr(int(found[1], 16)), name)


def _only(files: list[Sent]) -> Sent:
    if len(files) > 1:
        raise _invalid("must be one file; send each in a request of its own")
    if not files or files[0].field != "file":
        raise _invalid("is missing: the file has to be a part of this name, with a filename")
    if not files[0].content:
        raise _invalid("is empty")
    return files[0]


def _invalid(message: str) -> Invalid:
    return Invalid("The form is not valid: check file.", errors=[{"field": "file", "message": message}])
