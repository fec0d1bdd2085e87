"""What a judge reads of an entry's files, and how it enters the hash of what went in."""

import gzip
import io
import struct
import zipfile
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import db, files, settlement
from models.errors import Unavailable
from models.grades import Attached, Candidate
from models.settings import settings
from models.settlement import Assignment
from models.states import Status
from models.texts import storable
from tests.models.stages import drop_in, sql
from tests.payloads import KINDS, SCRIPTS, crlf_text, random_bytes, unicode_text
from tests.payloads import text as prose
from tests.support import bring, close, let_time_pass, person, status, submit
from workers import attached, tasks
from workers.judge.decoding import START_BYTES, decoded

pytestmark = pytest.mark.usefixtures("database")


def judged(*contents: tuple[bytes, str, str], text: str = "My answer.") -> UUID:
    """A drop under judgement with one entry of this text and these files."""
    job_id, author = drop_in(Status.OPEN), person()
    submit(author, job_id, text, files=[bring(author, *content) for content in contents])
    let_time_pass(job_id)
    close(job_id)
    return job_id


def assignment(job_id: UUID) -> Assignment:
    with db.transaction() as session:
        found = settlement.assign(session, job_id, 0)
    assert found
    return found


def read(job_id: UUID) -> Candidate:
    (candidate,) = attached.read_into(assignment(job_id)).candidates
    return candidate


def test_without_files_the_brief_stays_as_it_is():
    given = assignment(judged())
    assert attached.read_into(given) is given.brief


def test_what_is_text_is_read_and_the_entry_s_own_text_stays_as_it_is():
    job_id = judged((b"Rhine", "a.md", "text/markdown"), (b'{"b": 1}', "b.json", "application/json"))
    candidate = read(job_id)
    assert candidate.text == "My answer."
    assert candidate.files == (
        Attached("a.md", "text/markdown", 5, "Rhine"),
        Attached("b.json", "application/json", 8, '{"b": 1}'),
    )


def test_a_model_reads_text_under_its_name():
    job_id = judged((b"Rhine", "a.md", "text/markdown"), (b'{"b": 1}', "b.json", "application/json"))
    assert read(job_id).whole == (
        'My answer.\n\n[a.md, text/markdown, 5 bytes]\nRhine\n\n[b.json, application/json, 8 bytes]\n{"b": 1}'
    )


def test_an_entry_of_files_alone_begins_with_the_first():
    assert read(judged((b"Rhine", "a.md", "text/markdown"), text="")).whole.startswith("[a.md")


