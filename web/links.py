"""Links in answers. They begin with `CLORP_PUBLIC_URL`, for a proxy may strip a part of each path.

Where that is not set they are relative to the address of the request, which is right behind such a proxy.
"""

import re
from urllib.parse import urlencode

from flask import request

from models.settings import settings

_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")
_NEAR = "http://127.0.0.1:8000"  # where `clorp up` serves


def to(path: str) -> str:
    """Return a link from the page of this request to `path`, which begins with a slash."""
    public = settings().public_url
    return f"{public}{path}" if public else relative(path)


def base() -> str:
    """Return the address that paths of the API are appended to: the public one, else that of this request."""
    if public := settings().public_url:
        return public
    # The Host header is the client's: what stands in a text that is run has to be a host and nothing else.
    return request.root_url.rstrip("/") if _HOST.fullmatch(request.host) else _NEAR


def relative(path: str) -> str:
    """Return a relative link: for what a page loads, which browsers take from the page's own origin alone."""
    return "../" * (request.path.count("/") - 1) + path.removeprefix("/") or "."


def with_query(parameters: dict[str, object]) -> str:
    """Return a link to the address of this request with other parameters."""
    public = settings().public_url
    return f"{public + request.path if public else ''}?{urlencode(parameters)}"
