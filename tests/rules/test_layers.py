"""Who may import whom: the contracts stand in pyproject.toml."""

import ast
import logging
from collections.abc import Iterator

import pytest
from importlinter.cli import lint_imports

from tests.rules.source import ROOT


@pytest.fixture
def loggers() -> Iterator[None]:
    """Switch every logger on again: import-linter leaves those disabled that it meets."""
    yield
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


def test_imports_keep_the_layers(monkeypatch, loggers):
    monkeypatch.syspath_prepend(ROOT)
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_celeryconfig_knows_the_settings_and_nothing_else_of_ours():
    nodes = ast.walk(ast.parse((ROOT / "celeryconfig.py").read_text()))
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported == {"models.settings", "kombu.entity"}
