"""A backup as a file: a tar of `database.dump`, `uploads/<key>` and, last, `manifest.json`.

Whoever has it may read everything but what is encrypted: it is made for its owner alone (0600).
"""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from uuid import UUID

import click
from pydantic import BaseModel, ValidationError

from models import ids

FORMAT = 1
_DUMP, _UPLOADS, _MANIFEST = "database.dump", "uploads/", "manifest.json"
_PIECE_BYTES = 1024**2


class Manifest(BaseModel):
    """What a backup says of itself. It stands last, so a backup without one was cut off."""

    format: int
    clorp: str
    migration: str | None
    postgresql: int
    created_at: str
    counts: dict[str, int]
    files: int
    missing_files: int  # rows whose bytes were not in the store, or were others
    missing_attached: int = 0  # of them those that hang on drops and entries
    dump_sha256: str


class Writer:
    """A backup that is being made; use it in a `with`, and it is there at the end, whole or not at all."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._folder = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent)
        self.dump = Path(self._folder.name) / _DUMP  # where the dump has to be written
        self._tar_path = Path(self._folder.name) / "tar"

    def __enter__(self) -> "Writer":
        descriptor = os.open(self._tar_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = open(descriptor, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w")
        return self

    def add_dump(self) -> str:
        """Take the dump in; gives its SHA-256."""
        info = _entry(_DUMP, self.dump.stat().st_size)
        with self.dump.open("rb") as content:
            self._tar.addfile(info, content)
        digest = file_sha256(self.dump)
        self.dump.unlink()
        return digest

    def add_upload(self, key: UUID, content: bytes) -> None:
        """Take a file in."""
        self._tar.addfile(_entry(f"{_UPLOADS}{key}", len(content)), io.BytesIO(content))

    def finish(self, manifest: Manifest) -> int:
        """Give the backup its name; gives its size in bytes."""
        content = manifest.model_dump_json(indent=1).encode()
        self._tar.addfile(_entry(_MANIFEST, len(content)), io.BytesIO(content))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._tar_path.replace(self._target)
        return self._target.stat().st_size

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._folder.cleanup()


class Reader:
    """A backup that is read; `reading` opens it."""

    def __init__(self, path: Path, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self._path, self._tar = path, tar
        self.manifest = manifest

    def extract_dump(self, target: Path) -> None:
        """Write the dump there.

        Raises:
            ClickException: it is not the one that was put in, or cannot be written.
        """
        with _taking_from(self._path), target.open("wb") as file:
            for piece in _pieces(self._tar, _DUMP):
                file.write(piece)
        if file_sha256(target) != self.manifest.dump_sha256:
            raise click.ClickException(
                "The dump in this backup was damaged: its checksum is another one. Nothing was changed; "
                "take another backup."
            )

    def uploads(self) -> Iterator[tuple[UUID, bytes]]:
        """Every file, under its key; what else a name may hide is passed over."""
        for member in self._tar.getmembers():
            key = ids.parse(member.name.removeprefix(_UPLOADS))
            if key and member.isfile() and member.name.startswith(_UPLOADS):
                with _taking_from(self._path):
                    content = b"".join(_pieces(self._tar, member))
                yield key, content

    def name(self, key: UUID) -> str:
        """What a file is called in the backup."""
        return f"{_UPLOADS}{key}"


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a backup.

    Raises:
        ClickException: it is none, was cut off, or is of a kind that this version does not know.
    """
    with ExitStack() as stack:
        with _taking_from(path):
            tar = stack.enter_context(tarfile.open(path, "r:"))
            manifest = Manifest.model_validate_json(b"".join(_pieces(tar, _MANIFEST)))
        if manifest.format != FORMAT:
            raise click.ClickException(f"{path} is of a newer clorp ({manifest.clorp}): update first.")
        yield Reader(path, tar, manifest)


@contextmanager
def _taking_from(path: Path) -> Iterator[None]:
    """What may be wrong with a backup itself. Around its reading alone: it says nothing of anything else."""
    try:
        yield
    except (tarfile.TarError, KeyError, ValidationError):
        raise click.ClickException(f"{path} is no backup of clorp, or was cut off.") from None
    except OSError as error:
        raise click.ClickException(f"Cannot read {path}: {error.strerror or error}.") from None


def file_sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo | str) -> Iterable[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise KeyError(member)
    return iter(lambda: content.read(_PIECE_BYTES), b"")
