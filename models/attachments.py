"""Files that hang on drops and entries: naming them, hanging them there, and which hang where.

Where a file's bytes are stands in `files`, who may read them in `uploads`.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import ColumnElement, bindparam, delete, select
from sqlalchemy.orm import Session

from models import ids
from models.errors import Invalid, UnknownFile
from models.schema import Attachment, Drop, Submission, Upload
from models.texts import Storable

FILES_MAX = 5  # on one drop, on one entry
BYTES_MAX = 10 * 1024 * 1024  # of all files of one drop, of one entry


class Named(BaseModel):
    """A file as an upload answered with it. Only the key counts: the stored size and name are used."""

    model_config = ConfigDict(strict=True, extra="ignore")

    key: Storable = Field(examples=["019dbf3e-6f00-7c3a-9d51-0242ac120002"])
    # Described, for clients send them; their values are never looked at.
    name: Annotated[Any, WithJsonSchema({"type": "string", "examples": ["out.md"]})] = Field(
        default_factory=str, description="Not looked at."
    )
    size: Annotated[Any, WithJsonSchema({"type": "integer", "examples": [1204]})] = Field(
        default_factory=int, description="Not looked at."
    )


# The plain key is accepted and described in words alone: a union is a type of its own in generated clients.
Names = Annotated[
    list[SkipJsonSchema[Storable] | Named],
    Field(
        max_length=FILES_MAX,
        description="Your own uploads, as they were answered, each once; 10 MiB in all. A key in place of an "
        "object is accepted, too.",
        examples=[[{"key": "019dbf3e-6f00-7c3a-9d51-0242ac120002", "name": "out.md", "size": 1204}]],
    ),
]


def named(session: Session, user_id: UUID, names: Sequence[str | Named], field: str) -> list[Upload]:
    """The user's uploads of these names, in their order.

    Args:
        session: of the transaction.
        user_id: whose uploads they have to be.
        names: of files.
        field: what the request calls them.

    Raises:
        UnknownFile: one is not an upload of this user, or was removed.
        Invalid: one is named twice, or all together are too large.
    """
    if not names:
        return []
    keys = [ids.parse(name.key if isinstance(name, Named) else name) for name in names]
    found = {row.id: row for row in session.scalars(select(Upload).where(_owned(user_id, keys)))}
    files = [found[key] for key in keys if key in found]
    if len(files) < len(keys):
        raise UnknownFile
    if any(file.removed_at for file in files):
        raise UnknownFile("A file key names an upload that was removed: upload the file again.")
    if len(found) < len(keys):
        _refuse(field, "must not name a file twice")
    if sum(file.size for file in files) > BYTES_MAX:
        _refuse(field, f"must be at most {BYTES_MAX} bytes in all")
    return files


def attach(session: Session, files: Sequence[Upload], drop: Drop, entry: Submission | None = None) -> None:
    """Hang files on a drop, or on an entry of it in place of those that hang there.

    Raises:
        UnknownFile: one has been removed in this moment, for nothing needed it for too long.
    """
    if entry:
        session.execute(delete(Attachment).where(Attachment.submission_id == entry.id))
    if not files:
        return
    # Held against the sweep until this commits; any number may hold it at once.
    there = Upload.id.in_([file.id for file in files]) & Upload.removed_at.is_(None)
    held = select(Upload.id).where(there).order_by(Upload.id)
    if len(session.scalars(held.with_for_update(read=True, key_share=True)).all()) < len(files):
        raise UnknownFile
    for position, file in enumerate(files):
        place = {"job_id": drop.id, "submission_id": entry and entry.id, "position": position}
        session.add(Attachment(upload_id=file.id, user_id=file.user_id, **place))
    session.flush()


def of_drop(session: Session, job_id: UUID) -> list[Upload]:
    """The files of a drop, in its sender's order."""
    return _files(session, Attachment.job_id == job_id, Attachment.submission_id.is_(None))


def of_entry(session: Session, submission_id: UUID) -> list[Upload]:
    """The files of an entry, in its author's order."""
    return _files(session, Attachment.submission_id == submission_id)


_OF_JOB = (
    select(Attachment, Upload)
    .join(Upload, Attachment.upload_id == Upload.id)
    .where(Attachment.job_id == bindparam("job"))
    .order_by(Attachment.position)
)


def of_entries(session: Session, job_id: UUID) -> dict[UUID, list[Upload]]:
    """The files of every entry of a drop, by the entry."""
    found: dict[UUID, list[Upload]] = defaultdict(list)
    for place, file in session.execute(_OF_JOB, {"job": job_id}):
        if place.submission_id:
            found[place.submission_id].append(file)
    return found


def _files(session: Session, *where: ColumnElement[bool]) -> list[Upload]:
    query = select(Upload).join(Attachment, Attachment.upload_id == Upload.id).where(*where)
    return list(session.scalars(query.order_by(Attachment.position)))


def _owned(user_id: UUID, keys: Sequence[UUID | None]) -> ColumnElement[bool]:
    return (Upload.user_id == user_id) & Upload.id.in_([key for key in keys if key])


def _refuse(field: str, message: str) -> None:
    raise Invalid(f"The request is not valid: check {field}.", errors=[{"field": field, "message": message}])
