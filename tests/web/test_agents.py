"""Agents: making, changing, deleting them, and the directory that everybody may read."""

from uuid import uuid4

import pytest

from models import agents
from tests.models.stages import sql
from tests.support import claim, drive, let_time_pass, person, post, unchanged
from tests.web.answers import hidden, ok, refused
from tests.web.scenes import decided, default_agent, end_window

AGENT_KEYS = {"id", "name", "personality", "avatar_url", "is_default", "created_at"}
AVATAR = "https://example.com/quill.png"


@pytest.fixture
def ada(database):
    return person(name="Ada")


def make(api, who, name="quill", **fields):
    return ok(api.post(who, "/api/agents", name=name, **fields), 201)


def change(api, who, agent_id, **fields):
    return api.http.patch(f"/api/agents/{agent_id}", json=fields, headers=who.auth)


def delete(api, who, agent_id):
    return api.http.delete(f"/api/agents/{agent_id}", headers=who.auth)


def read(api, who, agent_id):
    return api.get(who, f"/api/agents/{agent_id}")


def names(api, who):
    return [row["name"] for row in ok(api.get(who, "/api/agents"))]


def defaults(api, who):
    return [row["name"] for row in ok(api.get(who, "/api/agents")) if row["is_default"]]


# Making ----------------------------------------------------------------------------------------


def test_a_new_agent_is_what_was_asked_for(api, ada):
    told = make(api, ada, " quill ", personality="Dry.\nExact.", avatar_url=AVATAR)
    assert told.keys() == AGENT_KEYS
    assert (told["name"], told["personality"], told["avatar_url"]) == ("quill", "Dry.\nExact.", AVATAR)
    assert told["is_default"] is False
    assert ok(read(api, ada, told["id"])) == told
    assert names(api, ada) == ["quill", "Ada"]


def test_a_name_is_enough(api, ada):
    told = make(api, ada)
    assert (told["personality"], told["avatar_url"], told["is_default"]) == ("", None, False)


def test_a_new_agent_may_be_the_default_at_once(api, ada):
    assert make(api, ada, is_default=True)["is_default"] is True
    assert defaults(api, ada) == ["quill"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("name", ""),
        ("name", " "),
        ("name", "x" * 81),
        ("name", "a\nb"),
        ("name", 1),
        ("name", ["quill"]),
        ("personality", None),
        ("personality", "x" * 2001),
        ("personality", "a\0b"),
        ("personality", 1),
        ("avatar_url", ""),
        ("avatar_url", "http://example.com/a.png"),
        ("avatar_url", "https://"),
        ("avatar_url", "javascript:alert(1)"),
        ("avatar_url", "https://example.com/\n"),
        ("avatar_url", "https://example.com/" + "x" * 481),
        ("avatar_url", 1),
        ("is_default", None),
        ("is_default", 1),
        ("is_default", "true"),
    ],
)
def test_what_describes_no_agent_is_refused(api, ada, field, value):
    agent_id = make(api, ada)["id"]
    with unchanged():
        new = api.http.post("/api/agents", json={"name": "x", field: value}, headers=ada.auth)
        for answer in (new, change(api, ada, agent_id, **{field: value})):
            assert refused(answer, 400, "invalid_request")["errors"][0]["field"] == field


def test_a_name_is_wanted(api, ada):
    refused(api.post(ada, "/api/agents"), 400, "invalid_request")


def test_the_longest_profile_fits(api, ada):
    long = {"personality": "é" * 2000, "avatar_url": AVATAR + "?" + "x" * (500 - len(AVATAR) - 1)}
    told = make(api, ada, "x" * 80, **long)
    assert (told["personality"], told["avatar_url"]) == (long["personality"], long["avatar_url"])


def test_two_agents_of_one_user_have_two_names(api, ada):
    make(api, ada)
    with unchanged():
        for name in ("quill", " quill ", "Ada", "QUILL", "\u0410da"):
            problem = refused(api.post(ada, "/api/agents", name=name), 409, "agent_name_taken")
            assert problem["error"].startswith("Another agent of yours has that name")


def test_the_name_of_a_deleted_agent_is_free_again(api, ada):
    ok(delete(api, ada, make(api, ada)["id"]))
    make(api, ada)


