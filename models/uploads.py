"""Uploads: files that somebody brought. Taking them in, who may read them, and removing those unused.

The bytes lie in a store (`files`): they are there before the row that names them, and go after it.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from math import ceil
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from models import access, db, users
from models.errors import NotFound, UploadQuota
from models.files import Store
from models.ids import uuid7
from models.schema import Attachment, Drop, Upload
from models.states import OPENED
from models.texts import blank

UPLOAD_MAX = 5 * 1024 * 1024  # bytes of one file
NAME_MAX = 200  # characters
# What one user may keep beside what hangs on drops that were paid for: else storage would be free.
IDLE_BYTES_MAX = 200 * 1024 * 1024
IDLE_FILES_MAX = 1_000
IDLE_LIFE = timedelta(hours=24)  # how long a file may hang on nothing
TIDY_BATCH = 500  # rows of one transaction
TIDY_BATCHES_MAX = 40  # of one run: it comes again within the hour
QUOTA_RETRY_SECONDS = 60

UNTYPED = "application/octet-stream"
_TOKEN = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,99}"  # noqa: S105  # RFC 6838's names
_CONTENT_TYPE = re.compile(f"{_TOKEN}/{_TOKEN}")


@dataclass(frozen=True)
class Parcel:
    """A file as it came: named and measured, and not yet anybody's."""

    key: UUID
    name: str
    size: int
    content_type: str
    sha256: bytes

    @classmethod
    def of(cls, filename: str, content_type: str, content: bytes) -> "Parcel":
        """Of what a client says about a file, and its bytes."""
        digest = hashlib.sha256(content).digest()
        return cls(uuid7(), _name(filename), len(content), _content_type(content_type), digest)


def record(session: Session, user_id: UUID, parcel: Parcel) -> Upload:
    """Make a file, whose bytes are in the store already, this user's.

    Raises:
        UploadQuota: they keep too much that hangs on nothing.
    """
    users.lock(session, user_id)  # two files may come at once, and only one may fit
    kept = select(func.count(), func.coalesce(func.sum(Upload.size), 0), func.min(Upload.created_at))
    count, size, oldest = session.execute(kept.where(Upload.user_id == user_id, ~_paid_for())).one()
    if count >= IDLE_FILES_MAX or size + parcel.size > IDLE_BYTES_MAX:
        seconds = ceil((oldest + IDLE_LIFE - db.now(session)).total_seconds())
        raise UploadQuota(retry_after=max(seconds, QUOTA_RETRY_SECONDS))
    row = Upload(
        id=parcel.key,
        user_id=user_id,
        name=parcel.name,
        size=parcel.size,
        content_type=parcel.content_type,
        sha256=parcel.sha256,
    )
    session.add(row)
    session.flush()
    return row


def find(session: Session, user_id: UUID, key: UUID) -> Upload:
    """An upload that this user may read: their own, or one that hangs on what they may see.

    Raises:
        NotFound: missing, or hidden from them.
    """
    row = session.get(Upload, key)
    if row is None or (row.user_id != user_id and not session.scalar(select(_shown(user_id, key)))):
        raise NotFound
    return row


def tidy(store: Store) -> tuple[int, int]:
    """Remove what nobody needs: files that hang on nothing, and bytes that no row names.

    A row goes before its bytes: what is left by a crash in between is found as bytes without a row.

    Returns:
        How many rows and how many sets of bytes.
    """
    rows = 0
    for _ in range(TIDY_BATCHES_MAX):
        keys = db.retried(forget_idle)
        for key in keys:
            store.delete(key)
        rows += len(keys)
        if not keys:
            break
    return rows, _remove_strays(store)


def forget_idle(session: Session) -> list[UUID]:
    """Delete the rows of a batch of files that have hung on nothing for too long; their keys."""
    old = Upload.created_at < func.clock_timestamp() - IDLE_LIFE
    found = select(Upload.id).where(old, ~_hangs()).order_by(Upload.created_at).limit(TIDY_BATCH)
    # Who is just hanging one somewhere holds it, and it is passed over.
    locked = session.scalars(found.with_for_update(skip_locked=True)).all()
    # Looked at once more under the lock: one may have been hung somewhere since the first look.
    removed = delete(Upload).where(Upload.id.in_(locked), ~_hangs()).returning(Upload.id)
    return list(session.scalars(removed))


def _remove_strays(store: Store) -> int:
    removed = 0
    old = db.retried(db.now) - IDLE_LIFE
    keys = store.keys_before(old)
    while batch := list(islice(keys, TIDY_BATCH)):
        known = db.retried(partial(_known, batch))
        strays = [key for key in batch if key not in known]
        for key in strays:
            store.delete(key)
        removed += len(strays)
    return removed


def _known(keys: list[UUID], session: Session) -> set[UUID]:
    return set(session.scalars(select(Upload.id).where(Upload.id.in_(keys))))


def _hangs() -> ColumnElement[bool]:
    return exists().where(Attachment.upload_id == Upload.id)


def _paid_for() -> ColumnElement[bool]:
    """It hangs on a drop that somebody paid for, or on an entry of one."""
    return exists().where(
        Attachment.upload_id == Upload.id, Attachment.job_id == Drop.id, Drop.opened_at.is_not(None)
    )


def _shown(user_id: UUID, key: UUID) -> ColumnElement[bool]:
    """Whether it hangs on something of which this user may see the files.

    The files of a drop are for all who may see the drop. Those of entries are sealed until it is
    decided; then the sender sees all of them, and who competes the winner's.
    """
    sender = Drop.sender_id == user_id
    unsealed = and_(
        Drop.status.in_(OPENED), or_(sender, Attachment.submission_id == Drop.winning_submission_id)
    )
    return exists().where(
        Attachment.upload_id == key,
        Attachment.job_id == Drop.id,
        or_(sender, access.competing(Drop.id, user_id)),
        or_(Attachment.submission_id.is_(None), unsealed),
    )


def _name(filename: str) -> str:
    """The last part of a path, without what would hide, reorder or break a line."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(_visible(last)).strip()[:NAME_MAX].strip()
    return "file" if blank(name.strip(".")) else name


def _visible(text: str) -> Iterator[str]:
    """Yield what can be seen of a text, with its spaces and marks."""
    for sign in text:
        kind = unicodedata.category(sign)
        if kind != "Cs" and (kind in ("Zs", "Mn", "Mc", "Me") or not blank(sign)):
            yield sign


def _content_type(text: str) -> str:
    kind = text.partition(";")[0].strip().lower()
    return kind if _CONTENT_TYPE.fullmatch(kind) else UNTYPED
