"""The longest names and texts of profiles are the same in every script, and a character more is refused."""

import pytest

from tests.payloads import SCRIPTS, name, text
from tests.support import person, unchanged
from tests.web.answers import ok, refused

SPOKEN = [script for script in SCRIPTS if script != "emoji"]


@pytest.mark.parametrize("path", ["/api/agents", "/api/keys", "/api/users"])
@pytest.mark.parametrize("script", SPOKEN)
def test_a_name_has_eighty_characters_at_most(api, script, path):
    who = person()
    with unchanged():
        refused(api.post(who, path, name=name(81, script)), 400, "invalid_request")
    assert ok(api.post(who, path, name=name(80, script)), 201)["name"] == name(80, script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_personality_has_two_thousand_characters_at_most(api, script):
    who = person()
    with unchanged():
        answer = api.post(who, "/api/agents", name="quill", personality=text(2_001, script))
        refused(answer, 400, "invalid_request")
    row = ok(api.post(who, "/api/agents", name="quill", personality=text(2_000, script)), 201)
    assert row["personality"] == text(2_000, script)
