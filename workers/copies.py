"""Copies of PostgreSQL's programs for a user who cannot enter the folder that they are installed in.

Only root needs one: PostgreSQL refuses to run as root, and its own user cannot enter root's home. There is
one copy for each version on a machine, whatever the data folders are called and however many there are.
"""

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "postgresql-"
UNUSED_SECONDS = 24 * 3600  # a copy of another version, asked for this long ago, is removed
_UNFINISHED = ".unfinished-"
_LOCK = ".copies.lock"

# `initdb` starts `postgres` through a shell, which would read these between double quotes.
_NOT_PLAIN = re.compile(r'["$`\\\n]')


class CopyError(RuntimeError):
    """There is no place for a copy; the message says why of each."""


def plain(path: Path) -> bool:
    """Whether `initdb` can start what lies under this path."""
    return _NOT_PLAIN.search(str(path)) is None


def provide(
    version: str, folders: Collection[Path], places: Iterable[Path], enterable: Callable[[Path], bool]
) -> Path:
    """Return a folder that holds copies of `folders`, which everyone may read and only we may change.

    Args:
        version: names the copy; what was copied under this name before is used again.
        folders: what to copy, each under its own name.
        places: the folders that may hold the copy; the first one that will do is taken.
        enterable: whether the user who is to run the programs can enter a place.

    Raises:
        CopyError: none of them will do.
    """
    troubles = []
    for place in places:
        try:
            return _provided(place / f"{PREFIX}{version}", folders, enterable)
        except OSError as error:
            troubles.append(f"{place} ({_reason(error)})")
    raise CopyError(", ".join(troubles))


def _provided(copy: Path, folders: Collection[Path], enterable: Callable[[Path], bool]) -> Path:
    place = copy.parent
    if not copy.exists():
        _prepare(place)
        with _locked(place):
            if not copy.exists():
                _clear(place)
                _make(copy, folders)
    _require_safe(copy)
    if not enterable(copy):
        raise OSError(errno.EACCES, "that user cannot enter it")
    with suppress(OSError):  # a folder that cannot be written to
        os.utime(copy)  # it is in use: see `_unused`
    return copy


def _prepare(place: Path) -> None:
    if not plain(place):
        raise OSError(errno.EINVAL, 'its name has one of " $ ` \\')
    if not place.exists():
        place.mkdir(parents=True, exist_ok=True)  # another process may be as far as we are
        place.chmod(0o755)  # whatever the umask
    _require_safe(place)
    if os.statvfs(place).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise OSError(errno.EACCES, "mounted so that nothing can be run there")


def _require_safe(folder: Path) -> None:
    """Refuse a folder in which another user could put programs of their own in place of ours.

    Raises:
        OSError: it, or one on the way to it, is another user's or can be changed by others.
    """
    folder = folder.resolve()
    for part in (folder, *folder.parents):
        status = part.stat()
        open_to_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        sticky = part != folder and status.st_mode & stat.S_ISVTX  # as /tmp: what is ours there stays ours
        if status.st_uid not in (0, os.geteuid()) or (open_to_others and not sticky):
            raise OSError(errno.EPERM, f"other users can change {part}")


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Let one process at a time make or remove copies there; the others wait for its copy."""
    with open(os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(copy: Path, folders: Collection[Path]) -> None:
    """Make the copy in one step: it is there whole, or not at all."""
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=copy.parent))
    try:
        for folder in folders:
            shutil.copytree(folder, unfinished / folder.name, symlinks=True)
        _open_to_all(unfinished)
        os.sync()  # a power failure must not leave empty files under the final name
        unfinished.rename(copy)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _open_to_all(folder: Path) -> None:
    """Let everyone read, and only us write, whatever the umask and the modes of what was copied."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _clear(place: Path) -> None:
    """Remove what an interrupted copy left, and versions that are no longer used. Call it under the lock."""
    for path in [*place.glob(f"{_UNFINISHED}*"), *filter(_unused, place.glob(f"{PREFIX}*"))]:
        shutil.rmtree(path, ignore_errors=True)


def _unused(copy: Path) -> bool:
    """Whether nothing runs from a copy and nothing is about to."""
    return time.time() - copy.stat().st_mtime > UNUSED_SECONDS and not _runs_from(copy)


def _runs_from(folder: Path) -> bool:
    import psutil  # comes with the wheel that is copied here; a server of its own installs neither

    programs = (process.info["exe"] for process in psutil.process_iter(["exe"]))
    return any(program and Path(program).is_relative_to(folder.resolve()) for program in programs)


def _reason(error: OSError) -> str:
    """Why it failed, in a few words; `shutil` reports every file that it could not copy."""
    if isinstance(error, shutil.Error):
        reasons = error.args[0]
        return str(reasons[0][-1]) if isinstance(reasons, list) else str(reasons)
    return error.strerror or str(error)
