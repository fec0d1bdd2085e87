"""Where settings come from, and which values are refused."""

import pytest
from pydantic import ValidationError

from models.settings import Settings, SettingsError, misspelt, settings

SECRET = "Zm9yIGNyb24gYW5kIG1ldHJpY3M"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


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
    monkeypatch.setenv("CRON_SECRET", SECRET)
    assert Settings().cron_secret == SECRET


@pytest.mark.parametrize("name", ["CRON_SECRET", "CLORP_METRICS_TOKEN"])
def test_a_secret_that_can_be_guessed_is_refused_at_the_start(monkeypatch, name):
    monkeypatch.setenv(name, SECRET[:15])
    with pytest.raises(SettingsError) as caught:
        settings()
    assert str(caught.value).startswith(
        f"{name}: a secret of fewer than 16 characters can be guessed: take a"
    )
    assert SECRET[:15] not in str(caught.value)
    monkeypatch.setenv(name, f"  {SECRET[:16]}\n")  # as a file may hold it
    assert SECRET[:16] in (settings().cron_secret, settings().metrics_token)
    assert SECRET[:16] not in repr(settings())


@pytest.mark.parametrize("name", ["CRON_SECRET", "CLORP_METRICS_TOKEN"])
def test_a_secret_that_no_header_can_hold_is_refused(monkeypatch, name):
    monkeypatch.setenv(name, "schlüssel-für-alle-türen")
    with pytest.raises(SettingsError, match="printable ASCII"):
        settings()


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


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CLORP_MAX_CLAIMS", "five", "CLORP_MAX_CLAIMS: must be a whole number"),
        ("CLORP_DATABASE_URL", "nonsense", "CLORP_DATABASE_URL: no address of a PostgreSQL"),
        ("CLORP_DATABASE_URL", "mysql://u:s3cret@y/z", "CLORP_DATABASE_URL: no address of a PostgreSQL"),
        ("CLORP_REDIS_URL", "nonsense", "CLORP_REDIS_URL: no address of a Redis or Valkey"),
        ("CLORP_CRASH_AT", "paying:", "CLORP_CRASH_AT: has to be one of funded, answer,"),
        ("CLORP_CRASH_AT", "paying:x", "CLORP_CRASH_AT: has to be one of funded, answer,"),
        ("CLORP_UPLOADS", "ftp://s3cret", "CLORP_UPLOADS: must match"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_one_line(monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        settings()
    assert str(caught.value).startswith(told)
    assert len(str(caught.value).splitlines()) == 1
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://h/0", "rediss://:p@h:1/0", "postgresql+psycopg2://u@h/d"])
def test_addresses_that_can_be_used_are_taken(monkeypatch, url):
    monkeypatch.setenv("CLORP_REDIS_URL" if "redis" in url else "CLORP_DATABASE_URL", url)
    assert url in (settings().redis_url, settings().database_url)


def test_every_setting_that_cannot_be_used_has_its_line(monkeypatch):
    monkeypatch.setenv("CLORP_MAX_CLAIMS", "five")
    monkeypatch.setenv("CLORP_LOG", "xml")
    with pytest.raises(SettingsError) as caught:
        settings()
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "CLORP_MAX_CLAIMS",
        "CLORP_LOG",
    ]


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / ".env").write_bytes("CLORP_CRON=\xe9".encode("latin-1"))
    for read in (settings, misspelt):
        with pytest.raises(SettingsError, match=rf"{tmp_path}/\.env is no text in UTF-8"):
            read()


def test_a_name_that_nothing_reads_is_told_with_the_one_that_was_meant(monkeypatch, tmp_path):
    assert misspelt() == []
    monkeypatch.setenv("CLORP_MAX_CLAIM", "3")
    monkeypatch.setenv("CLORP_API_KEY", "clorp_x")
    (tmp_path / ".env").write_text("clorp_signups=off\nCLORP_XYZZY=1\nPOSTGRES_PASSWORD=x\n")
    assert misspelt() == [
        "CLORP_MAX_CLAIM is no setting: did you mean CLORP_MAX_CLAIMS?",
        "CLORP_SIGNUPS is no setting: did you mean CLORP_SIGNUP?",
        "CLORP_XYZZY is no setting",
    ]


def test_a_worker_casts_more_ballots_at_once_where_it_waits_for_a_model(settle):
    assert settings().ballots_at_once == 8
    settle(judge="llm", llm_model="m")
    assert settings().ballots_at_once == 128
    settle(judge_concurrency=3)
    assert settings().ballots_at_once == 3


def test_a_judge_that_asks_a_model_wants_to_know_which(settle):
    settle(judge="llm")
    with pytest.raises(SettingsError, match="CLORP_LLM_MODEL"):
        settings()


def test_a_cap_on_cents_wants_prices(settle):
    settle(llm_cents_per_day_max=100)
    with pytest.raises(SettingsError, match="CLORP_LLM_INPUT_CENTS_PER_MILLION"):
        settings()


@pytest.mark.parametrize("url", [
    "http://a..b/v1", "http://[::1/v1", "http://:80/v1", "http:///v1", "http://h:99999/v1", "http://h:0/v1",
    f"http://{'a' * 80}.x/v1",
])  # fmt: skip
def test_a_model_wants_an_address_with_a_host(settle, url):
    settle(llm_base_url=url)
    with pytest.raises(
        SettingsError, match="CLORP_LLM_BASE_URL: no address that can be asked: it needs a ho"
    ):
        settings()


@pytest.mark.parametrize("url", ["http://h/v1?k=1", "http://h/v1#x"])
def test_a_model_wants_an_address_that_can_be_added_to(settle, url):
    settle(llm_base_url=url)
    with pytest.raises(SettingsError, match=r"CLORP_LLM_BASE_URL: .* leave out everything from"):
        settings()


@pytest.mark.parametrize("url", ["http://[::1]:8/v1", "http://a_b/v1", "https://u:p@bücher.example/v1/"])
def test_addresses_of_a_model(settle, url):
    settle(llm_base_url=url)
    assert settings().llm_base_url == url


@pytest.mark.parametrize("key", ["sk-š", "sk-a\nb", "sk-a\tb", "sk-\x7f"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(settle, key):
    settle(llm_api_key=key)
    with pytest.raises(SettingsError, match="CLORP_LLM_API_KEY: a key is printable ASCII") as refused:
        settings()
    assert key not in str(refused.value)


def test_what_stands_around_a_key_is_none_of_it(settle):
    settle(llm_api_key=" sk-a\n")
    assert settings().llm_api_key == "sk-a"
