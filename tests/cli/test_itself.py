"""`clorp help`, `version`, `completion`, and the help of every command."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.workers.processes import PATIENCE_SECONDS
from web.cli import main
from web.cli.commands import Command, Group


def every(command: click.Command, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command by the words that call it."""
    found = {path: command}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found |= every(below, (*path, name))
    return found


COMMANDS = every(main)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_help_has_two_examples_that_can_be_typed(path):
    command = COMMANDS[path]
    assert isinstance(command, Command | Group)
    assert len(command.examples) >= 2
    for example in command.examples:
        words = shlex.split(example.replace("|", " ").replace("&&", " ").replace(">", " ").replace("<", " "))
        called = [tuple(words[n + 1 : n + 1 + len(path)]) for n, word in enumerate(words) if word == "clorp"]
        assert path in called or path == ("version",), example


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=" ".join)
def test_help_of_a_command_is_the_same_both_ways(clorp, path):
    shown = clorp(*path, "--help")
    assert shown.exit_code == 0
    assert "Examples:" in shown.stdout
    assert clorp("help", *path).stdout == shown.stdout


def test_a_client_command_takes_profile_and_server_before_and_behind_its_name(clorp, home):
    for args in (("--api-url", "http://127.0.0.1:9", "board"), ("board", "--api-url", "http://127.0.0.1:9")):
        assert clorp(*args).exit_code == 8
    for path, command in COMMANDS.items():
        if command.callback and command.callback.__module__.startswith("web.cli.client"):
            names = {name for param in command.params for name in param.opts}
            assert names >= {"--json", "--profile", "--api-url"}, path


@pytest.mark.parametrize("args", [("version",), ("-V",), ("--version",)])
def test_the_version_three_ways(clorp, args):
    assert re.fullmatch(r"clorp, version \d+\.\d+\.\d+\n", clorp(*args).stdout)


def test_help_without_a_name_is_that_of_the_whole(clorp):
    assert clorp("help").stdout == clorp("--help").stdout
    assert "Exit codes:" in clorp("help").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes(clorp, shell):
    script = clorp("completion", shell).stdout
    assert "_CLORP_COMPLETE" in script
    words = "wall" if shell == "fish" else "1"  # the place of the word, but fish hands over the word
    result = subprocess.run(
        [str(Path(sys.executable).with_name("clorp"))],
        env={
            "_CLORP_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": "clorp wall",
            "COMP_CWORD": words,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert "wallet" in result.stdout


def test_help_wants_nothing_slow():
    """Neither the database nor rich nor an HTTP client is imported for the help of everything."""
    code = "import sys; import web.cli; print(*({'sqlalchemy', 'rich', 'httpx2', 'icu'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "\n"
