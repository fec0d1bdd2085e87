"""How client commands end that do not succeed: an exit code, a sentence, a next step, and never a hang."""

import json
import os
import pty
import signal
import subprocess
import sys
from uuid import uuid4

import pytest

from tests.support import claim, close, let_time_pass, people, person, post, submit, unchanged
from tests.workers.processes import PATIENCE_SECONDS, child, until
from web import watch
from web.cli import _EXITS, main

ID = "01a20dee-ac30-7ace-b2b6-7933bc282913"
CLORP = [sys.executable, "-m", "web.cli"]


@pytest.fixture
def env(api_url: str) -> dict[str, str]:
    """What a process of its own needs to speak as somebody with money."""
    return {**os.environ, "CLORP_API_URL": api_url, "CLORP_API_KEY": person(1000).key}


def run(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLORP, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("prompt", ["", " ", "\u200b\u200b\u2060", "\u3164", "\u2800", "\u0301"])
def test_a_blank_prompt_or_entry_is_refused_with_the_reason(by, prompt):
    ada, bob = person(1000), person()
    job_id = post(ada)
    with unchanged():
        for command in ((ada, "drop", prompt, "-y"), (bob, "submit", job_id, "--text", prompt)):
            result = by(*command)
            assert result.exit_code == 2, result.output
            assert "visible" in result.stderr or "needs text or files" in result.stderr


def test_every_kind_has_an_exit_code_of_its_own(by):
    ada, bob = person(100), person()
    job_id = post(ada)
    for who in people(5):
        claim(who, job_id)
    codes = {
        by(ada, "jobs", "--status", "nonsense").exit_code: 2,
        by(None, "whoami").exit_code: 3,
        by(bob, "drop", "x", "-y").exit_code: 4,
        by(bob, "view", uuid4()).exit_code: 5,
        by(bob, "claim", job_id).exit_code: 6,
    }
    assert codes == {code: code for code in (2, 3, 4, 5, 6)}
    assert by(ada, "claim", job_id).exit_code == 5  # her own


def test_too_much_at_once_is_7_and_says_when_to_come_back(by):
    bob, sender = person(), person(600)
    for _ in range(3):
        claim(bob, post(sender, time_limit_seconds=3600))
    result = by(bob, "claim", post(sender))
    assert result.exit_code == 7
    assert "Try again in " in result.stderr


def test_what_is_too_late_to_call_off_is_a_conflict(by):
    ada = person(100)
    job_id = post(ada)
    submit(person(), job_id)
    let_time_pass(job_id)
    close(job_id)
    assert by(ada, "cancel", job_id, "-y").exit_code == 6


def test_nobody_answering_is_8_and_says_what_to_do(clorp, home, monkeypatch):
    monkeypatch.setenv("CLORP_API_URL", "http://127.0.0.1:9")
    result = clorp("board")
    assert result.exit_code == 8
    assert result.stdout == ""
    assert "Error: http://127.0.0.1:9 cannot be reached" in result.stderr
    assert "clorp up" in result.stderr


def test_a_refusal_is_a_sentence_and_a_next_step(by):
    result = by(person(), "view", ID)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "Error: There is nothing here, or nothing you may see.",
        "Check the id: `clorp jobs` and `clorp status` list yours, `clorp board` what is open.",
        "Asked with the key in CLORP_API_KEY; --profile NAME asks with another.",
    ]


def test_a_refusal_is_the_problem_document_for_scripts(by):
    result = by(person(), "view", ID, "--json")
    assert (result.exit_code, result.stdout) == (5, "")
    assert json.loads(result.stderr)["code"] == "not_found"
    assert json.loads(result.stderr)["request_id"]
    assert json.loads(by(None, "status", "--json").stderr)["code"] == "unauthenticated"
    assert json.loads(by(person(), "cancel", ID, "--json").stderr)["code"] == "unconfirmed"


def test_a_field_that_is_wrong_is_named(by):
    assert "prompt:" in by(person(), "drop", " ", "-y").stderr


