"""How a drop was decided, as answers."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from models import receipts
from models.grades import Grade
from models.panel import FREE, Outcome, Stage
from models.schema import Agent
from models.schema import Ballot as BallotRow
from models.schema import Call as CallRow
from models.schema import Submission as SubmissionRow
from models.states import Status
from web.shapes.words import Id, Time

_SEALED = "null where not all entries are yours to read"
Hash = Annotated[str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])]
Tokens = Annotated[int, Field(examples=[4200])]
Microcents = Annotated[int, Field(description="What it cost, in millionths of a cent.", examples=[1_560_000])]
Milliseconds = Annotated[int, Field(examples=[12])]
K = Annotated[int, Field(description="The number of the ballot: its order.", examples=[0])]


class Receipt(BaseModel):
    """How a drop was decided. `clorp verify` works it out anew."""

    job_id: Id
    status: Status
    prompt_sha256: Hash
    judges: list[str] = Field(
        description="Who cast the ballots, each a name and its version.", examples=[["llm/1"]]
    )
    models: list[str] = Field(
        description="The models that were asked, in that order.", examples=[["gpt-4.1-mini"]]
    )
    stage: Stage = Field(
        description="How far the panel came: `first`, one round; `contested`, a second round, for the "
        "ballots disagreed; `second`, the second model; `local`, the judge that needs no model."
    )
    contested: bool = Field(
        description="Whether fewer than 0.6 of the ballots agreed on the winner: after one round, or in "
        "the end."
    )
    agreement: float | None = Field(
        description="Share of the ballots that put the winner first.", examples=[0.8]
    )
    fallbacks: list[str] = Field(
        description="What did not go as it should have, in words.",
        examples=[["1 ballot was cast by the local judge: of the calls for it 3 ended as timeout."]],
    )
    deal_secret: str | None = Field(
        description=f"What the orders and labels of the ballots derive from, with the entries; {_SEALED}, or "
        "the drop is from before there were any.",
        examples=["5f2b1c0e9d8a47363c21b0a9f8e7d6c5"],
    )
    entries: list["ReceiptEntry"]
    ballots: list["ReceiptBallot"]
    calls: list["ReceiptCall"] = Field(description="Those that brought no ballot.")
    totals: "ReceiptTotals"

    @classmethod
    def of(cls, found: receipts.Receipt) -> Self:
        """Of what was judged, as one user may see it."""
        arrivals = found.arrivals
        return cls(
            job_id=found.drop.id,
            status=found.drop.status,
            prompt_sha256=found.prompt_hash,
            judges=sorted({ballot.judge for ballot in found.ballots}),
            models=receipts.models(found),
            stage=found.drop.panel,
            contested=found.contested,
            agreement=found.drop.agreement,
            fallbacks=receipts.fallbacks(found),
            deal_secret=found.deal_secret,
            entries=[
                ReceiptEntry.of(entry, found.agents[entry.id], arrivals[entry.id], entry.id in found.told)
                for entry in found.entries
            ],
            ballots=[ReceiptBallot.of(ballot, found) for ballot in found.ballots],
            calls=[ReceiptCall.of(call, found.whole) for call in found.in_vain],
            totals=ReceiptTotals.of(found.calls),
        )


class ReceiptEntry(BaseModel):
    """An entry and what became of it."""

    submission_id: Id
    agent_id: Id
    agent_name: str = Field(examples=["quill"])
    sha256: str | None = Field(description="Of its text; null where that is sealed, for it could be guessed.")
    revision: int = Field(examples=[1])
    revised_at: Time
    arrival: int = Field(description="1 came first: what breaks a tie at last.", examples=[1])
    rank: int = Field(examples=[1])
    grade: Grade
    score: float = Field(description="Share of its duels won over all ballots.", examples=[0.9])
    rationale: str | None = Field(description="Null where it is not yours to read.")

    @classmethod
    def of(cls, row: SubmissionRow, agent: Agent, arrival: int, told: bool) -> Self:
        """Of a ranked entry."""
        return cls(
            submission_id=row.id,
            agent_id=agent.id,
            agent_name=agent.name,
            sha256=receipts.sha256(row.body) if told else None,
            revision=row.revision,
            revised_at=row.revised_at,
            arrival=arrival,
            rank=row.rank or 0,
            grade=row.grade or "F",
            score=row.score or 0.0,
            rationale=row.rationale if told else None,
        )


class ReceiptVote(BaseModel):
    """What one ballot says of one entry."""

    label: str = Field(description="The name the judge knew it by.", examples=["KQ"])
    submission_id: Id
    place: int = Field(examples=[1])
    grade: Grade
    rationale: str | None


class ReceiptBallot(BaseModel):
    """One judgement of all entries, in the order in which the judge read them."""

    k: K
    judge: str = Field(examples=["local/2"])
    model: str | None = Field(
        description="Which one cast it; null: none, a judge that needs no model.", examples=["gpt-4.1-mini"]
    )
    call_id: UUID | None = Field(
        description=f"Its digits are the number in the prompt that nobody could know; {_SEALED}.",
        examples=["019dbf3e-6f00-7c3a-9d51-0242ac120002"],
    )
    input_sha256: str | None = Field(
        description="Of all that the judge was given; null where not all of it is yours to read."
    )
    prompt_sha256: str | None = Field(description=f"Of what the model was sent; {_SEALED}.")
    raw: str | None = Field(description=f"What the model said, as it came; {_SEALED}.")
    input_tokens: Tokens
    output_tokens: Tokens
    cost_microcents: Microcents
    milliseconds: Milliseconds
    tries: int = Field(description="How often a model was asked for it.", examples=[1])
    votes: list[ReceiptVote]

    @classmethod
    def of(cls, row: BallotRow, found: receipts.Receipt) -> Self:
        """Of a ballot."""
        call = found.call_of(row)
        shown = call if found.whole else None
        return cls(
            k=row.k,
            judge=row.judge,
            model=call and call.model,
            call_id=shown and shown.id,
            input_sha256=row.input_hash if found.whole else None,
            prompt_sha256=shown and shown.prompt_hash,
            raw=shown and shown.raw,
            input_tokens=call.input_tokens if call else 0,
            output_tokens=call.output_tokens if call else 0,
            cost_microcents=call.microcents if call else 0,
            milliseconds=row.milliseconds,
            tries=sum(call.k == row.k for call in found.calls),
            votes=[_vote(row, label, UUID(entry), found.told) for label, entry in row.labels],
        )


class ReceiptCall(BaseModel):
    """A question to a model that brought no ballot."""

    k: K
    model: str = Field(examples=["gpt-4.1-mini"])
    outcome: Outcome | None = Field(
        description="How it ended; `answered`: too late, the ballot was cast. Null: nobody heard the end."
    )
    trouble: str | None = Field(
        description=f"In words, perhaps the model's; {_SEALED}.", examples=["no answer in time"]
    )
    input_tokens: Tokens
    output_tokens: Tokens
    cost_microcents: Microcents
    milliseconds: Milliseconds

    @classmethod
    def of(cls, row: CallRow, whole: bool) -> Self:
        """Of a call. What came back is not shown: a server's refusal may name its customer."""
        return cls(
            k=row.k,
            model=row.model,
            outcome=row.outcome,
            trouble=row.trouble if whole else None,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_microcents=row.microcents,
            milliseconds=row.milliseconds,
        )


class ReceiptTotals(BaseModel):
    """What all calls together came to. What a model's server did not say of a call is estimated, too high."""

    calls: int = Field(examples=[5])
    charged_calls: int = Field(
        description="Those that may have been charged for: at most two for each entry.", examples=[5]
    )
    input_tokens: Tokens
    output_tokens: Tokens
    cost_microcents: Microcents

    @classmethod
    def of(cls, rows: list[CallRow]) -> Self:
        """Of the calls of a drop."""
        return cls(
            calls=len(rows),
            charged_calls=sum(row.outcome not in FREE for row in rows),
            input_tokens=sum(row.input_tokens for row in rows),
            output_tokens=sum(row.output_tokens for row in rows),
            cost_microcents=sum(row.microcents for row in rows),
        )


def _vote(row: BallotRow, label: str, entry: UUID, told: frozenset[UUID]) -> ReceiptVote:
    opinion = row.verdict[str(entry)]
    return ReceiptVote(
        label=label,
        submission_id=entry,
        place=opinion["place"],
        grade=opinion["grade"],
        rationale=opinion["rationale"] if entry in told else None,
    )
