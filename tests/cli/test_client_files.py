"""Files by the command: `drop --attach`, `submit --file` and `pull` bring every byte where it belongs."""

import json
from pathlib import Path

import pytest

from tests.buckets import bucket
from tests.payloads import FILE_MAX, KIB, KINDS, MIB, crlf_text, text
from tests.support import drive, person
from tests.web.scenes import end_window
from web.client import Client

SETS = {
    "of every kind": {
        "PNG": FILE_MAX, "zip": 64 * KIB + 1, "PDF": MIB, "CRLF text": 64 * KIB - 1, "UTF-8 text": 300 * KIB,
    },
    "of every size": {
        "random bytes": FILE_MAX, "zip": 1, "PNG": 64 * KIB, "PDF": 64 * KIB + 1, "CRLF text": 2,
    },
}  # fmt: skip


@pytest.fixture(params=["folder", "bucket"])
def store(request, settle, monkeypatch) -> str:
    """Where uploads are kept in this test."""
    if request.param == "bucket":
        settle(uploads=bucket(monkeypatch))
    return request.param


def written(folder: Path, wanted: dict[str, int], seed: int) -> dict[Path, bytes]:
    """Files of these kinds and sizes, on the disk."""
    folder.mkdir()
    files = {
        folder / KINDS[kind].name: KINDS[kind].make(size, seed + number)
        for number, (kind, size) in enumerate(wanted.items())
    }
    for path, content in files.items():
        path.write_bytes(content)
    return files


def options(name: str, files: dict[Path, bytes]) -> list[object]:
    return [part for path in files for part in (name, path)]


@pytest.mark.parametrize("wanted", SETS)
def test_files_go_with_a_drop_and_an_entry_and_are_pulled_as_they_were(store, by, api_url, tmp_path, wanted):
    ada, bob = person(1000), person()
    asked, given = (written(tmp_path / name, SETS[wanted], seed) for seed, name in enumerate(("in", "out")))
    posted = by(ada, "drop", "Draw it.", "-y", "--json", *options("--attach", asked))
    assert posted.exit_code == 0, posted.output
    job = json.loads(posted.stdout)
    with Client(api_url, bob.key) as client:
        client.claim(job["id"])
        for row, content in zip(job["attachments"], asked.values(), strict=True):
            assert client.download(row["key"], tmp_path / "back").read_bytes() == content
    answer = tmp_path / "answer.txt"
    answer.write_bytes(crlf_text(90_000))
    handed_in = by(bob, "submit", job["id"], answer, *options("--file", given))
    assert handed_in.exit_code == 0, handed_in.output
    end_window(job["id"])
    assert drive(job["id"]) == "verified"
    pulled = by(ada, "pull", job["id"], "-o", tmp_path / "pulled")
    assert pulled.exit_code == 0, pulled.output
    expected = {path.name: content for path, content in given.items()}
    expected["output.txt"] = answer.read_bytes()
    assert {path.name: path.read_bytes() for path in (tmp_path / "pulled").iterdir()} == expected


def test_a_file_that_is_too_large_is_refused_with_its_limit(by, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(KINDS["PNG"].make(FILE_MAX + 1, 1))
    result = by(person(1000), "drop", "Draw it.", "-y", "--attach", path)
    assert result.exit_code == 2
    assert str(FILE_MAX) in result.stderr


@pytest.mark.parametrize("script", ["Chinese", "Arabic", "emoji"])
def test_the_longest_prompt_and_entry_come_back_whole(by, tmp_path, script):
    ada, bob = person(1000), person()
    (tmp_path / "prompt.md").write_text(text(20_000, script), encoding="utf-8")
    (tmp_path / "answer.md").write_text(text(100_000, script), encoding="utf-8")
    job = json.loads(by(ada, "drop", f"@{tmp_path / 'prompt.md'}", "-y", "--json").stdout)
    assert job["prompt"] == text(20_000, script)
    assert by(bob, "submit", job["id"], tmp_path / "answer.md").exit_code == 0
    end_window(job["id"])
    drive(job["id"])
    assert by(ada, "pull", job["id"], "-o", tmp_path / "pulled").exit_code == 0
    assert (tmp_path / "pulled/output.txt").read_text(encoding="utf-8") == text(100_000, script)
