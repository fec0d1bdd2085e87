"""What one run is to be: how long, how hard, with which faults, and from which seed."""

from dataclasses import dataclass, field

# The system under fire. Windows of seconds, so that thousands of drops end; an honest fee; no limit on
# what one user may do, for a handful of them do everything; a judge that can be ordered to misbehave.
SETTINGS = {
    "CLORP_TIME_LIMIT_MIN_SECONDS": "1",
    "CLORP_RATE_LIMITS": "off",
    "CLORP_MAX_IDLE_CLAIMS": "100000",
    "CLORP_MAX_PENDING_DROPS": "100000",
    "CLORP_NO_SHOW_LIMIT": "0",
    "CLORP_REVISION_COOLDOWN_SECONDS": "0",
    "CLORP_PLATFORM_FEE_BPS": "250",
    "CLORP_PLATFORM_FEE_FLAT_CENTS": "1",
    "CLORP_JUDGE": "unruly",
    "CLORP_JUDGE_SECONDS": "3",
}
PATIENCE_SECONDS = 60.0  # after the last fault every drop has to end within this
DEFINITE_SECONDS = 3.0  # an answer counts as available when the first try gave it within this


@dataclass(frozen=True)
class Plan:
    """One run. `faults` are names; `every` the seconds between two of them."""

    seconds: float = 60.0
    seed: int = 1
    faults: tuple[str, ...] = ()
    every: float = 2.0
    drops_per_second: float = 8.0
    patience: float = PATIENCE_SECONDS
    settings: dict[str, str] = field(default_factory=dict)  # beside, and before, those of every run
