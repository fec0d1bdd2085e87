"""Answering with a stretch of a list: the total and the next page stand in the headers."""

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request


def listed(document: Any, total: int, limit: int, offset: int) -> Response:
    """`document` as JSON, with `X-Total-Count`, and `Link` where there is more."""
    response = jsonify(document)
    response.headers["X-Total-Count"] = str(total)
    if offset + limit < total:
        query = urlencode({**request.args.to_dict(), "limit": limit, "offset": offset + limit})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response
