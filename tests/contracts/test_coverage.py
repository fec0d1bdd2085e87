"""Nothing of the contract goes untested: each route, error code and setting is named by a test of its own.

The tables that list all of them do not count; what is looked through is every other test.
"""

import re
from collections.abc import Iterator

import pytest

from models.settings import Settings
from tests.contracts.routes import every_route
from tests.rules.source import ROOT
from tests.rules.test_documentation import env_name
from web import openapi

TESTS = ROOT / "tests"
LISTS = {
    "contracts/test_coverage.py",
    "contracts/test_who_may.py",
    "rules/test_routes.py",
    "web/test_scopes.py",
}


def _texts() -> Iterator[str]:
    for path in sorted(TESTS.rglob("*.py")):
        if str(path.relative_to(TESTS)) not in LISTS:
            yield path.read_text()


TEXT = "\n".join(_texts())


def pattern(route: str) -> re.Pattern[str]:
    """How a test may write a path: with braces, or digits, where an id belongs."""
    an_id = r"(\{[^{}]+\}|[0-9a-f-]{36})"
    path = re.escape(route.split()[1]).replace("<id>", an_id).replace("<key>", an_id)
    return re.compile(rf"{path}(?![\w/.-])")


@pytest.mark.parametrize("route", every_route())
def test_a_test_asks_for_every_route(route: str):
    assert pattern(route).search(TEXT)


@pytest.mark.parametrize("code", sorted({code for _, code, _, _ in openapi.codes()}))
def test_a_test_provokes_every_code(code: str):
    assert re.search(rf"[\"']{code}[\"']", TEXT)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_test_turns_every_setting(field: str):
    keyword = rf"\bsettle\([^)]*\b{field}="
    assert re.search(rf"{keyword}|\b{env_name(field)}\b", TEXT)
