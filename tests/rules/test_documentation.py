"""What an operator can turn is described, in the code and in the README."""

import re

import pytest

from models.settings import Settings
from tests.rules.source import ROOT

README = (ROOT / "README.md").read_text()
ROWS = [line for line in README.splitlines() if line.startswith("|")]


def env_name(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias or f"CLORP_{field.upper()}")


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_has_a_sentence(field: str):
    description = Settings.model_fields[field].description or ""
    assert description.endswith(".")


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_stands_in_the_readme_as_it_is(field: str):
    setting = Settings.model_fields[field]
    computed = setting.default is None or setting.default_factory is not None
    default = (
        "" if computed else f"`{setting.default:g}`" if field.endswith("seconds") else f"`{setting.default}`"
    )
    assert f"| `{env_name(field)}` | {default} | {setting.description} |" in ROWS


def test_the_readme_names_no_setting_that_does_not_exist():
    named = set(re.findall(r"`(CLORP_[A-Z_]+)`", "\n".join(ROWS)))
    assert named <= {env_name(field) for field in Settings.model_fields}
