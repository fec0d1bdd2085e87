"""Refusals of what is no request at all, in the form of all others: the application never sees these.

Never what the client wrote, neither in the answer nor in the log: it may be half of a key.
"""

import json
import logging
from http import HTTPStatus

from gunicorn.http import errors
from gunicorn.util import http_date

from models.ids import uuid7

logger = logging.getLogger(__name__)

# Codes are contract, and Python's phrases change with its versions.
REFUSALS = {
    400: ("bad_request", "This is not well-formed HTTP."),
    403: ("forbidden", "This is not allowed from here."),
    408: ("request_timeout", "The request took too long to arrive; send it again, whole."),
    414: ("uri_too_long", "The address is too long."),
    417: ("expectation_failed", "The only expectation that is met is 100-continue."),
    431: ("request_header_fields_too_large", "The header fields are too large; send fewer or shorter ones."),
    500: ("internal_error", "Something went wrong on our side."),
    501: ("not_implemented", "This transfer coding is not known here; send the body as it is, or chunked."),
    503: ("unavailable", "The server is too busy, or about to stop, to take the whole of it; try again."),
}
RETRY_SECONDS = 5  # of a 503
_STATUS = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
    errors.ConfigurationProblem: 500,
    errors.InvalidResponseHeader: 500,  # ours, not the client's
    errors.InvalidResponseHeaderName: 500,
}


def status_of(error: Exception) -> int:
    """The number for what gunicorn has found."""
    if not isinstance(error, errors.ParseException):
        return 500
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 400)


def answer(status: int) -> bytes:
    """A whole refusal, after which the connection closes. It is noted like every other answer."""
    from web import errors as ours  # not before it is needed: the process that forks serves nobody
    from web import headers, journal

    code, sentence = REFUSALS[status]
    request_id = str(uuid7())
    details = {"retry_after": RETRY_SECONDS} if status == 503 else {}
    body = json.dumps(ours.document(status, code, sentence, request_id, **details)).encode() + b"\n"
    fields = {
        "Server": "clorp",
        "Date": http_date(),
        "Connection": "close",
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        journal.HEADER: request_id,
        **headers.ALWAYS,
        **headers.DEFAULTS,
        **({"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}),
    }
    journal.note_unrouted(status, request_id)
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n").encode() + body
