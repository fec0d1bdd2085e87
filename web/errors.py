"""Refusals as HTTP: one JSON body for both kinds of client, and the number of each family."""

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, jsonify
from gunicorn.http import errors as gunicorn_errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from models import db, errors
from models.spells import Spells
from web.inputs import BODY_MAX

logger = logging.getLogger(__name__)

STATUS: dict[type[errors.ClorpError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.InsufficientBalance: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.IdempotencyReused: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}
# What gunicorn finds only while a body is read: chunks that are none, an end that does not come.
_MALFORMED = [
    kind for kind in vars(gunicorn_errors).values() if isinstance(kind, type) and issubclass(kind, Exception)
]
RETRY_SECONDS = 2  # when PostgreSQL is away

_spells = Spells()


def install(app: Flask) -> None:
    """Answer every error of this application in the contract's form."""
    app.register_error_handler(errors.ClorpError, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _away)
    app.register_error_handler(Exception, _broken)
    app.register_error_handler(ClientDisconnected, _cut_off)
    for kind in _MALFORMED:
        app.register_error_handler(kind, _malformed)


def problem(status: int, code: str, sentence: str, **details: Any) -> Response:
    """An answer with the one error body."""
    response = jsonify(document(status, code, sentence, g.get("request_id"), **details))
    response.status_code = status
    response.mimetype = "application/problem+json"
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after" in details:
        response.headers["Retry-After"] = str(details["retry_after"])
    return response


def document(status: int, code: str, sentence: str, request_id: str | None, **details: Any) -> dict[str, Any]:
    """The one error body: `{"error"}` for simple clients, RFC 9457 for the others."""
    return {
        "error": sentence,
        "code": code,
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "request_id": request_id,
        **details,
    }


def status_of(refusal: type[errors.ClorpError]) -> int:
    """The number that HTTP gives a refusal."""
    return next(STATUS[family] for family in refusal.__mro__ if family in STATUS)


def _refused(error: errors.ClorpError) -> Response:
    if isinstance(error, errors.Unavailable) and _spells.begins((error.code, str(error), error.cause)):
        logger.error("refused as %s: %s", error.code, error.cause or error)
    return problem(status_of(type(error)), error.code, str(error), **error.details)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 404:
        return _refused(errors.NotFound())
    phrase = HTTPStatus(status).phrase
    # Codes are contract, and what Python calls 413 has changed with 3.13.
    code = "content_too_large" if status == 413 else phrase.lower().replace(" ", "_")
    sentence = error.description or phrase
    if sentence == RequestEntityTooLarge.description:  # which names no limit
        sentence = f"The body may have at most {BODY_MAX} bytes: send a smaller one."
    response = problem(status, code, sentence)
    if status == 413:
        response.headers["Connection"] = "close"  # the rest of the body may still be on its way
    for name, value in error.get_headers():
        if name in ("Accept-Encoding", "Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _database(error: DBAPIError) -> Response:
    return _away(error) if db.away(error) else _broken(error)


def _away(error: Exception) -> Response:
    if not db.noted(error):
        logger.warning("PostgreSQL did not answer: %s", type(error).__name__)
    return problem(503, "unavailable", "The database is not available; try again.", retry_after=RETRY_SECONDS)


def _malformed(_error: Exception) -> Response:
    return _unreadable("The body is not well-formed HTTP.")


def _cut_off(_error: Exception) -> Response:
    """Refuse a body that ended too early, or whose chunks took more room than any body may."""
    return _unreadable("The body ended before it was whole: send it again, where chunked in chunks of 1 KiB.")


def _unreadable(sentence: str) -> Response:
    response = problem(400, "bad_request", sentence)
    response.headers["Connection"] = "close"  # nobody knows where the next request would begin
    return response


def _broken(error: Exception) -> Response:
    # The text of an exception may quote what a client sent, so only where it happened is logged.
    logger.error("unexpected %s, request %s", type(error).__name__, g.get("request_id"), exc_info=error)
    return problem(500, "internal_error", "Something went wrong on our side.")
