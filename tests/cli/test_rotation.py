"""`clorp admin rotate-keys`, and what the doctor says before and after."""

import json
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

from models import db, lifecycle, vault
from models.states import Status
from tests.cli.test_doctor import beat, examine
from tests.models.stages import drop_in
from tests.rules.source import ROOT
from tests.support import drop
from tests.workers.processes import until

SECRETS = {"TOKEN": "tell-nobody"}
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def keys(database, settle):
    return lambda *keys: settle(encryption_keys=",".join(keys))


@pytest.fixture
def job_id(keys):
    """A drop whose envVars are under the old key; the new one is in front of it now."""
    keys(OLD)
    made = drop_in(Status.OPEN, env_vars=SECRETS)
    keys(NEW, OLD)
    return made


def test_afterwards_the_older_key_can_go(clorp, keys, job_id):
    result = clorp("admin", "rotate-keys")
    assert result.exit_code == 0
    assert "drops    1 of 1 sealed anew\nanswers  0 of 0 sealed anew\n" in result.output
    assert "the older ones can go" in result.output
    keys(NEW)
    assert vault.unseal(drop(job_id).env_vars) == SECRETS


def test_a_script_gets_counts(clorp, job_id):
    nothing = {"seen": 0, "rotated": 0, "unreadable": 0}
    for rotated in (1, 0):
        result = clorp("admin", "rotate-keys", "--json")
        assert result.exit_code == 0
        drops = {"seen": 1, "rotated": rotated, "unreadable": 0}
        assert json.loads(result.output) == {"complete": True, "rows": {"drops": drops, "answers": nothing}}


def test_where_a_key_is_missing_it_says_so_and_ends_with_1(clorp, keys, job_id):
    keys(NEW)
    result = clorp("admin", "rotate-keys")
    assert result.exit_code == 1
    assert "drops    0 of 1 sealed anew, 1 that no key here opens\n" in result.output
    told = clorp("admin", "rotate-keys", "--json")
    assert (told.exit_code, json.loads(told.output)["complete"]) == (1, False)


def test_it_shows_no_secret_and_no_key(clorp, job_id):
    shown = clorp("admin", "rotate-keys").output + clorp("doctor").output
    for secret in ("TOKEN", "tell-nobody", OLD, NEW):
        assert secret not in shown


def test_without_keys_it_says_what_to_set(clorp, unset, tmp_path):
    result = clorp("admin", "rotate-keys", "--data", tmp_path)
    assert result.exit_code == 1
    assert "Set CLORP_ENCRYPTION_KEYS" in result.output
    assert str(tmp_path / "encryption.key") in result.output


def test_the_doctor_says_whether_an_older_key_is_needed(clorp, job_id):
    beat()
    wrong = examine(clorp)
    assert wrong.keys() == {"rotation"}
    assert wrong["rotation"]["detail"] == "1 of 1 secrets need an older key"
    clorp("admin", "rotate-keys")
    assert examine(clorp) == {}


def test_the_doctor_does_not_advise_to_rotate_what_no_key_opens(clorp, keys, job_id):
    beat()
    keys(NEW)
    wrong = examine(clorp)
    assert wrong.keys() == {"secrets"}
    assert wrong["secrets"]["detail"] == "1 of 1 secrets open with no key that is here"
    assert "rotate-keys" not in wrong["secrets"]["remedy"]


def test_a_killed_run_is_resumed_by_the_next(clorp, keys):
    keys(OLD)
    drops = sorted(drop_in(Status.OPEN, env_vars=SECRETS) for _ in range(5))
    keys(NEW, OLD)
    with db.transaction() as session:
        lifecycle.lock(session, drops[3])  # there it has to wait, and there it dies
        command = [sys.executable, "-m", "web.cli", "admin", "rotate-keys"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            until("the third row", lambda: vault.is_current(drop(drops[2]).env_vars))
            process.kill()
    assert [vault.is_current(drop(job_id).env_vars) for job_id in drops] == [True] * 3 + [False] * 2
    told = json.loads(clorp("admin", "rotate-keys", "--json").output)
    assert told["rows"]["drops"] == {"seen": 5, "rotated": 2, "unreadable": 0}
    keys(NEW)
    assert all(vault.unseal(drop(job_id).env_vars) == SECRETS for job_id in drops)
