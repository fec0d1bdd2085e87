"""Who may import whom: the contracts stand in pyproject.toml."""

import ast

from importlinter.cli import lint_imports

from tests.rules.source import ROOT


def test_imports_keep_the_layers(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_celeryconfig_knows_the_settings_and_nothing_else_of_ours():
    nodes = ast.walk(ast.parse((ROOT / "celeryconfig.py").read_text()))
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported == {"models.settings", "kombu.entity"}
