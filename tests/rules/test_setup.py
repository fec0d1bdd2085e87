"""`make` in a fresh clone: its help fits a terminal, and the setup shows that it moves."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.rules.source import ROOT

TERMINAL_COLUMNS = 80

# A Python that makes an environment of itself, and fetches two packages.
PYTHON = """#!/bin/sh
case "$*" in
"-m venv --clear .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
*requirements.lock)
    echo "Collecting flask==3.1.0 (from -r requirements.lock (line 1))"
    echo "Collecting click==8.2.0 (from -r requirements.lock (line 2))"
    echo "Installing collected packages: flask, click"
    exit "$PIP_EXIT" ;;
--version) echo "Python 3.13.0" ;;
esac
"""


def make(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-f", ROOT / "Makefile", *args],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements.lock").write_text("flask==3.1.0 \\\nclick==8.2.0 \\\n")
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def test_the_help_fits_a_terminal():
    lines = make(ROOT, "help").stdout.splitlines()
    assert len(lines) > 5
    assert [line for line in lines if len(line) > TERMINAL_COLUMNS] == []


def test_the_setup_says_how_far_it_is(clone):
    result = make(clone, "setup", f"PYTHON={clone}/python", PIP_EXIT="0")
    assert result.returncode == 0, result.stderr
    assert "  1 of at most 2: flask==3.1.0\n  2 of at most 2: click==8.2.0\n" in result.stdout
    assert (clone / ".venv/ready").exists()


def test_a_setup_that_failed_is_not_taken_for_one(clone):
    assert make(clone, "setup", f"PYTHON={clone}/python", PIP_EXIT="1").returncode != 0
    assert not (clone / ".venv/ready").exists()
