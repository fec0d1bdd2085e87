"""Agents: the named profiles a user competes as. Always one of them is the default.

Whatever is done to the agents of one user, competing as them included, happens under that user's lock, so
nobody competes as an agent that is being deleted.
"""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session

from models import db, naming, users
from models.errors import (
    AgentBusy,
    AgentIsDefault,
    AgentNotYours,
    NotFound,
    TooManyAgents,
)
from models.ids import uuid7
from models.names import Name
from models.paging import Key, Page, Stretch, page
from models.schema import Agent, Claim, Drop, Submission, User
from models.states import Status
from models.texts import Storable

AGENTS_MAX = 50  # live ones of a user, so that one user does not fill the directory
PERSONALITY_MAX = 2000  # characters
AVATAR_URL_MAX = 500  # characters

_NEWEST = [Key(Agent.id, descending=True)]
_LIVE = Agent.deleted_at.is_(None)
# A host by name, perhaps a port, then what RFC 3986 lets stand; no user's name, no way out of a page.
_HTTPS_URL = (
    r"^[Hh][Tt][Tt][Pp][Ss]://([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    r"([/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*)?$"
)


def _https(url: str) -> str:
    """`url`, if a browser could load a picture from there. Nobody here ever does."""
    if not re.fullmatch(_HTTPS_URL, url) or url.endswith("\n"):
        raise ValueError(
            "must be an https:// URL with a host and no user's name; write what is not ASCII with %"
        )
    return url


Personality = Annotated[
    Storable, Field(max_length=PERSONALITY_MAX, examples=["Dry, exact, fond of footnotes."])
]
AvatarUrl = Annotated[
    str,
    Field(
        max_length=AVATAR_URL_MAX,
        examples=["https://example.com/quill.png"],
        json_schema_extra={"pattern": _HTTPS_URL},
    ),
    AfterValidator(_https),
]


class AgentDraft(BaseModel):
    """A new agent."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Name
    personality: Personality = Field("", description="For people to read; no judge ever sees it.")
    avatar_url: AvatarUrl | None = Field(None, description="An https address; never fetched by the server.")
    is_default: bool = Field(False, description="Whether to compete as this one where none is named.")


class AgentChanges(BaseModel):
    """What to change of an agent: what is left out stays."""

    model_config = ConfigDict(strict=True, extra="ignore")

    # Factories, because null is no value of these; their values are never looked at.
    name: Name = Field(default_factory=str)
    personality: Personality = Field(default_factory=str)
    avatar_url: AvatarUrl | None = Field(None, description="An https address; null takes it away.")
    is_default: bool = Field(
        default_factory=bool, description="true makes it the default in place of the other."
    )


def first(session: Session, user: User) -> None:
    """The agent of a new user: their default one, of the same name, which they hold already."""
    session.add(Agent(user_id=user.id, name=user.name, name_key=user.name_key, is_default=True))


def default(session: Session, user_id: UUID) -> Agent:
    """Who the user competes as where they name nobody."""
    return session.scalars(select(Agent).where(Agent.user_id == user_id, Agent.is_default)).one()


def competitor(session: Session, user_id: UUID, agent_id: UUID | None) -> UUID:
    """The agent to compete as: the named one, or the default. It stays one until the transaction ends.

    Raises:
        AgentNotYours: the named one belongs to somebody else, or to nobody any more.
    """
    users.lock(session, user_id)
    if agent_id is None:
        return default(session, user_id).id
    query = select(Agent.id).where(Agent.id == agent_id, Agent.user_id == user_id, _LIVE)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise AgentNotYours
    return found


def of(session: Session, user_id: UUID, stretch: Stretch) -> Page[Agent]:
    """The user's agents, newest first."""
    query = select(Agent).where(Agent.user_id == user_id, _LIVE)
    return page(session, query, _NEWEST, stretch, lambda row: row)


def directory(session: Session, stretch: Stretch) -> Page[Agent]:
    """Everybody's agents, newest first."""
    return page(session, select(Agent).where(_LIVE), _NEWEST, stretch, lambda row: row)


def read(session: Session, user_id: UUID, agent_id: UUID) -> Agent:
    """One of the user's agents.

    Raises:
        NotFound: deleted, somebody else's, or none at all.
    """
    query = select(Agent).where(Agent.id == agent_id, Agent.user_id == user_id, _LIVE)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def create(session: Session, user_id: UUID, draft: AgentDraft) -> Agent:
    """A new agent of the user.

    Raises:
        TooManyAgents: the user has as many as allowed.
        AgentNameTaken: another user or agent has the name, or one that looks like it.
        TooManyNames: the user holds as many names as allowed.
    """
    users.lock(session, user_id)
    count = select(func.count()).select_from(Agent).where(Agent.user_id == user_id, _LIVE)
    if session.scalars(count).one() >= AGENTS_MAX:
        raise TooManyAgents(limit=AGENTS_MAX)
    agent = Agent(
        id=uuid7(),
        user_id=user_id,
        name=draft.name,
        personality=draft.personality,
        avatar_url=draft.avatar_url,
    )
    agent.name_key = naming.take(session, agent, draft.name)
    session.add(agent)
    session.flush()
    if draft.is_default:
        _make_default(session, agent)
    return agent


def change(session: Session, user_id: UUID, agent_id: UUID, changes: AgentChanges) -> Agent:
    """Change a profile, or make it the default.

    Raises:
        NotFound: not an agent of the user.
        AgentNameTaken, TooManyNames: as `create`.
        AgentIsDefault: somebody has to be the default; say who, instead of who not.
    """
    users.lock(session, user_id)
    agent = read(session, user_id, agent_id)
    new = changes.model_dump(exclude_unset=True)
    wanted = new.pop("is_default", agent.is_default)
    if agent.is_default and not wanted:
        raise AgentIsDefault("Make another agent the default; this one then no longer is.")
    renamed = new.get("name", agent.name) != agent.name
    if renamed:
        agent.name_key = naming.take(session, agent, new["name"])
    for field, value in new.items():
        setattr(agent, field, value)
    session.flush()
    if renamed:
        naming.free(session, agent, but=agent.name)
    if wanted and not agent.is_default:
        _make_default(session, agent)
    return agent


def delete(session: Session, user_id: UUID, agent_id: UUID) -> None:
    """Delete an agent: nobody competes as it any more. What it did keeps its name.

    If it ever competed, its user keeps the name; else the name is free again.

    Raises:
        NotFound: not an agent of the user.
        AgentIsDefault: make another one the default first.
        AgentBusy: it holds a claim, or has an entry in a drop that has not ended.
    """
    users.lock(session, user_id)
    agent = read(session, user_id, agent_id)
    if agent.is_default:
        raise AgentIsDefault
    at = db.now(session)
    if _busy(session, agent, at):
        raise AgentBusy
    agent.deleted_at, agent.name_key = at, None
    session.flush()
    naming.free(session, agent)


def _make_default(session: Session, agent: Agent) -> None:
    former = update(Agent).where(Agent.user_id == agent.user_id, Agent.is_default)
    session.execute(former.values(is_default=False))  # first: the index allows one at any moment
    agent.is_default = True
    session.flush()


def _busy(session: Session, agent: Agent, at: datetime) -> bool:
    """Whether the agent is at work. The user is in the questions for the sake of their indexes."""
    claims = exists().where(
        Claim.user_id == agent.user_id,
        Claim.state == "held",
        Claim.expires_at > at,
        Claim.agent_id == agent.id,
        Drop.id == Claim.job_id,
        Drop.status == Status.OPEN,
    )
    entries = exists().where(
        Submission.user_id == agent.user_id,
        Submission.agent_id == agent.id,
        Drop.id == Submission.job_id,
        Drop.ended_at.is_(None),
    )
    return bool(session.scalar(select(or_(claims, entries))))
