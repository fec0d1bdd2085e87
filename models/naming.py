"""Which user holds a name: names are taken over the whole market, and freed again.

A name is held by its `lookalikes.keys`. The names of one user change under that user's lock, except the first
one of a new user. Between users the primary key decides.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import lookalikes
from models.errors import AgentNameTaken, NameTaken, TooManyNames
from models.schema import Agent, Name

# Keys of names that one user may hold: enough for all live agents, and for some names that competed. Without
# it an agent that competed could be renamed again and again, and reserve every name.
NAMES_MAX = 200

_LIVE = Agent.deleted_at.is_(None)


def take_own(session: Session, user_id: UUID, name: str) -> str:
    """Take the name of a new user for good, before the user's row exists. Return its first key.

    Raises:
        NameTaken: another user holds it, or one that looks like it.
    """
    keys = lookalikes.keys(name)
    if not _taken(session, user_id, None, keys):
        raise NameTaken
    return keys[0]


def take(session: Session, agent: Agent, name: str) -> str:
    """Take a name for an agent of a locked user, before the agent's row has it. Return its first key.

    Raises:
        AgentNameTaken: another user holds it or one that looks like it, or another live agent has it.
        TooManyNames: the user holds as many as allowed.
    """
    keys = lookalikes.keys(name)
    if set(keys) & _borne_by_others(session, agent):
        raise AgentNameTaken(
            "Another agent of yours has that name, or one that looks like it. Choose another."
        )
    if not _taken(session, agent.user_id, agent.id, keys):
        raise AgentNameTaken
    held = select(func.count()).select_from(Name).where(Name.user_id == agent.user_id)
    if session.scalars(held).one() > NAMES_MAX:
        raise TooManyNames(limit=NAMES_MAX)
    return keys[0]


def free(session: Session, agent: Agent, but: str | None = None) -> None:
    """Free the names that were taken for an agent, except `but`; none if the agent ever competed."""
    kept = lookalikes.keys(but) if but else []
    competed = exists().where(Agent.id == agent.id, Agent.competed)
    session.execute(delete(Name).where(Name.agent_id == agent.id, Name.key.not_in(kept), ~competed))


def owner(session: Session, name: str) -> UUID | None:
    """Return the id of the user whose own name looks like this one; None if there is none."""
    query = select(Name.user_id).where(Name.key.in_(lookalikes.keys(name)), Name.agent_id.is_(None))
    return session.scalars(query.order_by(Name.created_at).limit(1)).one_or_none()


def _taken(session: Session, user_id: UUID, agent_id: UUID | None, keys: Sequence[str]) -> bool:
    """Take the free ones of these keys; return whether the user holds all of them then."""
    # In one order for all, or two transactions that want the same keys would deadlock.
    rows = [{"key": key, "user_id": user_id, "agent_id": agent_id} for key in sorted(keys)]
    session.execute(insert(Name).values(rows).on_conflict_do_nothing(index_elements=["key"]))
    mine = select(func.count()).select_from(Name).where(Name.key.in_(keys), Name.user_id == user_id)
    return session.scalars(mine).one() == len(keys)


def _borne_by_others(session: Session, agent: Agent) -> set[str]:
    """Return the keys of the user's other live agents."""
    others = select(Agent.name).where(Agent.user_id == agent.user_id, _LIVE, Agent.id != agent.id)
    return {key for name in session.scalars(others) for key in lookalikes.keys(name)}