def test_there_is_a_limit_on_agents(api, ada, monkeypatch):
    monkeypatch.setattr(agents, "AGENTS_MAX", 2)
    agent_id = make(api, ada)["id"]
    with unchanged():
        assert refused(api.post(ada, "/api/agents", name="third"), 409, "too_many_agents")["limit"] == 2
    ok(delete(api, ada, agent_id))
    make(api, ada, "third")


# Changing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "pen"},
        {"name": "quill"},
        {"personality": ""},
        {"avatar_url": None},
        {"avatar_url": "https://example.org/b.png"},
        {"name": "pen", "personality": "Warm.", "avatar_url": None, "is_default": True},
        {"is_default": False},
    ],
)
def test_what_is_left_out_stays(api, ada, fields):
    before = make(api, ada, personality="Dry.", avatar_url=AVATAR)
    told = ok(change(api, ada, before["id"], **fields))
    assert told == {**before, **fields} == ok(read(api, ada, before["id"]))


def test_only_the_profile_can_be_changed(api, ada):
    before = make(api, ada)
    told = ok(change(api, ada, before["id"], id=str(uuid4()), user_id=str(uuid4()), created_at=None))
    assert told == before


def test_the_default_moves(api, ada):
    agent_id = make(api, ada)["id"]
    assert ok(change(api, ada, agent_id, is_default=True))["is_default"] is True
    assert defaults(api, ada) == ["quill"]
    assert ok(api.post(ada, "/api/whoami"))["agent_id"] == agent_id
    job_id = post(person(100))
    ok(api.post(ada, f"/api/jobs/{job_id}/claim"), 201)
    assert ok(api.get(None, f"/api/board/{job_id}"))["slots"][0]["agent"]["id"] == agent_id
    with unchanged():
        ok(change(api, ada, agent_id, is_default=True))


def test_somebody_has_to_be_the_default(api, ada):
    make(api, ada)
    with unchanged():
        problem = refused(
            change(api, ada, default_agent(ada), is_default=False, name="x"), 409, "agent_is_default"
        )
    assert problem["error"] == "Make another agent the default; this one then no longer is."


def test_a_name_of_ones_own_is_not_taken_twice_by_changing(api, ada):
    agent_id = make(api, ada)["id"]
    with unchanged():
        refused(change(api, ada, agent_id, name="Ada", is_default=True), 409, "agent_name_taken")


# Deleting --------------------------------------------------------------------------------------


def test_a_deleted_agent_is_gone(api, ada):
    agent_id = make(api, ada)["id"]
    assert ok(delete(api, ada, agent_id)) == {"deleted": True}
    hidden(read(api, ada, agent_id))
    hidden(change(api, ada, agent_id, name="x"))
    hidden(delete(api, ada, agent_id))
    assert names(api, ada) == ["Ada"]
    answer = api.post(ada, f"/api/jobs/{post(person(100))}/claim", agentId=agent_id)
    refused(answer, 403, "agent_not_yours")


def test_the_default_agent_stays(api, ada):
    former = default_agent(ada)
    with unchanged():
        refused(delete(api, ada, former), 409, "agent_is_default")
    make(api, ada, is_default=True)
    ok(delete(api, ada, former))
    assert names(api, ada) == ["quill"]


def test_an_agent_with_a_live_claim_stays_until_that_ends(api, ada):
    agent_id, job_id = make(api, ada)["id"], post(person(100), time_limit_seconds=3600)
    ok(api.post(ada, f"/api/jobs/{job_id}/claim", agentId=agent_id), 201)
    with unchanged():
        refused(delete(api, ada, agent_id), 409, "agent_busy")
    let_time_pass(job_id, 301)  # the claim has run out; no sweep has come by
    ok(delete(api, ada, agent_id))


def test_an_agent_that_gave_its_slot_back_can_go(api, ada):
    agent_id, job_id = make(api, ada)["id"], post(person(100))
    ok(api.post(ada, f"/api/jobs/{job_id}/claim", agentId=agent_id), 201)
    ok(api.http.delete(f"/api/jobs/{job_id}/claim", headers=ada.auth))
    ok(delete(api, ada, agent_id))


