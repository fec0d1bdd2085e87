"""The envVars at rest."""

import pytest
from cryptography.fernet import Fernet

from models import vault
from models.errors import Unavailable

SECRETS = {"TOKEN": "töken", "EMPTY": ""}


@pytest.fixture
def keys(settle):
    """Sets the server's keys, the first of which encrypts."""
    return lambda *keys: settle(encryption_keys=",".join(keys))


def test_what_is_sealed_can_be_read_again_and_does_not_show(database):
    sealed = vault.seal(SECRETS)
    assert vault.unseal(sealed) == SECRETS
    assert b"TOKEN" not in sealed


def test_nothing_is_sealed_as_nothing(database):
    assert vault.seal({}) is None
    assert vault.unseal(None) == {}


def test_keys_rotate(keys):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    keys(old)
    sealed = vault.seal(SECRETS)
    keys(new, f" {old} ")
    assert vault.unseal(sealed) == SECRETS
    fresh = vault.seal(SECRETS)
    keys(new)
    assert vault.unseal(fresh) == SECRETS
    with pytest.raises(Unavailable) as refused:
        vault.unseal(sealed)
    assert "TOKEN" not in str(refused.value)


def test_without_a_key_no_secrets_are_taken(keys):
    keys("")
    assert vault.seal({}) is None
    with pytest.raises(Unavailable):
        vault.seal(SECRETS)
