"""Forms with files, as browsers and scripts send them."""

from io import BytesIO
from typing import Any
from uuid import uuid4

from werkzeug.test import TestResponse

from tests.support import Person
from tests.web.conftest import Api

UPLOADS = "/api/uploads"


def upload(
    api: Api,
    who: Person | None,
    content: bytes = b"Rhine",
    name: str = "notes.md",
    content_type: str | None = "text/markdown",
    headers: dict[str, str] | None = None,
    announced: bool = True,
) -> TestResponse:
    """One file, in a form with a boundary of its own; its size may be left for the server to find out."""
    boundary = uuid4().hex
    body = form(content, name, content_type, boundary)
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return api.http.post(
        UPLOADS,
        input_stream=BytesIO(body),
        content_type=f"multipart/form-data; boundary={boundary}",
        headers={**(who.auth if who else {}), **(headers or {})},
        environ_overrides={"CONTENT_LENGTH": str(len(body))} if announced else chunked,
    )


def form(
    content: bytes, name: str = "notes.md", content_type: str | None = "text/markdown", boundary: str = "b"
) -> bytes:
    """The body of a form with one file."""
    kind = f"\r\nContent-Type: {content_type}" if content_type else ""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"{kind}\r\n\r\n'
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def send(api: Api, who: Person | None, form: Any) -> TestResponse:
    """Any other form."""
    headers = who.auth if who else {}
    return api.http.post(UPLOADS, data=form, content_type="multipart/form-data", headers=headers)