def test_an_agent_with_an_entry_stays_until_the_drop_has_ended(api, ada):
    agent_id, job_id = make(api, ada)["id"], post(person(100))
    ok(api.post(ada, f"/api/jobs/{job_id}/submit", text="Rhine.", agentId=agent_id))
    for _ in range(2):
        with unchanged():
            refused(delete(api, ada, agent_id), 409, "agent_busy")
        end_window(job_id)
    assert drive(job_id) == "verified"
    ok(delete(api, ada, agent_id))
    assert ok(api.get(None, "/api/feed"))["feed"][0]["winner"] == "quill"


def test_an_entry_by_another_agent_takes_the_claim_over(api, ada):
    """No slot stays under an agent that may be deleted now."""
    agent_id, other_id, job_id = make(api, ada)["id"], make(api, ada, name="other")["id"], post(person(100))
    ok(api.post(ada, f"/api/jobs/{job_id}/claim", agentId=agent_id), 201)
    ok(api.post(ada, f"/api/jobs/{job_id}/submit", text="Rhine.", agentId=other_id))
    ok(delete(api, ada, agent_id))
    assert sql("SELECT agent_id::text FROM claims") == [(other_id,)]


def test_what_another_agent_does_is_no_obstacle(api, ada):
    agent_id = make(api, ada)["id"]
    claim(ada, post(person(100)))
    claim(person(), post(person(100)))
    ok(delete(api, ada, agent_id))


def test_agents_of_others_and_none_at_all_are_hidden(api, ada):
    theirs = default_agent(person(name="Bob"))
    with unchanged():
        for agent_id in (theirs, uuid4(), "x", "%00", "directory/x"):
            for answer in (read(api, ada, agent_id), change(api, ada, agent_id), delete(api, ada, agent_id)):
                hidden(answer)


# The directory ---------------------------------------------------------------------------------


def directory(api, **query):
    return api.get(None, "/api/agents/directory", **query)


def test_everybody_may_read_the_directory(api, ada):
    make(api, ada, personality="Dry.", avatar_url=AVATAR)
    first, second = ok(directory(api))["agents"]
    assert first.keys() == AGENT_KEYS - {"is_default"}
    assert (first["name"], first["personality"], first["avatar_url"]) == ("quill", "Dry.", AVATAR)
    assert second["name"] == "Ada"
    assert str(ada.id) not in directory(api).get_data(as_text=True)


def test_an_empty_directory_is_a_list(api):
    assert ok(directory(api)) == {"agents": []}


def test_deleted_agents_leave_the_directory(api, ada):
    ok(delete(api, ada, make(api, ada)["id"]))
    answer = directory(api)
    assert [row["name"] for row in ok(answer)["agents"]] == ["Ada"]
    assert answer.headers["X-Total-Count"] == "1"


def test_the_directory_goes_on_by_cursor_and_by_offset(api, ada):
    newest_first = ["quill 2", "quill 1", "quill 0", "Ada"]
    for name in newest_first[2::-1]:
        make(api, ada, name)
    answer = directory(api, limit=3)
    assert answer.headers["X-Total-Count"] == "4"
    rest = directory(api, limit=3, cursor=answer.headers["X-Next-Cursor"])
    seen = [row["name"] for page in (answer, rest) for row in ok(page)["agents"]]
    assert seen == newest_first
    assert [row["name"] for row in ok(directory(api, offset=3))["agents"]] == ["Ada"]
    assert 'rel="next"' in answer.headers["Link"]
    refused(directory(api, cursor="nonsense"), 400, "invalid_request")


def test_own_agents_go_on_by_cursor(api, ada):
    make(api, ada)
    answer = api.get(ada, "/api/agents", limit=1)
    rest = api.get(ada, "/api/agents", limit=1, cursor=answer.headers["X-Next-Cursor"])
    assert [row["name"] for page in (answer, rest) for row in ok(page)] == ["quill", "Ada"]


def test_a_winner_that_was_renamed_is_called_by_its_new_name(api, ada):
    decided(person(100), ada)
    ok(change(api, ada, default_agent(ada), name="Ada Lovelace"))
    assert ok(api.get(None, "/api/feed"))["feed"][0]["winner"] == "Ada Lovelace"
