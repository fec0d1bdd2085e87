"""What is installed is what was locked, byte for byte; and what an audit of it says counts."""

import json
import re
import tomllib

import pytest

from tests.advisories import Report
from tests.rules.source import ROOT

LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def packages(lock: str) -> dict[str, list[str]]:
    """By name, the hashes that stand behind it."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {line.partition("==")[0]: HASH.findall(line) for line in lines}


def wanted(*requirements: str) -> set[str]:
    names = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", found[0]).lower() for found in names if found}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_held_to_its_hashes(lock: str):
    found = packages(lock)
    assert found
    assert [name for name, hashes in found.items() if not hashes] == []
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*(\[[a-z,]+\])?", name) for name in found)


def test_every_dependency_is_locked():
    extras = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    assert wanted(*PROJECT["dependencies"], *extras) <= wanted(*packages("requirements.lock"))
    assert wanted(*PROJECT["dependencies"]) <= wanted(*packages("requirements-server.lock"))


def test_nothing_is_installed_without_its_hash():
    installs = re.findall(r"pip install (.+)", (ROOT / "Makefile").read_text())
    ours = [
        line for line in installs if not re.search(r"-qq uv\b", line)
    ]  # makes locks, and installs nothing
    assert [line for line in ours if "--require-hashes" not in line and "--no-deps" not in line] == []
    assert any("--require-hashes -r requirements.lock" in line for line in ours)


# The audit of them ---------------------------------------------------------------------------------

FINE = {"name": "flask", "version": "3.1.0", "vulns": []}
SKIPPED = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited"}
BAD = {"name": "jinja2", "version": "3.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}]}


@pytest.mark.parametrize(
    ("rows", "strict", "tolerant"),
    [
        ([FINE], 0, 0),
        ([FINE, SKIPPED], 2, 0),
        ([SKIPPED], 2, 0),
        ([], 2, 0),
        ([FINE, BAD], 1, 1),
        ([SKIPPED, BAD], 1, 1),
    ],
)
def test_a_known_vulnerability_always_fails_and_ignorance_where_it_matters(rows, strict, tolerant):
    report = Report.read(json.dumps({"dependencies": rows, "fixes": []}))
    assert (report.verdict(tolerant=False), report.verdict(tolerant=True)) == (strict, tolerant)
    assert ("VULNERABLE: jinja2 3.0.0: PYSEC-1, mended in 3.1.6" in report.told()) == (BAD in rows)
    assert ("NOT AUDITED" in report.told()) == (SKIPPED in rows or not rows)


@pytest.mark.parametrize("output", ["", "[]", "{}", "null", "<html>"])
def test_no_answer_is_no_good_news(output):
    report = Report.read(output, "Traceback\nConnectionError: no route")
    assert (report.verdict(tolerant=False), report.verdict(tolerant=True)) == (2, 0)
    assert (
        report.told() == "WARNING: NOT AUDITED, no advisories could be asked for: ConnectionError: no route"
    )
