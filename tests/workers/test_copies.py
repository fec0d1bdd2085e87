"""Copies of programs for a user who cannot enter where they are installed: one, whole, ours to change."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support import at_once
from tests.workers.processes import ended, until
from workers import copies
from workers.copies import CopyError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
LARGE = os.urandom(200_000)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: TMPDIR may be a folder that others can change, where no copy is made.
    with tempfile.TemporaryDirectory(prefix="clorp-copies-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def wheel(folder: Path) -> list[Path]:
    """The folders of a package: a program, a link to it, a file, and a library beside the package."""
    package, libraries = folder / "wheel" / "package", folder / "wheel" / "package.libs"
    (package / "bin").mkdir(parents=True)
    libraries.mkdir()
    shutil.copy("/bin/sleep", package / "bin" / "server")
    (package / "bin" / "alias").symlink_to("server")
    (package / "data").write_bytes(LARGE)
    (libraries / "library.so").write_bytes(b"library")
    return [package, libraries]


def provide(wheel: list[Path], *places: Path, version: str = "18.6", enterable=Path.exists) -> Path:
    return copies.provide(version, wheel, places, enterable)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != copies._LOCK)


def test_a_copy_is_whole_and_can_be_run(folder, wheel):
    copy = provide(wheel, folder / "place")
    assert copy == folder / "place" / "postgresql-18.6"
    assert (copy / "package" / "data").read_bytes() == LARGE
    assert (copy / "package.libs" / "library.so").read_bytes() == b"library"
    assert os.readlink(copy / "package" / "bin" / "alias") == "server"
    assert subprocess.run([copy / "package" / "bin" / "server", "0"]).returncode == 0


def test_a_version_is_copied_once(folder, wheel):
    first = provide(wheel, folder / "place")
    (wheel[0] / "data").write_bytes(b"changed since")
    assert provide(wheel, folder / "place") == first
    assert (first / "package" / "data").read_bytes() == LARGE


def test_many_at_once_make_one_copy(folder, wheel):
    found = at_once([partial(provide, wheel, folder / "place")] * 20)
    assert found == [folder / "place" / "postgresql-18.6"] * 20
    assert names(folder / "place") == ["postgresql-18.6"]


STRICT = """
import os, sys
from pathlib import Path
from workers import copies
os.umask(0o077)
print(copies.provide("18.6", [Path(sys.argv[1])], [Path(sys.argv[2])], Path.exists))
"""


def test_everyone_may_read_a_copy_and_only_its_owner_may_change_it_whatever_the_umask(folder, wheel):
    for path, mode in (
        (wheel[0] / "bin", 0o777),
        (wheel[0] / "data", 0o600),
        (wheel[0] / "bin/server", 0o770),
    ):
        path.chmod(mode)
    argv = [sys.executable, "-c", STRICT, str(wheel[0]), str(folder / "place")]
    copy = Path(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder / "place", copy, *copy.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir() or path.parent.name == "bin"} == {0o755}
    assert modes[copy / "package" / "data"] == 0o644


# Where it may lie ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_no_copy_lies_where_others_could_change_it(folder, wheel, mode):
    open_ = folder / "open"
    open_.mkdir()
    open_.chmod(mode)
    with pytest.raises(CopyError, match=rf"^{open_} \(other users can change {open_}\)$"):
        provide(wheel, open_)
    assert names(open_) == []
    assert provide(wheel, open_, folder / "place").parent == folder / "place"


def test_no_copy_lies_below_a_folder_that_others_can_change(folder, wheel):
    open_ = folder / "open"
    (open_ / "below").mkdir(parents=True)
    open_.chmod(0o777)
    with pytest.raises(CopyError, match=f"other users can change {open_}"):
        provide(wheel, open_ / "below")


def test_a_copy_that_others_can_change_is_not_used(folder, wheel):
    copy = provide(wheel, folder / "place")
    copy.chmod(0o775)
    with pytest.raises(CopyError, match=f"other users can change {copy}"):
        provide(wheel, folder / "place")


@root_only
def test_a_copy_that_another_user_has_planted_is_not_used(folder, wheel):
    planted = folder / "place" / "postgresql-18.6"
    planted.mkdir(parents=True)
    os.chown(planted, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(CopyError, match=f"other users can change {planted}"):
        provide(wheel, folder / "place")


@pytest.mark.parametrize("character", '"$`\\')
def test_no_copy_lies_under_a_name_that_a_shell_would_read(folder, wheel, character):
    odd = folder / f"a{character}b"
    with pytest.raises(CopyError, match="its name has one of"):
        provide(wheel, odd)
    assert not odd.exists()
    assert provide(wheel, odd, folder / "a b'c").parent == folder / "a b'c"


def test_a_place_that_the_user_cannot_enter_is_passed_over(folder, wheel):
    other = folder / "other"
    copy = provide(wheel, folder / "place", other, enterable=lambda path: path.is_relative_to(other))
    assert copy.parent == other
    with pytest.raises(CopyError, match=rf"^{other} \(that user cannot enter it\)$"):
        provide(wheel, other, enterable=lambda path: False)


def test_where_nothing_can_be_made_every_reason_is_told(folder, wheel):
    (folder / "file").touch()
    told = rf"^{folder}/file/place \(Not a directory\), /proc/clorp \(No such file or directory\)$"
    with pytest.raises(CopyError, match=told):
        provide(wheel, folder / "file" / "place", Path("/proc/clorp"))


# Broken off, and given up ----------------------------------------------------------------------

# A limit on files stands for a disk that is full: both end a copy in its middle.
FULL = """
import resource, sys
from pathlib import Path
from workers import copies
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    copies.provide("18.6", [Path(sys.argv[1])], [Path(sys.argv[2])], Path.exists)
except copies.CopyError as error:
    print(error)
"""


def test_a_copy_that_finds_no_room_leaves_nothing_behind(folder, wheel):
    argv = [sys.executable, "-c", FULL, str(wheel[0]), str(folder / "place")]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"{folder}/place (")
    assert "File too large" in told
    assert names(folder / "place") == []
    assert provide(wheel, folder / "place").exists()


def aged(copy: Path) -> Path:
    """Make a copy one that was last asked for two days ago."""
    then = time.time() - 2 * copies.UNUSED_SECONDS
    os.utime(copy, (then, then))
    return copy


def test_what_was_cut_off_and_versions_that_nothing_uses_are_removed(folder, wheel):
    place = folder / "place"
    aged(provide(wheel, place, version="16.1"))
    provide(wheel, place, version="17.2")
    (place / ".unfinished-x").mkdir()
    (place / "another").mkdir()
    provide(wheel, place, version="18.6")
    assert names(place) == ["another", "postgresql-17.2", "postgresql-18.6"]


def test_a_version_that_is_asked_for_again_is_kept(folder, wheel):
    aged(provide(wheel, folder / "place", version="17.2"))
    provide(wheel, folder / "place", version="17.2")
    provide(wheel, folder / "place", version="18.6")
    assert names(folder / "place") == ["postgresql-17.2", "postgresql-18.6"]


def test_a_version_that_a_server_runs_from_is_kept(folder, wheel):
    place = folder / "place"
    old = provide(wheel, place, version="17.2")
    with subprocess.Popen([old / "package" / "bin" / "server", "999"]) as server, ended(server):
        until("its program", lambda: copies._runs_from(old))
        aged(old)
        provide(wheel, place, version="18.6")
        assert names(place) == ["postgresql-17.2", "postgresql-18.6"]
    aged(old)
    provide(wheel, place, version="18.7")
    assert names(place) == ["postgresql-18.6", "postgresql-18.7"]
