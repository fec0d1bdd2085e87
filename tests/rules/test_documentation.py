"""What an operator can turn and what a client can ask is described, in the code and in the README."""

import re

import pytest
from pydantic.fields import FieldInfo

from models.settings import Settings
from tests.contracts.routes import every_route
from tests.rules.source import ROOT

README = (ROOT / "README.md").read_text()
API = [
    line
    for line in README.partition("\n## The API\n")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| `")
]
OF_THE_CLIENT = {
    "CLORP_API_KEY",
    "CLORP_API_URL",
    "CLORP_PROFILE",
}  # read by the command
ROWS = [line for line in README.splitlines() if line.startswith("|")]


def env_name(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias or f"CLORP_{field.upper()}")


def shown(setting: FieldInfo) -> str:
    """A default as an operator would write it; nothing where it is worked out."""
    if setting.default is None or setting.default_factory is not None:
        return ""
    if isinstance(setting.default, bool):
        return "`on`" if setting.default else "`off`"
    return f"`{setting.default:g}`" if isinstance(setting.default, float) else f"`{setting.default}`"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_has_a_sentence(field: str):
    description = Settings.model_fields[field].description or ""
    assert description.endswith(".")


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_stands_in_the_readme_as_it_is(field: str):
    setting = Settings.model_fields[field]
    assert f"| `{env_name(field)}` | {shown(setting)} | {setting.description} |" in ROWS


def test_the_readme_names_no_setting_that_does_not_exist():
    named = set(re.findall(r"\b(CLORP_[A-Z_]+)\b", README))
    assert named - OF_THE_CLIENT <= {env_name(field) for field in Settings.model_fields}


def test_the_readme_lists_every_route_once_and_no_other():
    cells = [line.split("|")[1] for line in API]
    listed = [name for cell in cells for name in re.findall(r"`([A-Z]+ /[^`]*)`", cell)]
    assert sorted(listed) == sorted(every_route())


def test_each_route_of_the_readme_says_who_may_and_what_it_does():
    for line in API:
        _, who, what = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        assert who, line
        assert what, line
