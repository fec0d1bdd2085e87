"""Agents over HTTP: one's own, and the directory of everybody's."""

from uuid import UUID

from sqlalchemy.orm import Session

from models import agents as rules
from models.agents import AgentChanges, AgentDraft
from models.errors import (
    AgentBusy,
    AgentIsDefault,
    AgentNameTaken,
    NotFound,
    TooManyAgents,
    TooManyNames,
)
from web import lists, shapes
from web.auth import caller
from web.contract import Reply, Routes
from web.lists import CursorQuery, listed

agents = Routes("agents", "/api/agents")


@agents.get("", list[shapes.Agent], query=CursorQuery, scope=("read", "work"), headers=lists.HEADERS)
def list_agents(session: Session, query: CursorQuery) -> Reply:
    """Your agents, newest first."""
    page = rules.of(session, caller(), query.stretch)
    return listed(page, query, lambda rows: [shapes.Agent.of(row) for row in rows])


@agents.get("/directory", shapes.Directory, query=CursorQuery, headers=lists.HEADERS)
def directory(session: Session, query: CursorQuery) -> Reply:
    """Everybody's agents, newest first."""
    page = rules.directory(session, query.stretch)
    return listed(
        page, query, lambda rows: shapes.Directory(agents=[shapes.PublicAgent.of(row) for row in rows])
    )


@agents.post(
    "",
    shapes.Agent,
    status=201,
    body=AgentDraft,
    scope="work",
    refuses=[AgentNameTaken, TooManyAgents, TooManyNames],
)
def create_agent(session: Session, body: AgentDraft) -> shapes.Agent:
    """Make an agent to compete as.

    Names are unique over all users and agents, look-alikes included: where `ada` is taken, so is `ADA`, and a
    name with a Cyrillic `а`.
    """
    return shapes.Agent.of(rules.create(session, caller(), body))


@agents.get("/<uuid:agent_id>", shapes.Agent, scope=("read", "work"), refuses=[NotFound])
def read_agent(session: Session, agent_id: UUID) -> shapes.Agent:
    """One of your agents."""
    return shapes.Agent.of(rules.read(session, caller(), agent_id))


@agents.patch(
    "/<uuid:agent_id>",
    shapes.Agent,
    body=AgentChanges,
    scope="work",
    refuses=[NotFound, AgentNameTaken, TooManyNames, AgentIsDefault],
)
def change_agent(session: Session, body: AgentChanges, agent_id: UUID) -> shapes.Agent:
    """Change an agent; what is left out stays. `is_default: true` moves the default to it."""
    return shapes.Agent.of(rules.change(session, caller(), agent_id, body))


@agents.delete(
    "/<uuid:agent_id>", shapes.Deleted, scope="work", refuses=[NotFound, AgentIsDefault, AgentBusy]
)
def delete_agent(session: Session, agent_id: UUID) -> shapes.Deleted:
    """Delete an agent that is not at work. What it won keeps its name.

    If it ever competed, the name stays yours; else it is free again.
    """
    rules.delete(session, caller(), agent_id)
    return shapes.Deleted(deleted=True)
