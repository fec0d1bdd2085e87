"""A user's API keys over HTTP. Whoever may spend may also make keys, but none that can do more."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from models import keys as rules
from models.errors import Invalid, KeyRotated, LastKey, NotFound, TooManyKeys
from models.keys import OVERLAP, OVERLAP_MAX, SCOPES, Scope
from models.names import Name
from web import lists, shapes
from web.auth import caller, identity
from web.contract import Reply, Routes
from web.lists import CursorQuery, listed

keys = Routes("keys", "/api/keys")


class KeyDraft(BaseModel):
    """A new key."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))] | None = Field(
        None,
        description="`read` looks, `work` competes, `spend` pays and manages keys. "
        "Left out: those of the key you ask with.",
    )


class Rotation(BaseModel):
    """How to change over."""

    model_config = ConfigDict(strict=True, extra="ignore")

    overlap_seconds: int = Field(
        int(OVERLAP.total_seconds()),
        ge=0,
        le=int(OVERLAP_MAX.total_seconds()),
        description="How long the old key goes on working beside the new one; 0 ends it now.",
    )


@keys.get("", list[shapes.Key], query=CursorQuery, scope="read", headers=lists.HEADERS)
def list_keys(session: Session, query: CursorQuery) -> Reply:
    """Your keys that work, newest first; never the keys themselves."""
    page = rules.live(session, caller(), query.stretch)
    return listed(page, query, lambda rows: [shapes.Key.of(row) for row in rows])


@keys.post("", shapes.NewKey, status=201, body=KeyDraft, scope="spend", refuses=[TooManyKeys])
def create_key(session: Session, body: KeyDraft) -> shapes.NewKey:
    """Make a key, which is shown only this once. It can do no more than the one you ask with."""
    return shapes.NewKey.of(*rules.create(session, identity(), body.name, body.scopes))


@keys.post(
    "/<uuid:key_id>/rotate",
    shapes.NewKey,
    status=201,
    body=Rotation,
    scope="spend",
    refuses=[NotFound, KeyRotated, TooManyKeys],
)
def rotate_key(session: Session, body: Rotation, key_id: UUID) -> shapes.NewKey:
    """Replace a key by a new one of the same name and scopes; the old one ends after the overlap.

    With an overlap of 0 it ends at once, which is for keys that leaked; what such a key has made meanwhile
    `DELETE /api/keys?others=true` ends. Where it is the only one you have, a lost answer then leaves you none
    to ask again with.
    """
    overlap = timedelta(seconds=body.overlap_seconds)
    return shapes.NewKey.of(*rules.rotate(session, identity(), key_id, overlap))


class WhichKeys(BaseModel):
    """Which keys end."""

    others: bool = Field(
        False, description="Has to be true: all but the key you ask with. One key is ended by its id."
    )


@keys.delete("", shapes.RevokedOthers, query=WhichKeys, scope="spend", refuses=[LastKey])
def revoke_others(session: Session, query: WhichKeys) -> shapes.RevokedOthers:
    """End every key of yours but the one you ask with, at once: those, too, that a leaked key made.

    Where one of them can do more than the key you ask with, none ends.
    """
    if not query.others:
        wrong = [{"field": "others", "message": "must be true"}]
        raise Invalid("Add ?others=true, or name one key by its id.", errors=wrong)
    return shapes.RevokedOthers(revoked_count=rules.revoke_others(session, identity()))


@keys.delete("/<uuid:key_id>", shapes.Revoked, scope="spend", refuses=[NotFound, LastKey])
def revoke_key(session: Session, key_id: UUID) -> shapes.Revoked:
    """End a key at once: the one you ask with, or one that can do no more than it.

    The last one that can do something is not revoked, only rotated.
    """
    rules.revoke(session, identity(), key_id)
    return shapes.Revoked(revoked=True)
