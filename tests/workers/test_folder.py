"""What a folder must be before the servers move in, and whom they leave alone."""

import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis

from models import files
from models.ids import uuid7
from models.settings import settings
from tests.workers.processes import until
from workers import embedded, signs
from workers.embedded import EmbeddedError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")


@pytest.fixture
def data() -> Iterator[Path]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-folder-", dir="/tmp") as folder:
        yield Path(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_with_other_things_in_it_is_refused_and_stays_as_it_is(data):
    (data / "theirs").touch()
    data.chmod(0o755)
    with pytest.raises(EmbeddedError, match=rf"{data} holds other things already"):
        embedded.prepare(data)
    assert mode(data) == 0o755
    assert [path.name for path in data.iterdir()] == ["theirs"]


def test_a_log_may_be_there_first(data):
    (data / "up.log").touch()
    embedded.prepare(data)


def test_a_folder_of_ours_is_recognised_again(data):
    embedded.prepare(data)
    (data / "whatever").touch()
    embedded.prepare(data)


def test_a_folder_that_cannot_be_made_is_named(data):
    data.chmod(0o755)
    (data / "file").touch(mode=0o755)
    with pytest.raises(EmbeddedError, match=f"Cannot use the folder {data / 'file' / 'data'}"):
        embedded.prepare(data / "file" / "data")


@root_only
def test_a_refused_folder_is_not_made(data):
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    data.chmod(0o755)
    with pytest.raises(EmbeddedError, match="cannot enter"):
        embedded.prepare(closed / "data")
    assert not (closed / "data").exists()


def test_who_comes_second_is_told_who_came_first(data):
    embedded.prepare(data)
    told = rf"It is process {os.getpid()} at http://127\.0\.0\.1:8000\."
    first, second = embedded.lock(data, "http://127.0.0.1:8000"), embedded.lock(data)
    with first, pytest.raises(EmbeddedError, match=told), second:
        pytest.fail("two owners")


def test_a_server_of_somebody_else_under_an_old_pid_is_left_alone(data, tmp_path):
    port = embedded.free_port()
    (data / "valkey").mkdir()
    argv = [str(embedded.valkey_binary()), "--port", str(port), "--bind", embedded.HOST, "--save", ""]
    with subprocess.Popen([*argv, "--loglevel", "nothing"], cwd=tmp_path) as theirs, ExitStack() as end:
        end.callback(theirs.kill)
        with closing(redis.Redis(port=port)):
            until("their server", lambda: embedded.redis_answers(f"redis://{embedded.HOST}:{port}/0"))
        (data / "valkey" / "valkey.pid").write_text(f"{theirs.pid}\n")
        embedded.stop_leftovers(data)
        assert theirs.poll() is None


@root_only
def test_postgresql_has_none_of_roots_groups(data):
    with embedded.servers(data, durable=False):
        pid = (data / "postgres" / "postmaster.pid").read_text().split()[0]
        told = Path(f"/proc/{pid}/status").read_text().splitlines()
        who = pwd.getpwuid(int(next(line for line in told if line.startswith("Uid:")).split()[1]))
        groups = [line.split()[1:] for line in told if line.startswith(("Gid:", "Groups:"))]
    assert who.pw_uid != 0
    assert groups == [[str(who.pw_gid)] * 4, []]


def test_the_file_of_a_killed_server_still_says_ready_and_is_not_believed(data):
    (data / "postgres").mkdir()
    (data / "postgres" / "postmaster.pid").write_text("1\nready\n")
    url = f"postgresql://clorp:x@{embedded.HOST}:{embedded.free_port()}/clorp"
    assert embedded._postgres_ready(data)
    assert not embedded._postgres_up(data, url)


def test_a_server_of_ones_own_is_used_and_none_started_in_its_place(data):
    embedded.prepare(data)
    theirs = "postgresql://clorp:x@db.example/clorp"
    servers, programs = embedded.programs(data, database_url=theirs)
    assert servers.database_url == theirs
    assert [program.name for program in programs] == ["valkey"]
    assert not (data / "postgres").exists()


def test_ports_lie_where_no_client_is_given_one():
    assert all(embedded.free_port() in embedded._PORTS for _ in range(20))


def test_whatever_stands_in_the_folder_is_closed_to_others(data, monkeypatch):
    """Whatever the umask: what a server keeps below its own folder is its own affair."""
    monkeypatch.setenv("CLORP_DATA", str(data / "new"))
    data.chmod(0o711)
    settings.cache_clear()
    before = os.umask(0)
    try:
        with embedded.servers(data / "new", durable=False):
            embedded.encryption_key(data / "new")
            (data / "new" / "workers").mkdir()  # by an older version
            signs.clear()
            files.chosen().put(uuid7(), b"x")
            inside = {path.name: mode(path) & 0o077 for path in (data / "new").iterdir()}
    finally:
        os.umask(before)
        settings.cache_clear()
    assert {"workers", "uploads", "lock", "encryption.key"} <= inside.keys()
    assert {name for name, others in inside.items() if others} == set()
