"""The harness bites: with a bug planted in the system, and the wall behind it gone, a run fails for that."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.torture.planted import sitecustomize
from web.cli.torture.plan import PATIENCE_SECONDS, Plan
from web.cli.torture.run import Outcome, torture

PLANTED = Path(sitecustomize.__file__).parent

CHANCES = 8  # one is enough nearly always where nothing else runs

# Under which faults each bug shows, and what the harness has to say of it.
EXPECTED = {
    "no-lock": (("double-messages",), "settled_once"),
    "early-acks": (("kill-judge", "kill-money"), "ended"),
    "early-clock": (("hold-lock",), "window"),
    "careless-cancel": ((), "the drop is cancelled"),
    "loose-key": (("kill-api",), "times"),
    "trusting-rank": (("double-messages", "judge-wavers"), "verdict"),
}


def run(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="clorp-bites-") as folder:
        return torture(plan, Path(folder))


def plan(faults: tuple[str, ...], chance: int = 1, **settings: str) -> Plan:
    """Each chance is a longer and calmer run than the last: a busy machine gets less done in a second."""
    return Plan(
        seconds=10 * chance,
        seed=2 + chance,
        faults=faults,
        every=1.0 * chance,
        drops_per_second=5 / chance,
        patience=12 * chance,
        settings=settings,
    )


@pytest.mark.parametrize("bug", sorted(EXPECTED))
def test_a_planted_bug_makes_the_run_fail(bug: str) -> None:
    """What takes two processes to meet may not happen in one run."""
    faults, words = EXPECTED[bug]
    for chance in range(1, CHANCES + 1):
        outcome = run(plan(faults, chance, PLANTED_BUG=bug, PYTHONPATH=str(PLANTED)))
        if any(words in breach for breach in outcome.breaches):
            return
    raise AssertionError(outcome)


def test_every_bug_there_is_gets_planted() -> None:
    assert set(EXPECTED) == set(sitecustomize.BUGS)


def test_without_a_bug_the_run_is_clean() -> None:
    faults = ("kill-judge", "kill-web", "flush-redis", "end-sessions")
    for chance in range(1, CHANCES + 1):
        outcome = run(replace(plan(faults, chance), patience=10 * PATIENCE_SECONDS))
        assert outcome.breaches == []
        if outcome.drops["verified"] > 10 and outcome.struck.total() >= 4:
            return
    raise AssertionError(outcome)
