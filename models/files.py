"""Where the bytes of uploads are kept: in a folder, or in a bucket. Whose they are stands in the database.

A key is the id of an upload, made new for each, so nothing is ever overwritten by another's bytes.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from uuid import UUID

from models import ids
from models.errors import FileLost, Unavailable
from models.settings import BucketClient, settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

RETRY_SECONDS = 10  # what answers 503 names while a store is away

_TRIAL_BYTES = 16

# A request waits for the bucket, so a slow one has to fail before the client gives up.
_CONNECT, _WHOLE, _TRIES = timedelta(seconds=3), timedelta(seconds=15), 3


class Store(Protocol):
    """Bytes under keys. Slow, and not part of any transaction: never call it inside one."""

    def put(self, key: UUID, content: bytes) -> None:
        """Keep `content`: whole, or not at all.

        Raises:
            Unavailable: it cannot be written.
        """

    def read(self, key: UUID) -> bytes:
        """What was put there.

        Raises:
            FileLost: there is nothing.
            Unavailable: it cannot be read.
        """

    def start(self, key: UUID, most: int) -> bytes:
        """The first `most` bytes, at least one, of what was put there; all of it where it has fewer.

        Raises:
            FileLost: there is nothing.
            Unavailable: it cannot be read.
        """

    def delete(self, key: UUID) -> None:
        """Forget it; nothing happens where there is nothing.

        Raises:
            Unavailable: it cannot be written.
        """

    def keys_before(self, at: datetime) -> Iterator[UUID]:
        """What was put there before `at`, in any order.

        Raises:
            Unavailable: it cannot be listed.
        """


def chosen() -> Store:
    """The store that this installation keeps its uploads in: see `CLORP_UPLOADS`."""
    url = settings().uploads
    return _bucket(url) if url else LocalStore(settings().data.expanduser().absolute() / "uploads")


def try_out(store: Store) -> None:
    """Write a small object, read it and remove it.

    Raises:
        Unavailable: one of that cannot be done; what could not be removed is swept as a stray file.
    """
    key, content = ids.uuid7(), os.urandom(_TRIAL_BYTES)
    store.put(key, content)
    try:
        if store.read(key) != content:
            raise Unavailable(cause="it gives other bytes than it was given")
    finally:
        store.delete(key)


class LocalStore:
    """A folder on this machine, made when the first file comes. Only its owner may look inside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, key: UUID, content: bytes) -> None:
        """Written beside its place and then renamed, so that half a file is never read."""
        path = self._path(key)
        part = path.with_suffix(".part")
        with self._working():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                _write(part, content)
                part.replace(path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            _sync(path.parent)

    def read(self, key: UUID) -> bytes:
        """The file's bytes."""
        with self._working():
            return self._path(key).read_bytes()

    def start(self, key: UUID, most: int) -> bytes:
        """The first of the file's bytes."""
        with self._working(), self._path(key).open("rb") as file:
            return file.read(most)

    def delete(self, key: UUID) -> None:
        """Remove the file, and what a crash left beside it."""
        path = self._path(key)
        with suppress(FileLost), self._working():
            path.with_suffix(".part").unlink(missing_ok=True)
            path.unlink()

    def keys_before(self, at: datetime) -> Iterator[UUID]:
        """By the time of the last change; what a crash left half written counts, too."""
        with self._working():
            shards = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
            for shard in shards:
                for path in sorted(shard.iterdir()) if shard.is_dir() else []:
                    key = ids.parse(path.stem)
                    with suppress(FileNotFoundError):  # removed by another sweep
                        if key and path.stat().st_mtime < at.timestamp():
                            yield key

    def _path(self, key: UUID) -> Path:
        # The end of a UUIDv7 is random: 256 folders of about the same size.
        return self.folder / str(key)[-2:] / str(key)

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise FileLost(retry_after=RETRY_SECONDS) from None
        except OSError as error:
            raise Unavailable(
                f"The server cannot use its folder of uploads ({error.strerror}); tell its operator.",
                retry_after=RETRY_SECONDS,
            ) from error


class S3Store:
    """A bucket of anything that speaks S3, through obstore, which reads its own `AWS_…` variables."""

    def __init__(self, bucket: "ObjectStore") -> None:
        self.bucket = bucket

    @classmethod
    def at(cls, url: str) -> "S3Store":
        """The bucket and prefix of an URL, `s3://bucket/prefix`.

        Raises:
            Unavailable: obstore is not installed, or cannot make sense of its variables.
        """
        with _speaking_to_bucket():
            from obstore.store import S3Store as Bucket

            return cls(
                Bucket.from_url(
                    url,
                    client_options=_client_options(),
                    retry_config={"max_retries": _TRIES, "retry_timeout": _WHOLE},
                )
            )

    def put(self, key: UUID, content: bytes) -> None:
        """One request: S3 shows an object only when it is whole."""
        with _speaking_to_bucket():
            import obstore

            obstore.put(self.bucket, str(key), content, use_multipart=False)

    def read(self, key: UUID) -> bytes:
        """The object's bytes."""
        with _speaking_to_bucket():
            import obstore

            return bytes(obstore.get(self.bucket, str(key)).bytes())

    def start(self, key: UUID, most: int) -> bytes:
        """The first of the object's bytes."""
        with _speaking_to_bucket():
            import obstore

            return bytes(obstore.get_range(self.bucket, str(key), start=0, length=most))

    def delete(self, key: UUID) -> None:
        """S3 itself does not mind a missing object; other stores do."""
        with suppress(FileLost), _speaking_to_bucket():
            import obstore

            obstore.delete(self.bucket, str(key))

    def keys_before(self, at: datetime) -> Iterator[UUID]:
        """By the bucket's own clock, a thousand in each request."""
        with _speaking_to_bucket():
            import obstore

            for chunk in obstore.list(self.bucket, chunk_size=1_000):
                for found in chunk:
                    key = ids.parse(found["path"].rpartition("/")[2])
                    if key and found["last_modified"] < at:
                        yield key


@lru_cache(maxsize=1)
def _bucket(url: str) -> S3Store:
    return S3Store.at(url)  # once in each process: it keeps connections


def _client_options() -> "ClientConfig":
    """Return the options of the environment, which obstore drops where it is given any, and our timeouts.

    Where the environment names a timeout, that one counts.
    """
    ours = {"connect_timeout": _CONNECT, "timeout": _WHOLE}
    return cast("ClientConfig", ours | BucketClient().model_dump(exclude_none=True))


@contextmanager
def _speaking_to_bucket() -> Iterator[None]:
    """What obstore and the bucket may answer, as errors of ours."""
    try:
        from obstore.exceptions import BaseError
    except ImportError:
        raise Unavailable(
            "This server keeps uploads in a bucket but lacks the package obstore; tell its operator.",
            retry_after=RETRY_SECONDS,
        ) from None
    try:
        yield
    except (BaseError, OSError, ValueError) as error:  # its text may quote credentials
        cause = _cause(error)
        if isinstance(error, FileNotFoundError) and cause != _NO_BUCKET:
            raise FileLost(retry_after=RETRY_SECONDS) from None
        sentence = _MISSING if cause == _NO_BUCKET else _UNUSABLE.format(cause)
        raise Unavailable(sentence, cause=cause, retry_after=RETRY_SECONDS) from error


_UNUSABLE = "The server cannot use its bucket of uploads ({}); tell its operator."
_MISSING = "The server's bucket of uploads does not exist; tell its operator."
_NO_BUCKET = "NoSuchBucket"
# What obstore says of a refusal and of a connection; all else in its text is left out.
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})\b")
_KINDS = {
    "BadScheme": "it has no TLS, and AWS_ALLOW_HTTP is not true",
    "kind: Timeout": "no answer in time",
    "kind: Connect": "no connection",
    "kind: Interrupted": "the connection broke off",
}


def _cause(error: Exception) -> str:
    """Return in a few words what went wrong, without addresses and credentials."""
    words = str(error)
    if code := _CODE.search(words):
        return code[1]
    if status := _STATUS.search(words):
        return f"HTTP {status[1]}"
    return next((cause for kind, cause in _KINDS.items() if kind in words), type(error).__name__)


def _write(path: Path, content: bytes) -> None:
    """A file of ours alone, on the disk before its name counts."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    """Have the new name on the disk, too: the row that is committed next counts on it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
