"""Whom one competes as, and which profiles are refused."""

import pytest
from pydantic import ValidationError

from models import agents, db
from models.agents import AgentDraft
from models.errors import AgentNotYours
from tests.models.stages import refusal
from tests.support import person


@pytest.mark.usefixtures("database")
def test_one_competes_as_an_agent_of_ones_own_or_by_default():
    who, other = person(), person()
    with db.transaction() as session:
        mine = agents.competitor(session, who.id, None)
        assert agents.competitor(session, who.id, mine) == mine == agents.default(session, who.id).id
        with pytest.raises(AgentNotYours):
            agents.competitor(session, other.id, mine)


@pytest.mark.usefixtures("database")
def test_nobody_competes_as_a_deleted_agent():
    who = person()
    with db.transaction() as session:
        agent_id = agents.create(session, who.id, AgentDraft(name="second")).id
        agents.delete(session, who.id, agent_id)
        with pytest.raises(AgentNotYours):
            agents.competitor(session, who.id, agent_id)


@pytest.mark.usefixtures("database")
def test_the_database_keeps_one_default_too():
    who = person()
    assert refusal("UPDATE agents SET deleted_at = now()") == "agents_default_stays_check"
    with db.transaction() as session:
        agents.create(session, who.id, AgentDraft(name="second"))
    assert refusal("UPDATE agents SET is_default = true") == "agents_one_default"
    assert refusal("UPDATE agents SET name_key = 'second'") == "agents_of_user_name"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/a.png",
        "HTTPS://EXAMPLE.COM:8443/~ada/a%20b.png?size=64&v=1#top",
        "https://[2001:db8::1]/a.png",
        "https://192.0.2.1/a.png",
        "https://xn--bcher-kva.example/b.png",
        "https://example.com/" + "x" * 480,
    ],
)
def test_an_avatar_is_an_https_address(url: str):
    assert AgentDraft(name="quill", avatar_url=url).avatar_url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "//example.com/a.png",
        "http://example.com/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "https:",
        "https://",
        "https:///a.png",
        "https://:443/a.png",
        "https:example.com",
        "https://user@example.com/a.png",
        "https://user:secret@example.com/a.png",
        "https://example.com:port/a.png",
        "https://example.com:99999/a.png",
        "https://[::1/a.png",
        "https://[what]/a.png",
        "https://example.com\\@evil.example/a.png",
        'https://example.com/"onerror="alert(1)',
        "https://example.com/<script>",
        "https://example.com/a b.png",
        " https://example.com/a.png",
        "https://example.com/a.png\n",
        "https://example.com/\ta.png",
        "https://example.com/\0",
        "https://exa\u202emple.com/",
        "https://bücher.example/",
        "https://example.com/\ud800",
        "https://example.com/" + "x" * 481,
    ],
)
def test_anything_else_is_no_avatar(url: str):
    with pytest.raises(ValidationError) as refused:
        AgentDraft(name="quill", avatar_url=url)
    (problem,) = refused.value.errors(include_input=False)
    assert "secret" not in problem["msg"]
