"""`clorp login`, `logout`, `whoami`: where keys are stored, and which one counts."""

import json
import stat
from pathlib import Path

import pytest

from tests.serving import serving
from tests.support import person
from web.app import create_app


@pytest.fixture
def credentials(home: Path) -> Path:
    return home / ".clorp/credentials.json"


def test_a_key_is_stored_for_nobody_else_to_read(clorp, api_url, credentials):
    ada = person(700, "ada")
    result = clorp("login", "--api-url", api_url, "--key", ada.key)
    assert result.exit_code == 0, result.output
    assert ada.key not in result.output
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(credentials.parent.stat().st_mode) == 0o700
    assert list(credentials.parent.iterdir()) == [credentials]
    assert json.loads(clorp("whoami", "--json").stdout)["id"] == str(ada.id)
    assert "$7.00" in clorp("whoami").stdout


def test_a_folder_that_was_open_is_closed(clorp, api_url, credentials):
    credentials.parent.mkdir(parents=True)
    credentials.parent.chmod(0o755)
    assert clorp("login", "--api-url", api_url, "--key", person().key).exit_code == 0
    assert stat.S_IMODE(credentials.parent.stat().st_mode) == 0o711


def test_a_key_may_come_from_a_pipe(clorp, by, api_url, credentials):
    ada = person(name="ada")
    result = by(None, "login", "--key", "-", stdin=f"{ada.key}\n")
    assert result.exit_code == 0, result.output
    assert json.loads(credentials.read_text())["servers"][api_url]["api_key"] == ada.key


@pytest.mark.parametrize("key", ["clorp_wrong", "nonsense"])
def test_a_key_that_does_not_work_is_not_stored(clorp, api_url, credentials, key):
    result = clorp("login", "--api-url", api_url, "--key", key)
    assert result.exit_code == 3
    assert f"Error: {api_url} does not know this key." in result.stderr
    assert not credentials.exists()


def test_each_server_has_its_own_key(clorp, api_url, credentials):
    ada, bob = person(name="ada"), person(name="bob")
    with serving(create_app()) as other:
        clorp("login", "--api-url", api_url, "--key", ada.key)
        clorp("login", "--api-url", f"{other}/api/", "--key", bob.key)
        assert json.loads(clorp("whoami", "--json").stdout)["name"] == "bob"
        assert clorp("logout").exit_code == 0
        assert clorp("whoami").exit_code == 3
        assert clorp("login", "--api-url", api_url, "--key", ada.key).exit_code == 0
    assert json.loads(clorp("whoami", "--json").stdout)["name"] == "ada"


def test_the_environment_wins(clorp, api_url, monkeypatch, credentials):
    clorp("login", "--api-url", api_url, "--key", person(name="ada").key)
    monkeypatch.setenv("CLORP_API_KEY", person(name="bob").key)
    assert json.loads(clorp("whoami", "--json").stdout)["name"] == "bob"
    monkeypatch.setenv("CLORP_API_URL", "http://127.0.0.1:9")
    assert clorp("whoami").exit_code == 8


def test_a_stored_key_goes_to_its_own_server_only(clorp, api_url, monkeypatch, credentials):
    clorp("login", "--api-url", api_url, "--key", person().key)
    monkeypatch.setenv("CLORP_API_URL", "http://127.0.0.1:9")
    assert clorp("whoami").exit_code == 3


def test_logging_out_twice_is_no_error(clorp, api_url, credentials):
    clorp("login", "--api-url", api_url, "--key", person().key)
    assert clorp("logout").output == f"Logged out of {api_url}.\n"
    assert clorp("logout").output == f"You were not logged in to {api_url}.\n"
    assert json.loads(clorp("logout", "--json").stdout) == {"logged_out": False, "api_url": api_url}


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"current": "x"}', '{"current": 1, "servers": {"a": 1}}']
)
def test_a_damaged_file_is_named(clorp, home, credentials, content):
    credentials.parent.mkdir(parents=True)
    credentials.write_text(content)
    result = clorp("whoami")
    assert result.exit_code == 1
    assert f"{credentials} is damaged." in result.output


def test_signing_up_stores_the_new_key(clorp, api_url, credentials):
    result = clorp("login", "--api-url", api_url, "--signup", "ada", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert json.loads(credentials.read_text())["servers"][api_url] == {
        "api_key": told["api_key"],
        "name": "ada",
    }
    assert json.loads(clorp("whoami", "--json").stdout)["id"] == told["id"]
    assert clorp("login", "--api-url", api_url, "--signup", "ada").exit_code == 6  # the name is taken


def test_a_key_and_a_new_user_exclude_each_other(clorp, home):
    assert clorp("login", "--key", "x", "--signup", "ada").exit_code == 2


@pytest.mark.parametrize("url", ["nonsense", "ftp://a.example", "http://"])
def test_what_is_no_address_is_wrong_usage(clorp, home, url):
    result = clorp("login", "--api-url", url, "--key", "clorp_x")
    assert result.exit_code == 2
    assert "is no address" in result.stderr
