"""What every store of uploads promises, asked of each of them."""

import ast
import importlib.util
import os
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from obstore import store as buckets

from models import files, uploads
from models.errors import FileLost, Unavailable
from models.files import LocalStore, S3Store, Store
from models.ids import uuid7
from tests.bucket_trouble import door, keys_that_count
from tests.buckets import bucket
from tests.payloads import KIB, KINDS, MIB, SIZES, random_bytes
from tests.support import age_uploads, bring, person, post

SOON = datetime.now(UTC) + timedelta(days=1)
ALL: dict[str, Callable[[Path, pytest.MonkeyPatch], Store]] = {
    "folder": lambda folder, _: LocalStore(folder / "a" / "uploads"),
    "bucket in memory": lambda folder, _: S3Store(buckets.MemoryStore()),
    "bucket in a folder": lambda folder, _: S3Store(
        buckets.LocalStore(folder / "bucket" / "prefix", mkdir=True)
    ),
    "bucket of a server": lambda _, monkeypatch: S3Store.at(bucket(monkeypatch, "")),
    "prefix in a bucket of a server": lambda _, monkeypatch: S3Store.at(bucket(monkeypatch, "/a/b")),
}


@pytest.fixture(params=ALL)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    return ALL[request.param](tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_put_is_read(store: Store, kind: str):
    for size in SIZES:
        key, content = uuid7(), KINDS[kind].make(size, size)
        store.put(key, content)
        assert store.read(key) == content


def test_what_was_put_again_is_the_last(store: Store):
    key = uuid7()
    store.put(key, b"first, and longer")
    store.put(key, b"second")
    assert store.read(key) == b"second"


def test_no_more_is_read_than_the_beginning_that_is_wanted(store: Store):
    for size in SIZES:
        key, content = uuid7(), random_bytes(size, size)
        store.put(key, content)
        for most in (1, size - 1, size, size + 1, 64 * KIB):
            assert most < 1 or store.start(key, most) == content[:most]


def test_what_was_never_put_is_lost(store: Store):
    with pytest.raises(FileLost):
        store.read(uuid7())
    with pytest.raises(FileLost):
        store.start(uuid7(), 10)


def test_what_was_deleted_is_gone_and_may_be_deleted_again(store: Store):
    key, other = uuid7(), uuid7()
    store.put(key, b"x")
    store.put(other, b"y")
    store.delete(key)
    store.delete(key)
    with pytest.raises(FileLost):
        store.read(key)
    assert store.read(other) == b"y"


def test_the_old_ones_are_listed(store: Store):
    assert list(store.keys_before(SOON)) == []
    keys = {uuid7() for _ in range(70)}
    for key in keys:
        store.put(key, b"x")
    assert sorted(store.keys_before(SOON)) == sorted(keys)
    assert list(store.keys_before(datetime.now(UTC) - timedelta(hours=1))) == []


# The folder ------------------------------------------------------------------------------------


def test_a_folder_is_made_for_its_owner_alone_and_only_when_something_comes(tmp_path: Path):
    folder = tmp_path / "data" / "uploads"
    store, key = LocalStore(folder), uuid7()
    assert not folder.exists()
    store.put(key, b"x")
    (shard,) = folder.iterdir()
    (file,) = shard.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, shard, file)] == [0o700, 0o700, 0o600]
    assert (shard.name, file.name) == (str(key)[-2:], str(key))


def test_what_a_crash_left_half_written_is_never_read_but_removed(tmp_path: Path):
    store, key = LocalStore(tmp_path), uuid7()
    half = tmp_path / str(key)[-2:] / f"{key}.part"
    half.parent.mkdir()
    half.write_bytes(b"ha")
    os.utime(half, (0, 0))
    with pytest.raises(FileLost):
        store.read(key)
    assert list(store.keys_before(datetime.now(UTC) - timedelta(hours=1))) == [key]
    store.delete(key)
    assert not half.exists()


def test_what_is_not_an_upload_is_left_alone(tmp_path: Path):
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "notes.txt").write_text("mine")
    (tmp_path / "README").write_text("mine")
    assert list(LocalStore(tmp_path).keys_before(SOON)) == []


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path):
    (tmp_path / "uploads").write_text("a file stands in its place")
    with pytest.raises(Unavailable, match="folder of uploads"):
        LocalStore(tmp_path / "uploads").put(uuid7(), b"x")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path):
    key = uuid7()
    (tmp_path / str(key)[-2:] / str(key)).mkdir(parents=True)  # no file can take this name
    with pytest.raises(Unavailable):
        LocalStore(tmp_path).put(key, b"x")
    assert [path.name for path in (tmp_path / str(key)[-2:]).iterdir()] == [str(key)]


# The bucket ------------------------------------------------------------------------------------


def test_a_bucket_that_is_away_says_so_without_a_secret(monkeypatch):
    monkeypatch.setattr(files, "_TRIES", 0)
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:9",  # nobody listens there
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "who",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    store = S3Store.at("s3://bucket/prefix")
    for call in (
        lambda: store.put(uuid7(), b"x"),
        lambda: store.read(uuid7()),
        lambda: store.delete(uuid7()),
        lambda: list(store.keys_before(SOON)),
    ):
        with pytest.raises(Unavailable, match="bucket of uploads") as refusal:
            call()
        assert not isinstance(refusal.value, FileLost)
        assert "secret" not in str(refusal.value)


