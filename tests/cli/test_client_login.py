"""`clorp login`, `logout`, `profiles`, `whoami`: where keys are stored, which counts, how none is lost."""

import json
import re
import shlex
import stat
from pathlib import Path

import pytest

from tests.serving import serving
from tests.support import person
from web.app import create_app
from web.cli.client.credentials import NAME


@pytest.fixture
def credentials(home: Path) -> Path:
    return home / ".clorp/credentials.json"


@pytest.fixture
def here(api_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server that every command is asked of."""
    monkeypatch.setenv("CLORP_API_URL", api_url)
    return api_url


def stored(credentials: Path) -> dict:
    return json.loads(credentials.read_text())


def who(clorp, *args: str) -> str:
    return json.loads(clorp("whoami", *args, "--json").stdout)["name"]


def test_a_key_is_stored_for_nobody_else_to_read(clorp, here, credentials):
    ada = person(700, "ada")
    result = clorp("login", "--key", ada.key)
    assert result.exit_code == 0, result.output
    assert ada.key not in result.output
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(credentials.parent.stat().st_mode) == 0o700
    assert list(credentials.parent.iterdir()) == [credentials]
    assert json.loads(clorp("whoami", "--json").stdout)["id"] == str(ada.id)
    assert "$7.00" in clorp("whoami").stdout


def test_a_folder_that_was_open_is_closed(clorp, here, credentials):
    credentials.parent.mkdir(parents=True)
    credentials.parent.chmod(0o755)
    assert clorp("login", "--key", person().key).exit_code == 0
    assert stat.S_IMODE(credentials.parent.stat().st_mode) == 0o711


def test_a_key_may_come_from_a_pipe(by, api_url, credentials):
    ada = person(name="ada")
    result = by(None, "login", "--key", "-", stdin=f"{ada.key}\n")
    assert result.exit_code == 0, result.output
    assert stored(credentials)["profiles"]["default"] == {
        "api_url": api_url, "api_key": ada.key, "user": "ada",
    }  # fmt: skip


@pytest.mark.parametrize("key", ["clorp_wrong", "nonsense"])
def test_a_key_that_does_not_work_is_not_stored(clorp, here, credentials, key):
    result = clorp("login", "--key", key)
    assert result.exit_code == 3
    assert f"Error: {here} does not know this key." in result.stderr
    assert "clorp login --signup NAME" in result.stderr
    assert not credentials.exists()


# Signing up ------------------------------------------------------------------------------------


def test_signing_up_shows_the_key_once_and_stores_it(clorp, here, credentials):
    result = clorp("login", "--signup", "ada")
    assert result.exit_code == 0, result.output
    key = stored(credentials)["profiles"]["default"]["api_key"]
    assert result.stdout.count(key) == 1
    assert "keep a copy" in result.stdout
    assert key not in clorp("whoami").output + clorp("profiles").output


def test_signing_up_as_json_has_the_key_too(clorp, here, credentials):
    told = json.loads(clorp("login", "--signup", "ada", "--json").stdout)
    assert stored(credentials)["profiles"]["default"]["api_key"] == told["api_key"]
    assert json.loads(clorp("whoami", "--json").stdout)["id"] == told["id"]


def test_a_second_sign_up_does_not_overwrite_the_first_key(clorp, here, credentials):
    clorp("login", "--signup", "ada")
    before = credentials.read_text()
    result = clorp("login", "--signup", "bob")
    assert result.exit_code == 6
    assert "The profile default holds the key of ada" in result.stderr
    assert "clorp login --signup bob --profile bob" in result.stderr
    assert credentials.read_text() == before
    assert clorp("login", "--signup", "bob", "--profile", "bob").exit_code == 0  # no user bob was made before
    assert (who(clorp), who(clorp, "--profile", "bob")) == ("ada", "bob")


def suggested(result) -> list[str]:
    """The words of the command that a refusal suggests."""
    assert result.exit_code == 6, result.output
    (line,) = [line for line in result.stderr.splitlines() if "clorp login" in line]
    return shlex.split(line.partition("profile: ")[2].partition("   or give")[0])


@pytest.mark.parametrize("name", [" lead", "a\nb", "o'neill $HOME", "x" * 300, "Ünï", "日本", "-x", "bob"])
def test_the_profile_that_is_suggested_is_free_and_can_be_one(clorp, here, credentials, name):
    clorp("login", "--signup", "ada", "--profile", "bob")
    words = suggested(clorp("login", "--signup", name, "--profile", "bob"))
    assert words[:3] == ["clorp", "login", "--signup"]
    assert words[3] == (name if name.isprintable() else "NAME")
    assert words[4] == "--profile"
    assert NAME.fullmatch(words[5])
    assert words[5] not in stored(credentials)["profiles"]


def test_what_is_suggested_works_as_it_stands(clorp, here, credentials):
    clorp("login", "--signup", "ada", "--profile", "bob")
    words = suggested(clorp("login", "--signup", "bob", "--profile", "bob", "--api-url", here))
    assert words[-2:] == ["--api-url", here]
    assert clorp(*words[1:]).exit_code == 0
    assert who(clorp, "--profile", "bob-2") == "bob"


def test_a_second_profile_is_at_the_server_of_the_one_that_counts(clorp, api_url, credentials):
    clorp("login", "--signup", "ada", "--api-url", api_url)
    assert clorp("login", "--signup", "bob", "--profile", "bob").exit_code == 0
    assert stored(credentials)["profiles"]["bob"]["api_url"] == api_url


def test_a_key_that_stopped_working_is_told_apart_by_where_it_is_from(clorp, here, credentials, monkeypatch):
    clorp("login", "--signup", "bob", "--profile", "bob")
    document = stored(credentials)
    document["profiles"]["bob"]["api_key"] = "clorp_wrong"
    credentials.write_text(json.dumps(document))
    for command in (("whoami",), ("drop", "x", "-y"), ("keys",)):
        result = clorp(*command, "--profile", "bob")
        assert result.exit_code == 3
        assert result.stderr.splitlines() == [
            f"Error: {here} does not know the key of the profile bob.",
            "Store one that it knows: clorp login --profile bob",
        ]
    monkeypatch.setenv("CLORP_API_KEY", "clorp_wrong")
    result = clorp("whoami")
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        f"Error: {here} does not know the key in CLORP_API_KEY.",
        "Correct the variable, or unset it to speak for a stored profile.",
    ]
    assert json.loads(clorp("whoami", "--json").stderr)["code"] == "unauthenticated"


# Next steps ----------------------------------------------------------------------------------------


@pytest.fixture
def two(clorp, here, credentials):
    """`two("bob", "claim", id)`: the command as one of two users, each in a profile, on a named server."""
    for name in ("ada", "bob"):
        clorp("login", "--signup", name, "--profile", name)
    clorp("wallet", "topup", "1000")

    def run(profile: str, *args: str):
        return clorp(*args, "--profile", profile, "--api-url", here)

    return run


def steps(result) -> list[list[str]]:
    """The commands that an answer or refusal advises, as words."""
    printed = re.findall(
        r"clorp (?:drop|view|submit|wait|wallet|pay|jobs|status|board|agents)[^`,&\n]*", result.output
    )
    return [shlex.split(command) for command in printed]


def test_next_steps_speak_for_the_same_user_to_the_same_server(two, here):
    job_id = json.loads(two("ada", "drop", "x", "-y", "--json").stdout)["id"]
    answers = {
        "ada": [
            two("ada", "drop", "x", "--min-grade", "B", "-y"),
            two("ada", "pull", job_id),
            two("ada", "wait", job_id, "--timeout", "0"),
            two("ada", "drop", "x", "--price", "$99", "-y"),
            two("ada", "view", "01a20dee-ac30"),
            two("ada", "claim", job_id, "--agent", "nobody"),
        ],
        "bob": [
            two("bob", "jobs"),
            two("bob", "status"),
            two("bob", "claim", job_id),
            two("bob", "submit", job_id, "--text", "Rhine"),
            two("bob", "view", "01a20dee-ac30-7ace-b2b6-7933bc282913"),
        ],
    }
    for profile, results in answers.items():
        for result in results:
            assert steps(result), result.output
            for words in steps(result):
                assert words[-4:] == ["--profile", profile, "--api-url", here], result.output


def test_without_options_next_steps_have_none(clorp, here, credentials):
    clorp("login", "--signup", "ada")
    assert "--profile" not in clorp("jobs").output
    assert "--api-url" not in clorp("status").output


def test_what_is_hidden_says_who_asked(two):
    job_id = json.loads(two("ada", "drop", "x", "-y", "--json").stdout)["id"]
    for result in (two("ada", "claim", job_id), two("ada", "view", job_id, "--mine")):
        assert "Asked with the key of the profile ada" in result.stderr


def test_with_replace_the_old_key_is_given_up(clorp, here, credentials):
    clorp("login", "--signup", "ada")
    assert clorp("login", "--signup", "bob", "--replace").exit_code == 0
    assert who(clorp) == "bob"


def test_the_key_of_another_user_does_not_overwrite_one_either(clorp, here, credentials):
    ada, bob = person(name="ada"), person(name="bob")
    clorp("login", "--key", ada.key)
    result = clorp("login", "--key", bob.key)
    assert result.exit_code == 6
    assert who(clorp) == "ada"
    assert clorp("login", "--key", ada.key).exit_code == 0  # of the same user


def test_a_name_that_is_taken_stores_nothing(clorp, here, credentials):
    person(name="ada")
    assert clorp("login", "--signup", "ada").exit_code == 6
    assert not credentials.exists()


def test_a_key_and_a_new_user_exclude_each_other(clorp, home):
    assert clorp("login", "--key", "x", "--signup", "ada").exit_code == 2


# Profiles ----------------------------------------------------------------------------------------


def test_profiles_are_chosen_by_option_by_environment_and_for_good(clorp, here, credentials, monkeypatch):
    for name in ("ada", "bob", "eve"):
        clorp("login", "--signup", name, "--profile", name)
    assert who(clorp) == "ada"  # the first one counts until another one is chosen
    assert who(clorp, "--profile", "bob") == "bob"
    assert json.loads(clorp("--profile", "eve", "whoami", "--json").stdout)["name"] == "eve"
    monkeypatch.setenv("CLORP_PROFILE", "bob")
    assert (who(clorp), who(clorp, "--profile", "eve")) == ("bob", "eve")
    monkeypatch.delenv("CLORP_PROFILE")
    assert clorp("profiles", "use", "eve").exit_code == 0
    assert who(clorp) == "eve"
    rows = json.loads(clorp("profiles", "--json").stdout)
    assert [(row["profile"], row["current"]) for row in rows] == [
        ("ada", False),
        ("bob", False),
        ("eve", True),
    ]
    assert "clorp_" in clorp("profiles").stdout


def test_a_profile_that_is_not_stored_is_told_with_those_that_are(clorp, here, credentials):
    clorp("login", "--signup", "ada")
    for args in (("whoami", "--profile", "adda"), ("profiles", "use", "adda")):
        result = clorp(*args)
        assert result.exit_code == 2
        assert "There is no profile 'adda'; stored are: default." in result.stderr


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "x" * 65, "ä"])
def test_a_name_that_cannot_be_a_profiles_is_refused(clorp, here, credentials, name):
    result = clorp("login", "--signup", "ada", f"--profile={name}")
    if name:
        assert result.exit_code == 2
        assert not credentials.exists()
    else:
        assert result.exit_code == 0  # an empty one is none


def test_each_server_has_a_profile_of_its_own(clorp, api_url, credentials):
    ada, bob = person(name="ada"), person(name="bob")
    with serving(create_app()) as other:
        clorp("login", "--api-url", api_url, "--key", ada.key)
        clorp("login", "--api-url", f"{other}/api/", "--key", bob.key, "--profile", "bob")
        assert (who(clorp), who(clorp, "--profile", "bob")) == ("ada", "bob")
        assert who(clorp, "--api-url", f"{api_url}/api") == "ada"


def test_a_stored_key_goes_to_its_own_server_only(clorp, api_url, credentials):
    clorp("login", "--api-url", api_url, "--key", person().key)
    with serving(create_app()) as other:
        assert clorp("whoami", "--api-url", other).exit_code == 3
        assert clorp("board", "--api-url", other).exit_code == 0  # what is public needs none


def test_the_environment_wins(clorp, api_url, monkeypatch, credentials):
    clorp("login", "--api-url", api_url, "--key", person(name="ada").key)
    monkeypatch.setenv("CLORP_API_KEY", person(name="bob").key)
    assert who(clorp) == "bob"
    monkeypatch.setenv("CLORP_API_URL", "http://127.0.0.1:9")
    assert clorp("whoami").exit_code == 8


# Logging out ---------------------------------------------------------------------------------------


def test_logging_out_says_what_is_lost_and_asks(clorp, here, credentials):
    clorp("login", "--key", person(700, "ada").key)
    result = clorp("logout")  # nobody is there to be asked
    assert result.exit_code == 2
    assert "deletes the key of ada" in result.stderr
    assert "the user, with $7.00 in the wallet, is lost." in result.stderr
    assert who(clorp) == "ada"
    assert clorp("logout", "-y").stdout == "Logged out: the profile default is deleted.\n"
    assert clorp("whoami").exit_code == 3


def test_a_server_that_is_away_does_not_keep_anybody_logged_in(clorp, api_url, credentials):
    clorp("login", "--api-url", api_url, "--key", person(700, "ada").key)
    document = stored(credentials)
    document["profiles"]["default"]["api_url"] = "http://127.0.0.1:9"
    credentials.write_text(json.dumps(document))
    assert clorp("logout", "-y").exit_code == 0


def test_logging_out_twice_is_no_error(clorp, here, credentials):
    clorp("login", "--key", person().key, "--profile", "bob")
    assert clorp("logout", "--profile", "bob", "-y").exit_code == 0
    assert (
        clorp("logout", "--profile", "bob", "-y").output == "There is no profile 'bob': nothing to delete.\n"
    )
    assert json.loads(clorp("logout", "--json").stdout) == {"logged_out": False, "profile": "default"}


def test_only_the_named_profile_is_deleted(clorp, here, credentials):
    clorp("login", "--signup", "ada")
    clorp("login", "--signup", "bob", "--profile", "bob")
    clorp("profiles", "use", "bob")
    clorp("logout", "-y")
    assert who(clorp) == "ada"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"current": "x"}',
        '{"current": 1, "profiles": {"a": 1}}',
        '{"current": "a", "servers": {}}',
    ],
)
def test_a_damaged_file_is_named_and_left(clorp, home, credentials, content):
    credentials.parent.mkdir(parents=True)
    credentials.write_text(content)
    for args in (("whoami",), ("login", "--key", "clorp_x"), ("profiles",)):
        result = clorp(*args)
        assert result.exit_code == 1
        assert f"{credentials} is damaged." in result.output
    assert credentials.read_text() == content


def test_a_place_that_cannot_hold_a_key_is_named_with_a_next_step(clorp, here, credentials, monkeypatch):
    key = person().key
    credentials.mkdir(parents=True)
    for args in (("whoami",), ("login", "--key", key), ("profiles",)):
        result = clorp(*args)
        assert (result.exit_code, result.exception is None) == (1, False)
        assert f"Error: {credentials}: Is a directory.\nCheck that path" in result.stderr
    monkeypatch.setenv("HOME", "/dev/null")
    result = clorp("login", "--key", key)
    assert result.exit_code == 1
    assert "/dev/null/.clorp" in result.stderr
    assert "Check that path" in result.stderr


@pytest.mark.parametrize("url", ["nonsense", "ftp://a.example", "http://"])
def test_what_is_no_address_is_wrong_usage(clorp, home, url):
    result = clorp("login", "--api-url", url, "--key", "clorp_x")
    assert result.exit_code == 2
    assert "is no address" in result.stderr
