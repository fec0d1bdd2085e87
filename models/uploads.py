"""Uploads: files that somebody brought. Taking them in, who may read them, and removing them in time.

The bytes lie in a store (`files`): they are there before the row that names them, and go after it. A file
that hangs on nothing is removed with its row. One whose drops all ended without a payout loses its bytes
only: the row tells what it was.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from math import ceil
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from models import access, db, users
from models.errors import FileRemoved, NotFound, UploadQuota
from models.files import Store
from models.ids import uuid7
from models.lifecycle import PENDING_LIFE
from models.schema import Attachment, Drop, Upload
from models.settings import settings
from models.states import FUNDED, OPENED, Status
from models.texts import blank

UPLOAD_MAX = 5 * 1024 * 1024  # bytes of one file
NAME_MAX = 200  # characters
# What one user may keep beside what hangs on drops whose bounty is in escrow or was paid out: else storage
# would be free.
IDLE_BYTES_MAX = 200 * 1024 * 1024
IDLE_FILES_MAX = 1_000
IDLE_LIFE = timedelta(hours=24)  # how long a file may hang on nothing
TIDY_BATCH = 500  # rows of one transaction
TIDY_BATCHES_MAX = 40  # of one run, of each kind
TIDY_EVERY = timedelta(hours=1)  # between two runs: see celeryconfig
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
        UploadQuota: the user keeps too much that no bounty pays for.
    """
    users.lock(session, user_id)  # two files may come at once, and only one may fit
    counted = select(func.count(), func.coalesce(func.sum(Upload.size), 0), func.min(_goes_at()))
    counted = counted.where(Upload.user_id == user_id, Upload.removed_at.is_(None), ~_paid_for())
    count, size, first = session.execute(counted).one()
    if count >= IDLE_FILES_MAX or size + parcel.size > IDLE_BYTES_MAX:
        raise _over_quota(first - db.now(session))
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


def _over_quota(left: timedelta) -> UploadQuota:
    """Return the refusal of a further file; `left`: until the first of those that count may be removed."""
    seconds = ceil((left + TIDY_EVERY).total_seconds())
    return UploadQuota(
        "You keep as many files beside those of paid drops as allowed: "
        f"{IDLE_FILES_MAX}, or {IDLE_BYTES_MAX // 1024**2} MiB. A file that hangs on nothing is removed a "
        f"day after it came, one of a drop that ended without a payout {settings().unpaid_files_days} days "
        "after that end: upload more after `retry_after` seconds, when the first of yours is removed.",
        retry_after=max(seconds, QUOTA_RETRY_SECONDS),
    )


def find(session: Session, user_id: UUID, key: UUID) -> Upload:
    """An upload that this user may read: their own, or one that hangs on what they may see.

    Raises:
        NotFound: missing, or hidden from them.
        FileRemoved: its drop ended without a payout, and its bytes are removed.
    """
    row = session.get(Upload, key)
    if row is None or (row.user_id != user_id and not session.scalar(select(_shown(user_id, key)))):
        raise NotFound
    if row.removed_at:
        raise FileRemoved
    return row


def tidy(store: Store) -> tuple[int, int]:
    """Remove files that hang on nothing or on unpaid drops of long ago, and bytes that no row names.

    What the row says changes before its bytes go: what a crash leaves in between is found as bytes that no
    row names.

    Returns:
        How many files, and how many sets of bytes.
    """
    removed = sum(_remove(store, choose) for choose in (forget_idle, give_up_unpaid))
    return removed, _remove_strays(store)


def _remove(store: Store, choose: Callable[[Session], list[UUID]]) -> int:
    """Remove what one kind of choice comes to, in batches; return how many files that were."""
    removed = 0
    for _ in range(TIDY_BATCHES_MAX):
        keys = db.retried(choose)
        for key in keys:
            store.delete(key)
        removed += len(keys)
        if not keys:
            break
    return removed


def forget_idle(session: Session) -> list[UUID]:
    """Delete the rows of a batch of files that have hung on nothing for too long; their keys."""
    old = Upload.created_at < func.clock_timestamp() - IDLE_LIFE
    found = select(Upload.id).where(old, ~_hangs()).order_by(Upload.created_at).limit(TIDY_BATCH)
    # Who is just hanging one somewhere holds it, and it is passed over.
    locked = session.scalars(found.with_for_update(skip_locked=True)).all()
    # Looked at once more under the lock: one may have been hung somewhere since the first look.
    removed = delete(Upload).where(Upload.id.in_(locked), ~_hangs()).returning(Upload.id)
    return list(session.scalars(removed))


def give_up_unpaid(session: Session) -> list[UUID]:
    """Mark a batch of files as removed whose drops all ended without a payout, long ago; their keys."""
    due = and_(Upload.removed_at.is_(None), _hangs(), ~_wanted())
    found = select(Upload.id).where(due).order_by(Upload.id).limit(TIDY_BATCH)
    # As in `forget_idle`: passed over while it is being hung on another drop, and looked at again.
    locked = session.scalars(found.with_for_update(skip_locked=True)).all()
    marked = update(Upload).where(Upload.id.in_(locked), due).values(removed_at=func.clock_timestamp())
    return list(
        session.scalars(marked.returning(Upload.id), execution_options={"synchronize_session": False})
    )


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
    there = and_(Upload.id.in_(keys), Upload.removed_at.is_(None))
    return set(session.scalars(select(Upload.id).where(there)))


def _hangs() -> ColumnElement[bool]:
    return exists().where(Attachment.upload_id == Upload.id)


def _paid_for() -> ColumnElement[bool]:
    """It hangs on a drop, or an entry of one, whose bounty is in escrow or was paid out, not refunded."""
    return _on_a_drop(Drop.status.in_((*FUNDED, Status.VERIFIED)))


def _wanted() -> ColumnElement[bool]:
    """It hangs on a drop that was paid out, goes on, or has not ended for long."""
    recent = Drop.ended_at > func.clock_timestamp() - _unpaid_life()
    return _on_a_drop(or_(Drop.status == Status.VERIFIED, Drop.ended_at.is_(None), recent))


def _on_a_drop(drops: ColumnElement[bool]) -> ColumnElement[bool]:
    """It hangs on one of these drops, or on an entry of one."""
    return exists().where(Attachment.upload_id == Upload.id, Attachment.job_id == Drop.id, drops)


def _goes_at() -> ColumnElement[datetime]:
    """When a file that is not paid for may be removed; a drop that waits for payment may end unpaid."""
    end = func.coalesce(Drop.ended_at, Drop.created_at + PENDING_LIFE)
    last = select(func.max(end)).where(Attachment.upload_id == Upload.id, Attachment.job_id == Drop.id)
    return func.coalesce(last.scalar_subquery() + _unpaid_life(), Upload.created_at + IDLE_LIFE)


def _unpaid_life() -> timedelta:
    return timedelta(days=settings().unpaid_files_days)


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
