"""What the texts advise can be followed, and is safe to follow."""

import re
import subprocess

import pytest

from tests.rules.source import ROOT

# Anybody may register a package of our name: an advice to install one would run what they put there.
BY_NAME = re.compile(
    r"\b(pip3?|pipx|uv|uvx|poetry|npm|npx)\b[^\n`]{0,40}?\b(install|add|run|tool)?\s+['\"]?clorp\b(?!/)"
)


def texts() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    suffixes = (".py", ".md", ".toml", ".yml", ".html", "Makefile", "Dockerfile", ".txt", ".j2")
    return [name for name in listed.stdout.split("\0") if name.endswith(suffixes)]


@pytest.mark.parametrize(
    "advice",
    ["pip install clorp", "pip install 'clorp[embedded]'", "uvx clorp", "pipx run clorp", "uv add clorp"],
)
def test_an_advice_to_install_by_name_would_be_found(advice: str):
    assert BY_NAME.search(advice)


def test_no_text_advises_to_install_clorp_by_its_name():
    found = {
        name: match[0]
        for name in texts()
        if name != "tests/rules/test_advice.py" and (match := BY_NAME.search((ROOT / name).read_text()))
    }
    assert found == {}
