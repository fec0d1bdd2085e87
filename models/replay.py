"""Idempotency-Key: the first answer to a request is kept beside its effect, and given again.

Both are in one transaction, so there is never an effect without its answer or an answer without its effect.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, text
from sqlalchemy.orm import Session

from models import db, vault
from models.errors import IdempotencyInProgress, IdempotencyReused
from models.schema import IdempotencyKey

KEEP = timedelta(hours=24)
RETRY_SECONDS = 1  # while the first request runs


@dataclass(frozen=True)
class Kept:
    """An answer as it went over the wire."""

    status: int
    content_type: str
    body: bytes


def recall(session: Session, user_id: UUID, key: str, request_hash: bytes) -> Kept | None:
    """The answer this user's request got the first time; None for a new one, which is now the only one.

    Raises:
        IdempotencyInProgress: the first request still runs.
        IdempotencyReused: the key belongs to another request.
    """
    name = hashlib.sha256(f"{user_id}:{key}".encode()).digest()
    lock = text("SELECT pg_try_advisory_xact_lock(:name)")
    if not session.execute(lock, {"name": int.from_bytes(name[:8], signed=True)}).scalar_one():
        raise IdempotencyInProgress(retry_after=RETRY_SECONDS)
    kept = session.get(IdempotencyKey, (user_id, key))
    if kept is None:
        return None
    if db.now(session) >= kept.created_at + KEEP:
        session.delete(kept)
        session.flush()
        return None
    if kept.request_hash != request_hash:
        raise IdempotencyReused
    return Kept(kept.status, kept.content_type, vault.open_bytes(kept.body))


def keep(session: Session, user_id: UUID, key: str, request_hash: bytes, answer: Kept) -> None:
    """Keep an answer, if this transaction changed anything.

    Raises:
        Unavailable: the server has no key to encrypt it with.
    """
    if db.transaction_id(session) is None:
        return
    session.add(
        IdempotencyKey(
            user_id=user_id,
            key=key,
            request_hash=request_hash,
            status=answer.status,
            content_type=answer.content_type,
            body=vault.seal_bytes(answer.body),
        )
    )


def forget_old(session: Session) -> int:
    """Forget what is older than a day; how many that were."""
    old = IdempotencyKey.created_at < func.clock_timestamp() - KEEP
    return len(session.scalars(delete(IdempotencyKey).where(old).returning(IdempotencyKey.key)).all())
