"""Content as people send it: real files of an exact size and texts of an exact length, from a seed.

One byte repeated finds nothing: what breaks a parser, an encoding or a limit is in the variety.
"""

import io
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

KIB, MIB = 1024, 1024 * 1024
FILE_MAX = 5 * MIB  # as the contract has it
# One byte, the piece that forms are commonly read in, something larger, and the limit.
SIZES = (1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB, FILE_MAX)

SCRIPTS = {
    "Latin": "Der Fluß und die Brücke, où l’été finit: a river of naïve words, façade, smörgåsbord.",
    "Greek": "Ο ποταμός και η γέφυρα, εκεί που τελειώνει το καλοκαίρι.",
    "Cyrillic": "Широкая река, старый мост и ещё один долгий вечер.",
    "Arabic": "النهر والجسر حيث ينتهي الصيف الطويل.",
    "Hindi": "नदी और पुल जहाँ गर्मी समाप्त होती है।",
    "Chinese": "河流与桥梁在夏天结束的地方相遇。",
    "Japanese": "川と橋、夏の終わる場所で会いましょう。",
    "Korean": "여름이 끝나는 곳의 강과 다리.",
    "emoji": "🦀🌊👩‍👩‍👧🇪🇺🏳️‍🌈🥐",
}


class Kind(NamedTuple):
    """A kind of file: what makes one of so many bytes, and what it is called."""

    make: Callable[[int, int], bytes]
    name: str
    content_type: str


def random_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes without any order."""
    return Random(seed).randbytes(size)


def png(size: int, seed: int = 0) -> bytes:
    """A picture of noise, filled up to its size with an ancillary chunk."""
    empty = _picture(0, seed)
    if size < len(empty):
        return empty[:size]
    rows = max(0, (size - len(empty)) // 1024 - 1)  # of 340 pixels and a filter byte each
    begun = _picture(rows, seed)
    rest = size - len(begun) - _PNG_CHUNK
    return begun if rest < 0 else _picture(rows, seed, _chunk(b"noIs", random_bytes(rest, seed + 1)))


def zip_archive(size: int, seed: int = 0) -> bytes:
    """An archive with one stored file."""
    return _exactly(size, lambda inside: _zipped(random_bytes(inside, seed)))


def pdf(size: int, seed: int = 0) -> bytes:
    """A document of one page whose content stream is compressed noise."""
    return _exactly(size, lambda inside: _document(random_bytes(inside, seed)))


def crlf_text(size: int, seed: int = 0) -> bytes:
    """Lines as Windows ends them."""
    return _encoded(size, ["Latin"], "\r\n", seed)


def unicode_text(size: int, seed: int = 0) -> bytes:
    """UTF-8 in every script."""
    return _encoded(size, list(SCRIPTS), "\n", seed)


def text(characters: int, script: str = "Latin", seed: int = 0) -> str:
    """So many characters of one script, with nothing at either end that trimming takes away."""
    chance, lines, length = Random(seed), [], -1
    while length < characters:
        lines.append(_line(chance, script))
        length += len(lines[-1]) + 1
    cut = " ".join(lines)[:characters]
    return cut if cut == cut.strip() else f"{cut[:-1]}z"


def name(characters: int, script: str = "Latin", seed: int = 0) -> str:
    """So many characters of words alone, as names have them."""
    words = " ".join("".join(map(_letter, text(4 * characters, script, seed))).split())[:characters]
    return words if words == words.strip() else f"{words[:-1]}{words[0]}"


KINDS = {
    "random bytes": Kind(random_bytes, "noise.bin", "application/octet-stream"),
    "PNG": Kind(png, "chart.png", "image/png"),
    "zip": Kind(zip_archive, "work.zip", "application/zip"),
    "PDF": Kind(pdf, "report.pdf", "application/pdf"),
    "CRLF text": Kind(crlf_text, "notes.txt", "text/plain"),
    "UTF-8 text": Kind(unicode_text, "answer.md", "text/markdown"),
}


def sizes(count: int, seed: int, most: int = FILE_MAX) -> Iterator[int]:
    """Sizes from one byte to `most`, of each magnitude about as many."""
    chance = Random(seed)
    for _ in range(count):
        yield min(most, int(most ** chance.random()))


def _letter(sign: str) -> str:
    return sign if unicodedata.category(sign)[0] in "LM" else " "


def _exactly(size: int, make: Callable[[int], bytes]) -> bytes:
    """What `make` gives for so much inside that it comes to `size`; its beginning where that is too small."""
    inside = max(0, size - len(make(0)))
    for _ in range(3):  # numbers in the file grow with it
        made = make(inside)
        inside = max(0, inside + size - len(made))
    return make(inside)[:size]


_PNG_CHUNK = 12  # bytes of a chunk beside its content


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _picture(rows: int, seed: int, further: bytes = b"") -> bytes:
    width = 341
    pixels = b"".join(b"\0" + random_bytes(3 * width, seed + row) for row in range(rows or 1))
    head = struct.pack(">IIBBBBB", width, rows or 1, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", head) + further + _chunk(b"IDAT", zlib.compress(pixels, 0)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("noise.bin"), content)
    return file.getvalue()


def _document(content: bytes) -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
        b"<< /Length %d >>\nstream\r\n%s\r\nendstream" % (len(content), content),
    ]
    file, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 5\n0000000000 65535 f \n"
    end = b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(file)
    return file + head + table + end


def _encoded(size: int, scripts: list[str], ending: str, seed: int) -> bytes:
    """Return lines in any order, cut where no character is."""
    chance = Random(seed)
    lines = [(_line(chance, chance.choice(scripts)) + ending).encode() for _ in range(500)]
    enough = 100 + 2 * size * len(lines) // len(b"".join(lines))
    whole = b"".join(chance.choices(lines, k=enough))[:size]
    return whole.decode(errors="ignore").encode().ljust(size, b".")


def _line(chance: Random, script: str) -> str:
    words = SCRIPTS[script].split() if " " in SCRIPTS[script] else [SCRIPTS[script]]
    return " ".join(chance.choices(words, k=chance.randrange(1, 20)))
