from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.judges.asking import asking
from tests.judges.script import Script
from tests.judges.server import Judge, judging


@pytest.fixture
def scripted() -> Iterator[Callable[..., Judge]]:
    """A scripted model, and settings to ask it: `scripted("anthropic", timeout_seconds="1", noise=2)`."""
    with ExitStack() as stack:

        def start(dialect: str = "openai", timeout_seconds: str = "30", api_key: str = "", **script: object):
            judge = stack.enter_context(judging(Script(**script)))
            stack.enter_context(
                asking(judge.url, dialect=dialect, timeout_seconds=timeout_seconds, api_key=api_key)
            )
            return judge

        yield start
