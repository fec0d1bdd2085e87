"""How a crowd of callers fared: every refusal has to be one that was foreseen, never a deadlock."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from models.errors import ClorpError
from tests.support import at_once


def outcomes(calls: Iterable[Callable[[], Any]]) -> Counter[str]:
    """All calls at once; how many came back (`ok`), and how many with which refusal."""
    fared: Counter[str] = Counter()
    for result in at_once(list(calls)):
        if isinstance(result, Exception) and not isinstance(result, ClorpError):
            raise result  # a deadlock, a broken constraint: nothing that a user may meet
        fared[type(result).__name__ if isinstance(result, ClorpError) else "ok"] += 1
    return fared