def calls(store: Store) -> dict[str, Callable[[], object]]:
    """Everything that a store can be asked for."""
    return {
        "put": lambda: store.put(uuid7(), random_bytes(300 * KIB)),
        "read": lambda: store.read(uuid7()),
        "start": lambda: store.start(uuid7(), 10),
        "delete": lambda: store.delete(uuid7()),
        "list": lambda: list(store.keys_before(SOON)),
        "try out": lambda: files.try_out(store),
    }


def unavailable(call: Callable[[], object]) -> tuple[str, str]:
    """What the user is told, and the operator."""
    with pytest.raises(Unavailable) as refusal:
        call()
    assert not isinstance(refusal.value, FileLost)
    assert "secret" not in f"{refusal.value} {refusal.value.cause}"
    return str(refusal.value), refusal.value.cause


def test_a_bucket_that_is_not_there_says_so(monkeypatch):
    bucket(monkeypatch)
    for call in calls(S3Store.at("s3://clorp-nowhere/uploads")).values():
        assert unavailable(call) == (
            "The server's bucket of uploads does not exist; tell its operator.",
            "NoSuchBucket",
        )


def test_keys_that_the_server_does_not_know_are_named(monkeypatch):
    store = S3Store.at(bucket(monkeypatch))
    with keys_that_count():
        for call in calls(store).values():
            sentence, cause = unavailable(call)
            assert cause == "InvalidAccessKeyId"
            assert cause in sentence
    files.try_out(store)


def test_a_server_that_stands_still_is_given_up(monkeypatch):
    url = bucket(monkeypatch)
    with door(monkeypatch) as shut:
        store = S3Store.at(url)
        shut.mode = "mute"
        for name in ("put", "read", "delete"):
            assert unavailable(calls(store)[name])[1] == "no answer in time"


def test_a_server_that_dies_in_the_middle_leaves_nothing_half(monkeypatch):
    url, key, content = bucket(monkeypatch), uuid7(), random_bytes(MIB)
    with door(monkeypatch) as shut:
        store = S3Store.at(url)
        store.put(key, content)
        shut.mode = "cut coming out"
        unavailable(lambda: store.read(key))
        shut.mode = "cut going in"
        unavailable(calls(store)["put"])
        shut.mode = "open"
        assert store.read(key) == content
        assert list(store.keys_before(SOON)) == [key]


@pytest.mark.parametrize("name", ["folder", "bucket of a server"])
def test_a_store_that_was_tried_out_is_as_before(tmp_path, monkeypatch, name):
    store = ALL[name](tmp_path, monkeypatch)
    files.try_out(store)
    assert list(store.keys_before(SOON)) == []


def test_the_sweep_removes_from_a_bucket_what_nobody_needs(settle, monkeypatch):
    settle(uploads=bucket(monkeypatch))
    sender, store = person(100), files.chosen()
    used, unused = bring(sender, random_bytes(KIB)), bring(sender, random_bytes(KIB))
    post(sender, attachments=[used])
    age_uploads()
    assert uploads.tidy(store) == (1, 0)
    assert [str(key) for key in store.keys_before(SOON)] == [used]
    with pytest.raises(FileLost):
        store.read(UUID(unused))


def obstore_s_options() -> list[str]:
    """The names of its client's options, which stand where its types are and nowhere at run time."""
    package = importlib.util.find_spec("obstore")
    assert package
    assert package.origin
    tree = ast.parse((Path(package.origin).parent / "_store" / "_client.pyi").read_text())
    (options,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [node.target.id for node in options.body if isinstance(node, ast.AnnAssign)]


# These two hold what no variable does: certificates as bytes, and a table of headers.
@pytest.mark.parametrize("option", sorted({*obstore_s_options()} - {"root_certificate", "default_headers"}))
def test_every_option_of_the_environment_counts_beside_ours(monkeypatch, option: str):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    value = "1s" if "timeout" in option else "true"
    monkeypatch.setenv(f"AWS_{option.upper()}", value)
    options = files._client_options()
    assert options[option] == value
    assert options.keys() >= {"timeout", "connect_timeout"}


def test_a_server_without_tls_is_spoken_to_only_where_that_is_allowed(monkeypatch):
    url = bucket(monkeypatch)
    S3Store.at(url).put(uuid7(), random_bytes(10))
    monkeypatch.setenv("AWS_ALLOW_HTTP", "false")
    monkeypatch.setattr(files, "_TRIES", 0)
    with pytest.raises(Unavailable):
        S3Store.at(url).put(uuid7(), random_bytes(10))


def test_without_obstore_the_operator_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(Unavailable, match="lacks the package obstore"):
        S3Store.at("s3://bucket")


# The choice ------------------------------------------------------------------------------------


def test_without_a_bucket_it_is_a_folder_beside_the_other_data(settle, tmp_path: Path):
    settle(data=tmp_path)
    store = files.chosen()
    assert isinstance(store, LocalStore)
    assert store.folder == tmp_path / "uploads"


def test_a_bucket_is_opened_once(settle):
    settle(uploads="s3://bucket/prefix")
    assert isinstance(files.chosen(), S3Store)
    assert files.chosen() is files.chosen()


@pytest.mark.parametrize("url", ["bucket", "file:///tmp", "s3://", "s3:///x", "s3://a b"])
def test_an_address_that_is_no_bucket_is_refused(settle, url: str):
    settle(uploads=url)
    with pytest.raises(ValueError, match="CLORP_UPLOADS"):
        files.chosen()
