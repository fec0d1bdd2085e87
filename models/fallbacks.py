"""What did not go as it should have where a drop was judged, in words. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from models import panel
from models.panel import Outcome, Stage

DEAD = "cut off"  # a call whose end nobody heard


@dataclass(frozen=True)
class Judging:
    """Who cast what. `first`: the model that was asked first; None: none was.

    `cast`: the ballots, each with the model that cast it. `in_vain`: of every call that brought no ballot,
    the ballot that it was for, and how it ended.
    """

    stage: Stage
    entries: int
    first: str | None
    cast: Mapping[int, str | None]
    in_vain: Collection[tuple[int, Outcome | None]]


def told(judging: Judging) -> list[str]:
    """Who stood in for whom, and what is missing."""
    cast, by_models = judging.cast, judging.first or judging.stage != "first"  # or the local one was meant to
    second = [k for k, model in cast.items() if k < judging.entries and model and model != judging.first]
    local = [k for k, model in cast.items() if model is None and by_models]
    missing = [k for k in panel.ballots(judging.stage, judging.entries) if k not in cast]
    happened = [
        (second, "cast by the second model"),
        (local, "cast by the local judge"),
        (missing, "never cast"),
    ]
    return [_sentence(judging, ks, what) for ks, what in happened if ks]


def _sentence(judging: Judging, ks: list[int], what: str) -> str:
    """`2 ballots were cast by the local judge: of the calls for them 3 ended as timeout.`"""
    subject = "1 ballot was" if len(ks) == 1 else f"{len(ks)} ballots were"
    them = "it" if len(ks) == 1 else "them"
    ended = _ends(outcome for k, outcome in judging.in_vain if k in ks)
    why = f"of the calls for {them} {ended}" if ended else f"no model was asked for {them}"
    return f"{subject} {what}: {why}."


def _ends(outcomes: Iterable[Outcome | None]) -> str:
    counts = Counter(outcome or DEAD for outcome in outcomes)
    return ", ".join(f"{count} ended as {outcome}" for outcome, count in sorted(counts.items()))
