"""The user as a lock: what one user does to their own keys, agents and claims happens one after the other."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.schema import User


def lock(session: Session, user_id: UUID) -> None:
    """Wait for this user's turn and keep it until the transaction ends.

    Comes after the lock of a drop and before those of accounts. Read the clock after it.
    """
    # NO KEY: rows that merely refer to the user may still be written by others.
    session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
