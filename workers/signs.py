"""Where the workers of one `clorp up` leave a sign that they live: a file each, touched every few seconds.

A queue is heard of as long as one of its workers works; this tells which of several does not.
"""

from pathlib import Path

from models.settings import settings


def folder() -> Path:
    """Made by `clorp up`; elsewhere nobody reads signs, so none are left."""
    return settings().data / "workers"


def clear() -> None:
    """Make the folder, which only its owner may enter, or empty it of the signs of workers that are gone."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    folder().chmod(0o700)  # an older version made it readable
    for file in folder().iterdir():
        file.unlink()


def give(name: str) -> None:
    """Leave a sign of this worker."""
    (folder() / name).touch()


def last(name: str) -> int | None:
    """Something that changes with each sign of this worker; None before the first."""
    try:
        return (folder() / name).stat().st_mtime_ns
    except OSError:
        return None