@pytest.mark.parametrize(
    "command",
    [
        ["drop"], ["drop", ""], ["drop", "x", "--price", "1.50"], ["drop", "x", "--price", "$1.5"],
        ["drop", "x", "--price", "-1"], ["drop", "x", "--time", ""], ["drop", "x", "--time", "soon"],
        ["drop", "x", "--min-grade", "E"], ["drop", "x", "--attach", "none.txt"], ["drop", "@none.txt"],
        ["view", "1"], ["claim", "../x"], ["submit", ID], ["submit", ID, "none.txt"],
        ["submit", ID, "-", "--text", "x"], ["agents", "edit", ID], ["wallet", "auto-topup"],
        ["wallet", "auto-topup", "--off", "--below", "5"], ["keys", "create", "x", "--scope", "all"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_2(by, command):
    assert by(person(), *command).exit_code == 2


def test_the_exit_codes_are_told(clorp):
    told = clorp("--help").stdout
    assert all(f"  {code} " in told and meaning in told for code, meaning in _EXITS)
    assert main.name == "main"


# Never a hang, never a traceback -----------------------------------------------------------------


@pytest.mark.parametrize("command", [["drop", "x"], ["drop", "x", "--json"], ["cancel", ID], ["login"]])
def test_where_nobody_can_be_asked_nothing_hangs(env, command):
    done = run(env, *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "-y" in done.stderr or "--key" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_stdin_is_an_empty_prompt(env):
    done = run(env, "drop", "-", "-y")
    assert done.returncode == 2
    assert "prompt" in done.stderr


@pytest.mark.parametrize(("typed", "code", "drops"), [(b"y\n", 0, 1), (b"n\n", 1, 0), (b"\x04", 130, 0)])
def test_somebody_is_asked(env, typed, code, drops):
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [*CLORP, "drop", "Name three rivers."],
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.PIPE,
            env=env,
        ) as process:
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(ours, 4096)
            os.write(ours, typed)
            assert process.wait(PATIENCE_SECONDS) == code
        assert b"$1.00" in shown
    finally:
        os.close(ours)
        os.close(theirs)
    assert len(json.loads(run(env, "jobs", "--json").stdout)) == drops


def test_a_question_is_broken_between_words(env, tmp_path):
    home = {**env, "HOME": str(tmp_path), "COLUMNS": "80"}
    login = run(home, "login", "--key", env["CLORP_API_KEY"])
    assert login.returncode == 0, login.stderr
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen([*CLORP, "logout"], stdin=theirs, stderr=theirs, env=home) as process:
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(ours, 4096)
            os.write(ours, b"n\n")
            assert process.wait(PATIENCE_SECONDS) == 1
    finally:
        os.close(ours)
        os.close(theirs)
    lines = shown.decode().split("\r\n")
    assert len(lines) > 1
    assert all(len(line) <= 80 and line == line.lstrip() for line in lines)


def test_ctrl_c_ends_it_quietly(env):
    job_id = json.loads(run(env, "drop", "x", "-y", "--json").stdout)["id"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with child([*CLORP, "wait", job_id], **pipes, env=env) as waiting:
        until("its question to be held back", lambda: watch.count() or waiting.poll() is not None)
        waiting.send_signal(signal.SIGINT)
        _, errors = waiting.communicate(timeout=PATIENCE_SECONDS)
    assert waiting.returncode == 130
    assert b"Traceback" not in errors
    assert f"\n  clorp wait {job_id}\n".encode() in errors  # whole, on a line of its own


@pytest.mark.parametrize(
    "command", [["board"], ["board", "--json"], ["board", "--watch", "--json"], ["board", "--watch"]]
)
def test_a_pipe_that_is_closed_ends_it_quietly(env, command):
    post(person(100))
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen([*CLORP, *command], stdout=writing, stderr=subprocess.PIPE, env=env) as process:
        os.close(writing)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode != 0
    assert errors == b""