TYPES = [
    "text/plain", "text/x-rust", "application/json", "application/octet-stream", "application/ld+json",
    "application/rls-services+xml", "application/vnd.dart", "image/svg+xml", "application/rtf", "image/png",
    "video/mp2t", "application/zip",
]  # fmt: skip
BINARY = {
    **{kind: KINDS[kind].make for kind in ("random bytes", "PNG", "zip", "PDF")},
    "gzip": lambda size, seed: gzip.compress(random_bytes(size, seed), mtime=0),
    "text in a zip": lambda size, seed: zipped_text(unicode_text(size, seed)),
    "UTF-16 mark and noise": lambda size, seed: b"\xff\xfe" + random_bytes(size, seed),
    "text and NUL": lambda size, seed: unicode_text(size, seed).replace(b" ", b"\0", 1),
    "PCM": lambda size, seed: b"".join(struct.pack("<h", n % 251 - 125) for n in range(size)),
}
ENCODED = {
    **{name: (SCRIPTS["Latin"], name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252")},
    "big-endian": ("\ufeff" + SCRIPTS["Greek"], "utf-16-be"),
    "ASCII": ("The Rhine,\r\nthe Danube\tand\x0cthe Volga.", "ascii"),
    "quotes of Windows": ("The “longest” river – it’s the Volga.", "cp1252"),
    "one accent": ("Rhône", "cp1252"),
    "code": ("# Größe\ndef f(x):\n    return 'ü' + x\n", "cp1252"),
    "Cyrillic": (SCRIPTS["Cyrillic"], "cp1251"), "Greek": (SCRIPTS["Greek"], "iso-8859-7"),
    "Japanese": (SCRIPTS["Japanese"], "shift_jis"), "Chinese": (SCRIPTS["Chinese"], "gb18030"),
    "Korean": (SCRIPTS["Korean"], "euc_kr"),
}  # fmt: skip


def zipped_text(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("answer.md", content)
    return file.getvalue()


@pytest.mark.parametrize("kind", BINARY)
def test_what_is_no_text_is_told_by_name_type_and_size(kind: str):
    contents = [BINARY[kind](300, 1), BINARY[kind](START_BYTES, 2)]
    candidate = read(judged(*((content, "x", TYPES[n]) for n, content in enumerate(contents))))
    assert candidate.files == tuple(
        Attached("x", TYPES[n], len(content)) for n, content in enumerate(contents)
    )
    assert candidate.whole.startswith(f"My answer.\n\n[x, {TYPES[0]}, {len(contents[0])} bytes]\n\n[x")


@pytest.mark.parametrize("content_type", TYPES)
def test_text_is_text_whatever_its_type_says(content_type: str):
    content = unicode_text(1000)
    (file,) = read(judged((content, "x", content_type))).files
    assert file.text == content.decode()


@pytest.mark.parametrize("encoded", ENCODED)
def test_text_is_read_in_whatever_encoding(encoded: str):
    text, encoding = ENCODED[encoded]
    (file,) = read(judged((text.encode(encoding), "x", "application/x-tex"))).files
    assert file.text == text.removeprefix("\ufeff")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis", "gb18030"])
def test_a_character_cut_at_the_end_of_what_is_read_is_left_out(encoding: str):
    text = "a" + prose(3 * attached.READ_MAX, "Japanese").replace(" ", "")
    content = text.encode(encoding)
    for most in range(100, 110):
        read_of_it = decoded(content[:most], len(content))
        assert read_of_it
        assert text.startswith(read_of_it)
        assert len(read_of_it.encode(encoding)) > most - 4


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\xef\xbb\xbf", b"\xff\xfe\x00\xd8"])
def test_a_mark_or_half_a_character_is_no_text(content: bytes):
    assert not decoded(content, len(content))


@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_none(content: bytes):
    text = decoded(content, len(content))
    assert text is None or text == storable(text)


def test_only_so_much_is_read_of_all_files_together():
    contents = [crlf_text(attached.READ_MAX // 2, seed) for seed in range(3)]
    job_id = judged(*((content, f"{n}.txt", "text/plain") for n, content in enumerate(contents)))
    texts = [file.text for file in read(job_id).files]
    assert texts[:2] == [content.decode() for content in contents[:2]]
    assert sum(len(text) for text in texts) == attached.READ_MAX
    long = unicode_text(300_000)
    (file,) = read(judged((long, "long.txt", "text/plain"))).files
    assert file.text == long.decode()[: attached.READ_MAX]


def test_a_lost_file_is_told_by_its_line_and_the_drop_is_decided():
    job_id = judged((b"Rhine", "a.md", "text/markdown"))
    files.chosen().delete(sql("SELECT id FROM uploads")[0].id)
    assert read(job_id).whole == "My answer.\n\n[a.md, text/markdown, 5 bytes]"
    tasks.ballot(str(job_id), 0)
    tasks.rank(str(job_id))
    assert status(job_id) is Status.COMPLETED


def test_a_store_that_is_away_is_waited_for_but_not_for_ever():
    job_id = judged((b"Rhine", "a.md", "text/markdown"))
    folder = settings().data / "uploads"
    for shard in folder.iterdir():
        shard.rename(settings().data / shard.name)
        shard.write_text("a file stands in its place")
    with pytest.raises(Unavailable):
        read(job_id)
    tasks.ballot(str(job_id), 0)
    assert sql("SELECT k FROM ballots") == []
    sql("UPDATE jobs SET attempts = :tries", tries=attached.PATIENCE)
    tasks.ballot(str(job_id), 0)
    assert sql("SELECT k FROM ballots") == [(0,)]


def test_the_hash_of_what_went_in_covers_the_files():
    job_id = judged((b"Rhine", "a.md", "text/markdown"))
    before = assignment(job_id).input_hash
    assert assignment(job_id).input_hash == before
    for change in ("name = 'b.md'", "content_type = 'text/plain'", "sha256 = '\\x00'"):
        sql(f"SET LOCAL session_replication_role = replica; UPDATE uploads SET {change}")  # past the guard
        after = assignment(job_id).input_hash
        assert after != before
        before = after


def test_the_ballot_keeps_that_hash():
    job_id = judged((b"Rhine", "a.md", "text/markdown"))
    expected = assignment(job_id).input_hash
    tasks.ballot(str(job_id), 0)
    assert sql("SELECT input_hash FROM ballots") == [(expected,)]
