"""What a judge reads of an entry's files, and how it enters the hash of what went in."""

from uuid import UUID

import pytest

from models import db, files, settlement
from models.errors import Unavailable
from models.grades import Attached, Candidate
from models.settings import settings
from models.settlement import Assignment
from models.states import Status
from tests.models.stages import drop_in, sql
from tests.payloads import crlf_text, png, random_bytes, unicode_text, zip_archive
from tests.support import bring, close, let_time_pass, person, status, submit
from workers import attached, tasks

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


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (png(300), "image/png"), (b"\xff\xfe", "text/plain"), (b"a\0b", "text/plain"),
        (zip_archive(300), "a/zip"), (random_bytes(300), "application/octet-stream"), (b"Rhine", "image/png"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_told_by_name_type_and_size(content: bytes, content_type: str):
    candidate = read(judged((content, "x", content_type)))
    assert candidate.files == (Attached("x", content_type, len(content)),)
    assert candidate.whole == f"My answer.\n\n[x, {content_type}, {len(content)} bytes]"


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/x-rust", "application/json", "application/yaml", "application/octet-stream"],
)
def test_text_is_text_where_its_type_allows_it(content_type: str):
    content = unicode_text(1000)
    (file,) = read(judged((content, "x", content_type))).files
    assert file.text == content.decode()


def test_a_byte_order_mark_is_no_text():
    (file,) = read(judged((b"\xef\xbb\xbfRhine", "a", "text/plain"))).files
    assert file.text == "Rhine"


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
        sql(f"UPDATE uploads SET {change}")
        after = assignment(job_id).input_hash
        assert after != before
        before = after


def test_the_ballot_keeps_that_hash():
    job_id = judged((b"Rhine", "a.md", "text/markdown"))
    expected = assignment(job_id).input_hash
    tasks.ballot(str(job_id), 0)
    assert sql("SELECT input_hash FROM ballots") == [(expected,)]
