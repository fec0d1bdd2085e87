"""`clorp help`, `version`, `completion`, and the help of every command."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.workers.processes import PATIENCE_SECONDS, signals_for_children
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


def completed(folder: Path, *words: str) -> list[str]:
    """What zsh is offered for the last of these words; a file is offered as `file`."""
    result = subprocess.run(
        [str(Path(sys.executable).with_name("clorp"))],
        env={
            "HOME": str(folder),
            "_CLORP_COMPLETE": "zsh_complete",
            "COMP_WORDS": shlex.join(("clorp", *words)),
            "COMP_CWORD": str(len(words)),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    lines = result.stdout.strip("\n").splitlines()
    return [value if kind == "plain" else kind for kind, value in zip(lines[::3], lines[1::3], strict=True)]


def test_files_and_profiles_are_completed(tmp_path):
    profiles = {name: {"api_url": "http://127.0.0.1:9"} for name in ("ada", "bob", "bea")}
    (tmp_path / ".clorp").mkdir()
    (tmp_path / ".clorp/credentials.json").write_text(json.dumps({"current": "ada", "profiles": profiles}))
    (tmp_path / "README.md").write_text("x")
    assert completed(tmp_path, "board", "--profile", "b") == ["bob", "bea"]
    assert completed(tmp_path, "profiles", "use", "a") == ["ada"]
    assert completed(tmp_path, "submit", "x", "READ") == ["file"]
    assert completed(tmp_path, "drop", "@READ") == ["@README.md"]
    (tmp_path / ".clorp/credentials.json").write_text("{")
    assert completed(tmp_path, "profiles", "use", "a") == []


def test_bash_completes_files_where_the_command_offers_nothing(clorp):
    assert "complete -o default " in clorp("completion", "bash").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_advice_to_install_completion_works_in_a_new_home(tmp_path, shell):
    example = next(line for line in COMMANDS[("completion",)].examples if f"completion {shell}" in line)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    subprocess.run(["bash", "-c", example], env={"HOME": str(tmp_path), "PATH": path}, check=True)
    (file,) = [found for found in tmp_path.rglob("*clorp*") if found.is_file()]
    assert "_CLORP_COMPLETE" in file.read_text()


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_is_explained(path):
    context = click.Context(COMMANDS[path])
    for param in COMMANDS[path].get_params(context):
        if isinstance(param, click.Option):
            assert param.help, param.opts
            assert "RANGE" not in param.make_metavar(context), param.opts


# Where the process is in trouble -------------------------------------------------------------------


@pytest.mark.parametrize("args", ["version", "help", "--help", "board --help", "profiles --json"])
def test_a_closed_stdout_is_told_in_a_sentence(tmp_path, args):
    result = in_shell(f"clorp {args} >&-", tmp_path)
    assert (result.returncode, result.stderr) == (
        1,
        "Error: The output cannot be written: Bad file descriptor.\n",
    )


def test_a_closed_stderr_or_stdin_harms_nobody(tmp_path):
    assert in_shell("clorp version 2>&- <&-", tmp_path).returncode == 0
    assert in_shell("clorp bord 2>&-", tmp_path).returncode == 2
    nobody = in_shell("clorp logout --profile x <&-", tmp_path)
    assert (nobody.returncode, nobody.stderr) == (0, "")


def test_ctrl_c_while_it_still_imports_ends_it_quietly(tmp_path):
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    result = in_shell("clorp version", tmp_path, PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def in_shell(command: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a shell does."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with signals_for_children():
        return subprocess.run(
            ["bash", "-c", command],
            env={"HOME": str(home), "PATH": path, **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


def test_help_wants_nothing_slow():
    """Neither the database nor rich nor an HTTP client is imported for the help of everything."""
    code = "import sys; import web.cli; print(*({'sqlalchemy', 'rich', 'httpx2', 'icu'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "\n"
