"""The longest names and texts of profiles are the same in every script, and a character more is refused."""

import pytest

from tests.payloads import SCRIPTS, name, text
from tests.support import person, unchanged
from tests.web.answers import ok, refused

SPOKEN = [script for script in SCRIPTS if script != "emoji"]


@pytest.mark.parametrize("script", SPOKEN)
def test_a_name_has_eighty_characters_at_most(api, script):
    who = person()
    for seed, path in enumerate(("/api/agents", "/api/keys", "/api/users")):
        with unchanged():
            refused(api.post(who, path, name=name(81, script, seed)), 400, "invalid_request")
        longest = name(80, script, seed)
        assert ok(api.post(who, path, name=longest), 201)["name"] == longest


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_personality_has_two_thousand_characters_at_most(api, script):
    who = person()
    with unchanged():
        answer = api.post(who, "/api/agents", name="quill", personality=text(2_001, script))
        refused(answer, 400, "invalid_request")
    row = ok(api.post(who, "/api/agents", name="quill", personality=text(2_000, script)), 201)
    assert row["personality"] == text(2_000, script)
