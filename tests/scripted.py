"""Models of a test's own, behind the OpenAI dialect: what each says is decided by its name."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from models.settings import settings
from tests.serving import serving
from workers.judge import dialects, llm

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}
COST = 1000 * 40 + 100 * 160  # of such a call, in millionths of a cent


@contextmanager
def models(monkeypatch: pytest.MonkeyPatch, first: str, second: str | None = None) -> Iterator[None]:
    """The judge is `llm`, and asks these models, while the block runs.

    `agrees`: what comes first in the alphabet is best. `wavers`: what it reads first is best.
    `mutters`: as `agrees`, with signs that a terminal would obey.
    `babbles`: no JSON. `breaks`: 500. `declines`: it refuses, and quotes what it read.
    """
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(llm, "PAUSE_SECONDS", 0.0)
    with serving(_answer) as url:
        for name, value in {
            "CLORP_JUDGE": "llm",
            "CLORP_LLM_BASE_URL": url,
            "CLORP_LLM_MODEL": first,
            "CLORP_LLM_FALLBACK_MODEL": second,
            "CLORP_LLM_INPUT_CENTS_PER_MILLION": "40",
            "CLORP_LLM_OUTPUT_CENTS_PER_MILLION": "160",
        }.items():
            if value:
                monkeypatch.setenv(name, value)
        settings.cache_clear()
        try:
            yield
        finally:
            dialects.client().close()
            dialects.client.cache_clear()


def _answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    status, message = _said(asked["model"], asked["messages"][1]["content"])
    choice = {"message": message, "finish_reason": "stop"}
    start(status, [("Content-Type", "application/json")])
    return [json.dumps({"choices": [choice], "usage": USAGE}).encode()]


def _said(model: str, user: str) -> tuple[str, dict[str, Any]]:
    entries = [json.loads(line) for line in user.splitlines() if line.startswith('{"label"')]
    if model == "breaks":
        return "500 Internal Server Error", {}
    if model == "declines":
        return "200 OK", {"refusal": f"I will not judge {entries[0]['entry']}"}
    if model == "babbles":
        return "200 OK", {"content": "They are all wonderful."}
    order = entries if model == "wavers" else sorted(entries, key=lambda entry: str(entry["entry"]))
    mutter = "\x85So\x85there." if model == "mutters" else ""
    verdict = {
        "entries": [
            {"label": entry["label"], "flaw": f"Says {entry['entry']}{mutter}", "grade": "B"}
            for entry in entries
        ],
        "ranking": [entry["label"] for entry in order],
    }
    return "200 OK", {"content": json.dumps(verdict, ensure_ascii=False)}
