"""Where settings come from, and which values are refused."""

import pytest
from pydantic import ValidationError

from models.settings import Settings, settings


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_the_environment_is_read_once(monkeypatch):
    settings.cache_clear()
    assert settings() is settings()
    settings.cache_clear()


def test_the_environment_counts_more_than_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("CLORP_MAX_CLAIMS=7\nCLORP_NO_SHOW_LIMIT=9\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("CLORP_MAX_CLAIMS", "2")
    assert (Settings().max_claims, Settings().no_show_limit) == (2, 9)


def test_an_empty_variable_is_no_variable(monkeypatch):
    monkeypatch.setenv("CLORP_MAX_CLAIMS", "")
    assert Settings().max_claims == 5


def test_the_cron_secret_has_the_name_the_public_api_gave_it(monkeypatch):
    monkeypatch.setenv("CRON_SECRET", "s3cret")
    assert Settings().cron_secret == "s3cret"


def test_addresses_as_hosting_services_write_them_are_understood(monkeypatch):
    monkeypatch.setenv("CLORP_DATABASE_URL", "postgres://u@h/postgres://d")
    assert Settings().database_url == "postgresql://u@h/postgres://d"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_CLAIMS", "0"),
        ("MAX_CLAIMS", "51"),
        ("PLATFORM_FEE_BPS", "10001"),
        ("PLATFORM_FEE_FLAT_CENTS", "-1"),
        ("SWEEP_SECONDS", "0"),
        ("MAX_IDLE_CLAIMS", "many"),
    ],
)
def test_a_value_out_of_range_is_refused_at_the_start(monkeypatch, name: str, value: str):
    monkeypatch.setenv(f"CLORP_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_settings_do_not_change_underway():
    with pytest.raises(ValidationError):
        Settings().max_claims = 7
