"""Uploads over HTTP: a form in, a file out. The bytes are written and read outside of any transaction."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import quote
from uuid import UUID

from flask import Response, g, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from models import db, files
from models import uploads as rules
from models.errors import ClorpError, FileLost, Invalid, NotFound, OutcomeUnknown, UploadQuota
from models.uploads import UPLOAD_MAX, Parcel
from web import shapes
from web.auth import caller
from web.contract import Routes

uploads = Routes("uploads", "/api/uploads")

PARTS_MAX = 100  # of a form; one is wanted, and some clients send fields of their own
FORM_ROOM = 64 * 1024  # bytes for everything in a form but the file
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "minLength": 1,
            "description": f"One file with its name and type, at most {UPLOAD_MAX // 1024**2} MiB.",
        }
    },
}
_ESCAPES = re.compile(r'\\["\\]?')
_SENT = {
    "Content-Disposition": "`attachment`, with the file's name.",
    "Content-Security-Policy": "Whatever it is, it runs nothing here.",
}


@dataclass
class Arrival:
    """A file whose bytes lie in the store; `kept` once a row names it."""

    parcel: Parcel
    kept: bool = False


@contextmanager
def _received(_body: None) -> Iterator[Arrival]:
    """The file of this request's form, in the store; out of it again if it is refused or sent anew."""
    parcel, content = _parcel()
    # A retry has another boundary, so this is what makes it the same request.
    g.content = f"{parcel.name}\0{parcel.content_type}\0{parcel.sha256.hex()}".encode()
    store, arrival = files.chosen(), Arrival(parcel)
    store.put(parcel.key, content)
    try:
        yield arrival
    except OutcomeUnknown:
        raise  # a row may name it
    except ClorpError:
        store.delete(parcel.key)
        raise
    # Any other error may have come after the commit. What has no row is removed within a day.
    if not arrival.kept:
        store.delete(parcel.key)


@uploads.post(
    "",
    shapes.File,
    status=201,
    scope=("work", "spend"),
    multipart=_FORM,
    prepare=_received,
    refuses=[UploadQuota],
)
def upload(session: Session, prepared: Arrival) -> shapes.File:
    """Bring a file, to hang it on a drop or an entry by its key. Unused, it is removed after a day."""
    row = rules.record(session, caller(), prepared.parcel)
    prepared.kept = True
    return shapes.File.of(row)


@uploads.get(
    "/<uuid:key>",
    scope=("read", "work"),
    cached=True,
    media_type="*/*",
    headers=_SENT,
    refuses=[NotFound, FileLost],
)
def download(key: UUID) -> Response:
    """A file, for who brought it and for those who may see the files of what it hangs on."""
    row = db.retried(lambda session: rules.find(session, caller(), key))
    response = Response(files.chosen().read(key), content_type=row.content_type)
    response.headers["Content-Disposition"] = _disposition(row.name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-cache"  # who may see it can change
    response.set_etag(row.sha256.hex())
    return response


def _parcel() -> tuple[Parcel, bytes]:
    """The file of the form, measured, and its bytes.

    Raises:
        UnsupportedMediaType: the body is no form.
        RequestEntityTooLarge: the file, or what is around it, is too large.
        Invalid: there is not exactly one file, or it is empty.
    """
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send the file as the part `file` of multipart/form-data.")
    part = _the_file(_parts())
    content = part.stream.read(UPLOAD_MAX + 1)
    if len(content) > UPLOAD_MAX:
        raise RequestEntityTooLarge(f"A file may have at most {UPLOAD_MAX} bytes.")
    if not content:
        raise _invalid("is empty")
    return Parcel.of(_filename(part), part.content_type or "", content), content


def _parts() -> list[tuple[str, FileStorage]]:
    """The files of the form, in memory: they are small, and a temporary file would outlive a refusal."""
    request.max_content_length = UPLOAD_MAX + FORM_ROOM  # of this request alone
    parser = FormDataParser(
        stream_factory=lambda *_, **__: BytesIO(),
        max_form_memory_size=FORM_ROOM,
        max_form_parts=PARTS_MAX,
        silent=False,
    )
    try:
        _, _, found = parser.parse(
            request.stream, request.mimetype, request.content_length, request.mimetype_params
        )
    except ValueError:
        raise _invalid("cannot be read: the form is broken") from None
    return list(found.items(multi=True))


def _the_file(parts: list[tuple[str, FileStorage]]) -> FileStorage:
    if len(parts) > 1:
        raise _invalid("must be one file; send each in a request of its own")
    if not parts or parts[0][0] != "file":
        raise _invalid("is missing: the file has to be a part of this name, with a filename")
    return parts[0][1]


def _filename(part: FileStorage) -> str:
    """The file's name as it was sent: of a Windows path with its backslashes, which browsers do not double.

    A backslash before a quote or another backslash escapes it, any other one is meant as it stands.
    """
    told = _ESCAPES.sub(lambda found: found[0].ljust(2, "\\"), part.headers["Content-Disposition"])
    return parse_options_header(told)[1].get("filename", "")


def _invalid(message: str) -> Invalid:
    return Invalid("The form is not valid: check file.", errors=[{"field": "file", "message": message}])


def _disposition(name: str) -> str:
    """Save it, under this name: RFC 6266, with a plain name for who knows no other."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'["\\%]', "_", plain).strip() or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
