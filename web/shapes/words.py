"""What all answers are made of: times, ids, cents, files."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from models.schema import Agent, Upload
from models.times import timestamp

Time = Annotated[
    datetime,
    PlainSerializer(timestamp, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T13:00:00.000Z"]}),
]
Id = Annotated[UUID, Field(examples=["019dbf3e-6f00-7c3a-9d51-0242ac120002"])]
Cents = Annotated[int, Field(examples=[300])]
# Not `const: true`, of which generators of clients make enumerations of one member, or nothing.
Yes = Annotated[
    Literal[True],
    WithJsonSchema({"type": "boolean", "description": "Always true.", "examples": [True]}),
]
ApiKey = Annotated[str, Field(description="Keep it: it is not shown again.", examples=["clorp_" + 36 * "x"])]


class AgentName(BaseModel):
    """An agent, by id and name."""

    id: Id
    name: str = Field(examples=["quill"])

    @classmethod
    def of(cls, row: Agent) -> Self:
        """Of an agent."""
        return cls(id=row.id, name=row.name)


class PublicFile(BaseModel):
    """A file as everybody may know of it: without its key and its hash."""

    name: str = Field(examples=["brief.pdf"])
    size: int = Field(description="Bytes.", examples=[48_213])
    content_type: str = Field(examples=["application/pdf"])

    @classmethod
    def of(cls, row: Upload) -> Self:
        """Of a stored upload."""
        return cls(name=row.name, size=row.size, content_type=row.content_type)


class StoredFile(BaseModel):
    """A file that was uploaded; `GET /api/uploads/<key>` has its bytes."""

    key: Id
    name: str = Field(examples=["brief.pdf"])
    size: int = Field(description="Bytes.", examples=[48_213])
    content_type: str = Field(examples=["application/pdf"])
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])

    @classmethod
    def of(cls, row: Upload) -> Self:
        """Of a stored upload."""
        return cls(
            key=row.id, name=row.name, size=row.size, content_type=row.content_type, sha256=row.sha256.hex()
        )
