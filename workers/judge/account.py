"""Who was asked for which ballot, how often, and what that cost: whether a receipt's account holds. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from models import fallbacks, panel
from models.fallbacks import Judging
from models.grades import quorum
from models.panel import FREE, ROUNDS, TRIES
from workers.judge import llm
from workers.judge.findings import Finding, same, within
from workers.judge.local import LocalJudge

Json = Mapping[str, Any]

SUMS = ("input_tokens", "output_tokens", "cost_microcents")


def ballots(receipt: Json) -> Iterator[Finding]:
    """Every one that was wanted is there, or it is told why not; who cast them, and for how many tries."""
    entries, cast = len(receipt["entries"]), receipt["ballots"]
    numbers, wanted = [ballot["k"] for ballot in cast], panel.ballots(receipt["stage"], entries)
    yield same("ballots", "numbers", numbers, sorted(set(numbers) & set(wanted)))
    yield within("ballots", "quorum", len(numbers), quorum(entries), len(wanted))
    yield same("ballots", "judges", receipt["judges"], sorted({ballot["judge"] for ballot in cast}))
    yield same("ballots", "fallbacks", receipt["fallbacks"], fallbacks.told(_judging(receipt)))
    for ballot in cast:
        about = f"ballot {ballot['k']}"
        in_vain = sum(call["k"] == ballot["k"] for call in receipt["calls"])
        yield same(about, "tries", ballot["tries"], in_vain + (ballot["model"] is not None))
        if ballot["judge"] in (llm.NAME, LocalJudge.name):
            yield same(about, "by a model", ballot["model"] is not None, ballot["judge"] == llm.NAME)
        if ballot["model"] is None:
            yield same(about, "cost", [ballot[name] for name in SUMS], [0, 0, 0])


def calls(receipt: Json) -> Iterator[Finding]:
    """Not too many, of the models that are named, and sums that are sums."""
    totals, most = receipt["totals"], ROUNDS * len(receipt["entries"])
    brought = [ballot for ballot in receipt["ballots"] if ballot["model"] is not None]
    made = [*brought, *receipt["calls"]]
    paid = [*brought, *(call for call in receipt["calls"] if call["outcome"] not in FREE)]
    tries = Counter((call["k"], call["model"]) for call in made)
    yield same("calls", "number", totals["calls"], len(made))
    yield same("calls", "charged for", totals["charged_calls"], len(paid))
    yield within("calls", "at most two for each entry", len(paid), 0, most)
    yield within("calls", "of one model for a ballot", max(tries.values(), default=0), 0, TRIES)
    yield same("calls", "ballots", sorted({k for k, _ in tries} - set(range(most))), [])
    yield same("calls", "models", sorted(receipt["models"]), sorted({model for _, model in tries}))
    for name in SUMS:
        yield same("calls", name, totals[name], sum(call[name] for call in made))
    numbers = [row[name] for row in [*receipt["ballots"], *receipt["calls"]] for name in SUMS]
    yield same("calls", "numbers below zero", [number for number in numbers if number < 0], [])
    free = [call["cost_microcents"] for call in receipt["calls"] if call["outcome"] in FREE]
    yield same("calls", "cost of those that are free", sum(free), 0)
    # With prices every call that may be charged has one, be it the estimate; without, none has.
    prices = {call["cost_microcents"] > 0 for call in paid}
    yield within("calls", "charged all or none", len(prices), 0, 1)


def _judging(receipt: Json) -> Judging:
    return Judging(
        stage=receipt["stage"],
        entries=len(receipt["entries"]),
        first=next(iter(receipt["models"]), None),
        cast={ballot["k"]: ballot["model"] for ballot in receipt["ballots"]},
        in_vain=[(call["k"], call["outcome"]) for call in receipt["calls"]],
    )
