"""Settings under which a scripted model is asked, for as long as a test wants."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from models.settings import settings
from workers.judge import dialects


@contextmanager
def asking(url: str, **further: str) -> Iterator[None]:
    """Settings under which `llm.ask` asks the model at this URL; names as in `CLORP_LLM_…`."""
    named = {"base_url": url, "model": "scripted", **further}
    changed = {"CLORP_JUDGE": "llm", "NO_PROXY": "127.0.0.1"}
    changed |= {f"CLORP_LLM_{name.upper()}": value for name, value in named.items()}
    before = {name: os.environ.get(name) for name in changed}
    _change(changed)
    try:
        yield
    finally:
        _change(before)


def _change(variables: dict[str, str] | dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    settings.cache_clear()
    dialects.client().close()
    dialects.client.cache_clear()
