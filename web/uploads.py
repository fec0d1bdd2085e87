"""Uploads over HTTP: a form in, a file out. The bytes are written and read outside of any transaction."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from flask import Response, g
from sqlalchemy.orm import Session

from models import db, files
from models import uploads as rules
from models.errors import ClorpError, FileLost, FileRemoved, NotFound, OutcomeUnknown, UploadQuota
from models.uploads import UPLOAD_MAX, Parcel
from web import forms, shapes
from web.auth import caller
from web.contract import Routes

uploads = Routes("uploads", "/api/uploads")

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
    sent = forms.the_file()
    parcel = Parcel.of(sent.name, sent.content_type, sent.content)
    # A retry has another boundary, so this is what makes it the same request.
    g.content = f"{parcel.name}\0{parcel.content_type}\0{parcel.sha256.hex()}".encode()
    store, arrival = files.chosen(), Arrival(parcel)
    store.put(parcel.key, sent.content)
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
    shapes.StoredFile,
    status=201,
    scope=("work", "spend"),
    multipart=_FORM,
    prepare=_received,
    refuses=[UploadQuota],
)
def upload(session: Session, prepared: Arrival) -> shapes.StoredFile:
    """Bring a file, to hang it on a drop or an entry by its key. Unused, it is removed after a day.

    Where its drop ends without a payout, its bytes are removed some days later (seven, unless the operator
    says otherwise); its name, size and hash stay.
    """
    row = rules.record(session, caller(), prepared.parcel)
    prepared.kept = True
    return shapes.StoredFile.of(row)


@uploads.get(
    "/<uuid:key>",
    scope=("read", "work"),
    cached=True,
    media_type="application/octet-stream",
    headers=_SENT,
    refuses=[NotFound, FileRemoved, FileLost],
)
def download(key: UUID) -> Response:
    """A file, for who brought it and for those who may see the files of what it hangs on.

    Its bytes, whatever they are; the answer has the media type that the file was uploaded with.
    """
    row = db.retried(lambda session: rules.find(session, caller(), key))
    response = Response(files.chosen().read(key), content_type=row.content_type)
    response.headers["Content-Disposition"] = _disposition(row.name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-cache"  # who may see it can change
    response.set_etag(row.sha256.hex())
    return response


def _disposition(name: str) -> str:
    """Save it, under this name: RFC 6266, with a plain name for who knows no other."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'["\\%]', "_", plain).strip() or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
