"""`Idempotency-Key` over HTTP: a retry gets the first answer, byte for byte."""

import hashlib
from collections.abc import Callable

from flask import Response, g, request
from sqlalchemy.orm import Session

from models import db, replay
from models.errors import Invalid
from models.replay import Kept
from web.auth import caller, identity

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY_MAX = 255  # characters


def once(session: Session, replayable: bool, effect: Callable[[], Response]) -> Response:
    """The answer of `effect`, which runs only if this request has no answer yet.

    Raises:
        Invalid: the key is empty, too long or not printable ASCII.
        IdempotencyInProgress, IdempotencyReused: as `models.replay.recall`.
    """
    key = _key(replayable)
    if key is None:
        return effect()
    if first := _recalled(session, key):
        return first
    response = effect()
    answer = Kept(response.status_code, response.content_type, response.get_data())
    replay.keep(session, caller(), key, _fingerprint(), answer)
    return response


def known(replayable: bool) -> Response | None:
    """The first answer to this request, for a route that does something foreign before its transaction.

    Raises:
        As `once`.
    """
    key = _key(replayable)
    if key is None:
        return None
    return db.retried(lambda session: _recalled(session, key))


def _key(replayable: bool) -> str | None:
    key = request.headers.get(HEADER)
    if key is None or not replayable:
        return None
    if not (1 <= len(key) <= KEY_MAX and key.isascii() and key.isprintable()):
        message = f"must be 1 to {KEY_MAX} printable ASCII characters"
        raise Invalid(f"Check the header {HEADER}.", errors=[{"field": HEADER, "message": message}])
    return key


def _recalled(session: Session, key: str) -> Response | None:
    kept = replay.recall(session, caller(), key, _fingerprint())
    if kept is None:
        return None
    return Response(kept.body, kept.status, {REPLAYED: "true"}, content_type=kept.content_type)


def _fingerprint() -> bytes:
    """What makes two requests the same one: method, address, content, and what their key may do.

    The last, so that a key never gets an answer with a new key that may do more than itself.
    What counts of the content stands in `g.content`: the meaning of JSON (`web.inputs`), the file of a form.
    """
    where = f"{request.method} {request.full_path}\0{sorted(identity().scopes)}\0".encode()
    return hashlib.sha256(where + hashlib.sha256(g.content).digest()).digest()
