"""A panel of models: which of them is asked for which ballot, how often, and when that is enough. Pure.

first ──agreement too low──> contested: n more ballots, of the second model where there is one
  └──no quorum──> second: the missing ballots, of the second model
                     └──no quorum──> local: the rest is the offline judge's
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from models.grades import Opinion, quorum

Stage = Literal["first", "contested", "second", "local"]
STAGES: tuple[Stage, ...] = get_args(Stage)

# How a call ended: with a ballot; with an answer that is none; with a refusal to judge; with none in time, or
# one broken off; with 429; with any other status, or without a connection. None: it has not, or died.
Outcome = Literal["answered", "invalid", "refused", "timeout", "limited", "failed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
FREE: frozenset[Outcome | None] = frozenset({"limited", "failed"})  # nothing was read, nothing is charged

TRIES = 3  # of one model for one ballot
ROUNDS = 2  # n ballots each: a drop is never charged for more than 2 n calls
RAW_MAX = 20_000  # characters kept of what came back
TEXT_MAX = 8_000  # characters a model reads of the task, and of each entry with its files
ANSWER_TOKENS, REMARK_TOKENS = 300, 120  # of an answer at most: by itself, and for each entry
# A drop that was handed out so often without an end is decided offline: it is never stuck. Where no model was
# asked for it so far, its messages only wait for their turn behind others.
PATIENCE, PATIENCE_UNASKED = 6, 60
CONTESTED_BELOW = 0.6  # agreement on the first place


@dataclass(frozen=True)
class Asked:
    """One question to a model, so far. `running`: it may still be answered."""

    k: int
    model: str
    outcome: Outcome | None = None
    running: bool = False


@dataclass(frozen=True)
class Answer:
    """How one call ended, and all that is kept of it."""

    outcome: Outcome
    opinions: dict[str, Opinion] = field(default_factory=dict)  # by label; of an answered call only
    prompt_hash: str = ""  # SHA-256 of the request's messages
    raw: str = ""  # what came back, as it came, up to RAW_MAX characters
    input_tokens: int = 0
    output_tokens: int = 0
    milliseconds: int = 0
    pause_seconds: float = 0.0  # to wait before the next try
    trouble: str = ""  # a sentence, where there was any

    @property
    def charged(self) -> bool:
        """Whether it may have cost anything."""
        return self.outcome not in FREE


def ballots(stage: Stage, entries: int) -> range:
    """The numbers of the ballots that a drop of so many entries wants."""
    return range(ROUNDS * entries if stage == "contested" else entries)


def model(stage: Stage, k: int, entries: int, models: Sequence[str]) -> str | None:
    """Who is to cast the k-th ballot; None: the judge that needs no model."""
    if not models or stage == "local":
        return None
    return models[-1] if stage == "second" or k >= entries else models[0]


def is_open(stage: Stage, k: int, entries: int, models: Sequence[str], calls: Collection[Asked]) -> bool:
    """Whether a model may be asked for this ballot, which is not cast: it has tries left, the drop calls."""
    asked = [call for call in calls if call.k == k and call.model == model(stage, k, entries, models)]
    return (
        len(asked) < TRIES
        and not any(call.running for call in asked)
        and has_calls(stage, entries, models, calls)
    )


def has_calls(stage: Stage, entries: int, models: Sequence[str], calls: Collection[Asked]) -> bool:
    """Whether a drop of so many entries may have another call charged in this stage.

    A first model that only talks nonsense leaves the second one enough for a quorum.
    """
    kept = quorum(entries) if stage == "first" and len(models) > 1 else 0
    return sum(call.outcome not in FREE for call in calls) < ROUNDS * entries - kept


def following(
    stage: Stage, entries: int, models: Sequence[str], agreement: float | None, askable: bool
) -> Stage | None:
    """The stage after one in which nothing is left to be asked; None: decide.

    Args:
        stage: the present one.
        entries: how many compete.
        models: the first, and perhaps a second one.
        agreement: of the ballots on the first place; None without a quorum.
        askable: whether drop and day have calls left for another stage.
    """
    if agreement is not None:
        doubted = stage == "first" and entries > 1 and agreement < CONTESTED_BELOW
        return "contested" if doubted and askable else None
    return "second" if stage == "first" and len(models) > 1 and askable else "local"
