"""A request on its way: how much of it has come, whether it is all there, and until when it may take.

Only where it ends is read here. What it says, and whether it may say that, is gunicorn's to judge: whatever
looks broken counts as complete, for then there is nothing to wait for.
"""

import re
import time

HEAD_SECONDS = 10.0  # from its first byte: a head is a few packets, even from far away
BODY_SECONDS = 30.0  # from the end of the head: 2 MiB at 600 kbit/s
UPLOAD_SECONDS = 60.0  # the same, for a file: 5 MiB at 800 kbit/s
HEAD_ROOM = 64 * 1024  # bytes; proxies commonly take no more than half of that
# Bytes of the largest body that is taken, with its form and its chunks. What is larger is not waited for.
BODY_ROOM = 3 * 1024 * 1024
UPLOAD_ROOM = 6 * 1024 * 1024
CHUNK_LINE_ROOM = 8 * 1024  # bytes, as gunicorn has it

UPLOADS = b"POST /api/uploads"
_BARE_LINE_END = re.compile(rb"(?<!\r)\n")  # no head ends behind one of them as far as gunicorn reads
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*(chunked[ \t]*(?=\r\n))?", re.IGNORECASE)
_EXPECTING = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


class Arriving:
    """One request, fed with the bytes as they come.

    Attributes:
        data: what has come; behind the end of the request there may be more.
        since: when its first byte came, or before that, when we began to listen.
        due: until when what is coming now must be there.
        complete: whether there is nothing more to wait for.
        ended: whether the client will send no more.
        overlong: whether the head has outgrown its room.
        expecting: whether the client sends its body only when it is told to go on.
    """

    def __init__(self, silence_seconds: float) -> None:
        self.data = bytearray()
        self.since = time.monotonic()
        self.due = self.since + silence_seconds
        self.complete = self.ended = self.overlong = self.expecting = False
        self._body: _Measured | _Chunked | None = None

    @property
    def headed(self) -> bool:
        """Whether the head is there."""
        return self._body is not None

    def take(self, data: bytes) -> None:
        """What has come now; nothing means that no more will."""
        if not data:
            self.ended = True
            self.complete = self.headed  # a body that was cut off is refused with a sentence
            return
        if not self.data:
            self.since = time.monotonic()
            self.due = self.since + HEAD_SECONDS
        seen = len(self.data)
        self.data += data
        if self._body is None:
            self._look_for_head(seen)
        if self._body is not None:
            self.complete = self._body.ends_in(self.data)

    def _look_for_head(self, seen: int) -> None:
        end = self.data.find(b"\r\n\r\n", max(0, seen - 3))
        if _BARE_LINE_END.search(self.data, seen, end if end >= 0 else len(self.data)):
            self.complete = True
        elif end >= 0:
            self._begin_body(bytes(self.data[: end + 4]))
        elif len(self.data) > HEAD_ROOM:
            self.overlong = True

    def _begin_body(self, head: bytes) -> None:
        upload = head.startswith(UPLOADS)
        self.due = time.monotonic() + (UPLOAD_SECONDS if upload else BODY_SECONDS)
        room = UPLOAD_ROOM if upload else BODY_ROOM
        lengths, codings = _LENGTH.findall(head), _CODING.findall(head)
        if len(codings) == 1 and codings[0] and not lengths:
            self._body = _Chunked(len(head), room)
        else:  # where there is no body, or nobody can tell where it ends, nothing is waited for
            length = int(lengths[0]) if len(lengths) == 1 and not codings else 0
            self._body = _Measured(len(head), length if length <= room else 0)
        # Who speaks HTTP/1.0 does not know the answer that would be given.
        self.expecting = bool(
            _EXPECTING.search(head) and b" HTTP/1.1\r\n" in head
        ) and not self._body.ends_in(self.data)


class _Measured:
    """A body that says how long it is."""

    def __init__(self, begin: int, length: int) -> None:
        self.end = begin + length

    def ends_in(self, data: bytearray) -> bool:
        return len(data) >= self.end


class _Chunked:
    """A body in chunks: `at` is where the next one begins, or behind the last a line of the trailer."""

    def __init__(self, begin: int, room: int) -> None:
        self.room = room
        self.end = begin + room  # at the latest
        self.at = begin
        self.last = False

    def ends_in(self, data: bytearray) -> bool:
        while (end := data.find(b"\r\n", self.at)) >= 0:
            if self.last:
                if end == self.at:
                    return True
                self.at = end + 2
                continue
            try:
                size = int(data[self.at : end].partition(b";")[0], 16)
            except ValueError:
                return True
            if not 0 <= size <= self.room:
                return True
            behind = end + 2 + size + 2
            if size and behind > len(data):
                return len(data) > self.end
            self.last = size == 0
            self.at = behind if size else end + 2
        return len(data) > self.end or len(data) - self.at > CHUNK_LINE_ROOM
