"""What the command says before it does anything."""

import json
import socket
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version

import pytest

from models.settings import settings
from tests.cli.conftest import Clorp
from web.cli import _COMMANDS
from web.cli.up import _children
from web.serving import graceful_timeout
from workers.embedded import HOST
from workers.supervisor import END_SECONDS, Child

HELP = """
import sys
from web.cli import main
try:
    main(["--help"])
finally:
    heavy = {"sqlalchemy", "celery", "kombu", "flask", "redis", "httpx2", "rich", "cryptography", "psycopg2"}
    print("imported:", sorted(heavy & sys.modules.keys()))
"""


def test_help_lists_every_command_and_imports_nothing_heavy():
    said = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in said and entry.help in said for name, entry in _COMMANDS.items())
    assert "imported: []" in said


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_explains_itself(clorp: Clorp, name: str):
    result = clorp(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: clorp {name}")


def test_the_version_is_told(clorp):
    assert clorp("--version").output == f"clorp, version {version('clorp')}\n"


def test_an_unknown_command_is_named(clorp):
    result = clorp("dorp")
    assert result.exit_code == 2
    assert "No such command 'dorp'." in result.output


@pytest.mark.parametrize(
    "command", [["migrate"], ["audit"], ["admin", "user", "ann"], ["admin", "credit", "ann", 1]]
)
def test_without_servers_a_command_says_how_to_go_on(clorp, unset, tmp_path, command):
    result = clorp(*command, "--data", tmp_path / "none")
    assert result.exit_code == 1
    assert f"No servers run in {tmp_path / 'none'}. Start them with `clorp up`" in result.output
    assert "set CLORP_DATABASE_URL" in result.output
    assert not (tmp_path / "none").exists()


def test_the_folder_may_come_from_the_environment(clorp, unset, tmp_path):
    unset.setenv("CLORP_DATA", str(tmp_path / "elsewhere"))
    assert f"No servers run in {tmp_path / 'elsewhere'}." in clorp("migrate").output


def test_up_refuses_a_taken_port_and_names_the_next_step(tmp_path):
    with closing(socket.socket()) as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = ["up", "--port", str(port), "--data", str(tmp_path / "data")]
        done = subprocess.run(
            [sys.executable, "-m", "web.cli", *command], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == f"Error: Port {port} is taken. Choose another one: clorp up --port {port + 1}\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "option", [["--port", "65536"], ["--port", "-1"], ["--workers", "0"], ["--workers", "33"]]
)
def test_up_refuses_what_cannot_be(clorp, option):
    assert clorp("up", *option).exit_code == 2


def test_a_scripts_output_is_json_and_nothing_else(clorp, database):
    for command in (["audit"], ["doctor"], ["admin", "user", "ann"]):
        json.loads(clorp(*command, "--json").stdout)


@pytest.mark.parametrize("command", [["up"], ["migrate"], ["audit"], ["admin", "user", "ann"]])
def test_a_mistyped_setting_is_one_line_and_no_traceback(clorp, unset, command):
    unset.setenv("CLORP_MAX_CLAIMS", "five")
    unset.setenv("CLORP_REDIS_URL", "nonsense")
    settings.cache_clear()
    result = clorp(*command)
    assert result.exit_code == 1
    lines = result.output.removeprefix("Error: ").splitlines()
    assert [line.split()[0].rstrip(":") for line in lines] == ["CLORP_REDIS_URL", "CLORP_MAX_CLAIMS"]


def test_a_stop_gives_web_more_time_than_web_gives_its_requests():
    children = [*_children(3, ["judge"]), Child("beat", [], 2), Child("servers", [], 0)]
    shares = {child.stage: child.share for child in children}
    assert END_SECONDS * shares[3] / sum(shares.values()) > graceful_timeout + 0.5
