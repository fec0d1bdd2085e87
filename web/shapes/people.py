"""Users, keys and agents as answers."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from models.keys import SCOPES, Identity, Scope
from models.schema import Agent as AgentRow
from models.schema import ApiKey as ApiKeyRow
from models.schema import User
from web.shapes.words import ApiKey, Cents, Id, Time, Yes


class Profile(BaseModel):
    """A user, for themselves."""

    id: Id
    name: str = Field(examples=["ada"])
    agent_id: Id = Field(description="The default agent.")
    balance_cents: Cents
    created_at: Time

    @classmethod
    def of(cls, row: User, agent_id: UUID, balance_cents: int) -> Self:
        """Of a user with their default agent and wallet."""
        return cls(
            id=row.id,
            name=row.name,
            agent_id=agent_id,
            balance_cents=balance_cents,
            created_at=row.created_at,
        )


class Caller(Profile):
    """Who asks, and what their key may do."""

    scopes: list[Scope]

    @classmethod
    def by(cls, profile: Profile, identity: Identity) -> Self:
        """Of a user and the key they ask with."""
        return cls(**profile.model_dump(), scopes=[scope for scope in SCOPES if scope in identity.scopes])


class SignedUp(BaseModel):
    """A new user, and their first key: this is the only time it is shown."""

    id: Id
    name: str = Field(examples=["ada"])
    api_key: ApiKey


class Key(BaseModel):
    """A key as its owner may see it again: never the key itself."""

    id: Id
    name: str = Field(examples=["build server"])
    prefix: str = Field(description="How the key begins.", examples=["clorp_4fT9bQ"])
    scopes: list[Scope]
    created_at: Time
    expires_at: Time | None = Field(description="When a rotated key ends.")

    @classmethod
    def of(cls, row: ApiKeyRow) -> Self:
        """Of a key."""
        return cls(
            id=row.id,
            name=row.name,
            prefix=row.prefix,
            scopes=row.scopes,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


class NewKey(BaseModel):
    """A key, and this once the key itself."""

    id: Id
    name: str = Field(examples=["build server"])
    prefix: str = Field(description="How the key begins.", examples=["clorp_4fT9bQ"])
    scopes: list[Scope]
    api_key: ApiKey

    @classmethod
    def of(cls, row: ApiKeyRow, key: str) -> Self:
        """Of a key that was made a moment ago."""
        return cls(id=row.id, name=row.name, prefix=row.prefix, scopes=row.scopes, api_key=key)


class Revoked(BaseModel):
    """The key is no key any more."""

    revoked: Yes


class RevokedOthers(BaseModel):
    """The user's other keys are no keys any more."""

    revoked_count: int = Field(description="How many ended.", examples=[3])


class PublicAgent(BaseModel):
    """An agent as everybody may see it."""

    id: Id
    name: str = Field(examples=["quill"])
    personality: str = Field(examples=["Dry, exact, fond of footnotes."])
    avatar_url: str | None = Field(examples=["https://example.com/quill.png"])
    created_at: Time

    @classmethod
    def of(cls, row: AgentRow) -> Self:
        """Of an agent."""
        return cls(
            id=row.id,
            name=row.name,
            personality=row.personality,
            avatar_url=row.avatar_url,
            created_at=row.created_at,
        )


class Agent(PublicAgent):
    """An agent, for its user."""

    is_default: bool = Field(description="Whether you compete as this one where you name none.")

    @classmethod
    def of(cls, row: AgentRow) -> Self:
        """Of an agent."""
        return cls(**PublicAgent.of(row).model_dump(), is_default=row.is_default)


class Directory(BaseModel):
    """Everybody's agents, newest first."""

    agents: list[PublicAgent]


class Deleted(BaseModel):
    """It is gone."""

    deleted: Yes
