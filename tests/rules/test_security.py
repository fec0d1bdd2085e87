"""SECURITY.md promises nothing that no test holds."""

import ast
import re

from tests.rules.source import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| API\d", line)
]


def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_risk_of_the_list_has_one_line():
    assert [risk.partition(" ")[0] for risk, _, _ in ROWS] == [f"API{number}" for number in range(1, 11)]


def test_every_line_says_what_is_done_and_names_tests_and_nothing_else():
    for risk, done, held in ROWS:
        assert done, risk
        assert TEST.findall(held), risk
        assert not TEST.sub("", held).strip(), risk


def test_every_named_test_exists():
    named = TEST.findall(PAGE)
    assert PAGE.count("::") == len(named)
    missing = [f"{path}::{name}" for path, name in named if name not in names_in(path)]
    assert missing == []
    assert all(name.startswith("test_") for _, name in named)
