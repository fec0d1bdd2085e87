"""Names over HTTP: unique over the market by what the eye sees, whole words kept, and kept for good."""

from uuid import UUID

import pytest

from models import naming
from models.names import PATTERN
from tests.signs import ALIKE, APART, FAMILY, NAMES, NO_NAMES, PERSIAN
from tests.support import Person, person, post, unchanged, violations
from tests.web.answers import ok, refused
from tests.web.scenes import decided, default_agent, end_window
from web import openapi

TAKEN = "That name is taken: it looks like another name here. Choose another."


def sign_up(api, name: str) -> Person:
    told = ok(api.post(None, "/api/users", name=name), 201)
    return Person(UUID(told["id"]), told["name"], told["api_key"])


def make(api, who: Person, name: str) -> str:
    return ok(api.post(who, "/api/agents", name=name), 201)["id"]


def rename(api, who: Person, agent_id: str, name: str):
    return api.http.patch(f"/api/agents/{agent_id}", json={"name": name}, headers=who.auth)


def delete(api, who: Person, agent_id: str):
    return api.http.delete(f"/api/agents/{agent_id}", headers=who.auth)


@pytest.mark.parametrize("name", ALIKE)
def test_a_look_alike_is_taken_at_every_door(api, name: str):
    sign_up(api, name)
    other = sign_up(api, "other")
    agent = make(api, other, "an agent")
    with unchanged():
        for alike in ALIKE[name]:
            problem = refused(api.post(None, "/api/users", name=alike), 409, "name_taken")
            assert problem["error"] == TAKEN
            assert name not in problem["error"]
            for answer in (api.post(other, "/api/agents", name=alike), rename(api, other, agent, alike)):
                assert refused(answer, 409, "agent_name_taken")["error"] == TAKEN


@pytest.mark.parametrize("names", APART)
def test_names_that_differ_are_all_given(api, names: tuple[str, ...]):
    for name in names:
        sign_up(api, name)


@pytest.mark.parametrize("name", NAMES)
def test_real_words_are_given_as_they_are(api, name: str):
    who = sign_up(api, "somebody else")
    told = ok(api.post(who, "/api/agents", name=name), 201)
    assert ok(api.get(who, f"/api/agents/{told['id']}"))["name"] == told["name"]
    assert ok(api.get(None, "/api/agents/directory"))["agents"][0]["name"] == told["name"]


@pytest.mark.parametrize("name", [name for name in NO_NAMES if name != "a\0b"], ids=ascii)
def test_what_is_no_name_is_refused_with_the_rule_that_it_breaks(api, name: str):
    who = person()
    with unchanged():
        for answer in (
            api.http.post("/api/users", json={"name": name}),
            api.http.post("/api/agents", json={"name": name}, headers=who.auth),
            rename(api, who, default_agent(who), name),
            api.http.post("/api/keys", json={"name": name}, headers=who.auth),
        ):
            (error,) = refused(answer, 400, "invalid_request")["errors"]
            assert error["field"] == "name"
            assert NO_NAMES[name] in error["message"]


def test_the_cases_of_the_review(api):
    """Those that an outside review found: each with what it should have been told."""
    tag = "1f2e3d"
    sign_up(api, f"ada-{tag}")
    cat = sign_up(api, f"cat-{tag}")
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in f"ada-{tag}")
    with unchanged():
        refused(api.post(None, "/api/users", name="\u2800"), 400, "invalid_request")
        for name in (wide, f"\u0430da-{tag}", f"\u0430d\u0430-{tag}", f"ADA-{tag}"):
            refused(api.post(None, "/api/users", name=name), 409, "name_taken")
        refused(api.post(None, "/api/users", name="a" + "\u0301" * 60), 400, "invalid_request")
    for name in (PERSIAN + tag, FAMILY + tag):
        assert ok(api.post(cat, "/api/agents", name=name), 201)["name"] == name


def test_another_user_has_no_agent_of_my_name_where_the_public_reads_it(api):
    ada, eve, sender = sign_up(api, "ada"), sign_up(api, "eve"), person(100)
    refused(rename(api, eve, default_agent(eve), "\u0430da"), 409, "agent_name_taken")
    decided(sender, eve, ada)
    assert ok(api.get(None, "/api/feed"))["feed"][0]["winner"] in ("ada", "eve")


def test_a_name_that_competed_is_given_to_nobody_else(api):
    ada, eve = sign_up(api, "ada"), sign_up(api, "eve")
    agent, job_id = make(api, ada, "quill"), post(person(100))
    ok(api.post(ada, f"/api/jobs/{job_id}/claim", agentId=agent), 201)
    ok(rename(api, ada, agent, "pen"))
    end_window(job_id)
    ok(delete(api, ada, agent))
    for name in ("quill", "PEN"):
        refused(api.post(eve, "/api/agents", name=name), 409, "agent_name_taken")
        refused(api.post(None, "/api/users", name=name), 409, "name_taken")
    make(api, ada, "quill")
    assert violations() == []


def test_a_name_that_never_competed_is_free_again(api):
    ada, eve = sign_up(api, "ada"), sign_up(api, "eve")
    agent = make(api, ada, "quill")
    ok(rename(api, ada, agent, "pen"))
    make(api, eve, "QUILL")
    ok(delete(api, ada, agent))
    make(api, eve, "pen")


def test_names_are_not_hoarded(api, monkeypatch):
    monkeypatch.setattr(naming, "NAMES_MAX", 3)
    ada = sign_up(api, "ada")
    decided(person(100), ada)
    agent = default_agent(ada)
    for name in ("quill", "pen"):
        ok(rename(api, ada, agent, name))
    with unchanged():
        for answer in (rename(api, ada, agent, "ink"), api.post(ada, "/api/agents", name="ink")):
            problem = refused(answer, 409, "too_many_names")
            assert problem["limit"] == 3
            assert "Take one of them again" in problem["error"]
    ok(rename(api, ada, agent, "ada"))


def test_names_of_keys_need_not_differ(api):
    ada, bob = sign_up(api, "ada"), sign_up(api, "bob")
    for who in (ada, ada, bob):
        ok(api.post(who, "/api/keys", name="build server"), 201)


def test_the_document_says_what_a_name_is():
    schemas = openapi.document()["components"]["schemas"]
    for model in ("SignUp", "AgentDraft", "AgentChanges", "KeyDraft"):
        name = schemas[model]["properties"]["name"]
        assert name["pattern"] == PATTERN
        assert "visible" in name["description"]
