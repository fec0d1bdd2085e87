"""A request to a model, taken apart: as a server checks it, and as the least careful reader takes it."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models.grades import Brief, Candidate
from workers.judge import prompt
from workers.judge.rubrics import RUBRICS


@lru_cache(maxsize=1024)
def task_as_read(task: str) -> str:
    """A task as a model reads it."""
    first = prompt.write(Brief(task, "wild", ()), "0").user.split("\n")[1]
    read: str = json.loads(first)["task"]
    return read


@dataclass(frozen=True)
class Question:
    """A request, taken apart. `foreign`: each line outside the fence that is none of ours, and by whom."""

    task: str
    entries: list[tuple[str, str]]  # label, text
    foreign: list[tuple[str | None, str]]
    hash: str  # of the task and the entries' texts in their order; not of labels and nonce
    tokens: int

    @property
    def labels(self) -> list[str]:
        """In the order read."""
        return [label for label, _ in self.entries]


def read(body: dict[str, Any], dialect: str) -> Question:
    """Take a request apart.

    Raises:
        AssertionError, KeyError, IndexError, TypeError, ValueError: it is none of this dialect.
    """
    if dialect == "openai":
        asked = body["response_format"]
        assert asked["type"] == "json_schema"
        assert asked["json_schema"]["strict"] is True
        assert asked["json_schema"]["schema"] == prompt.SCHEMA
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        system, user = (message["content"] for message in body["messages"])
    else:
        assert body["tool_choice"] == {"type": "tool", "name": body["tools"][0]["name"]}
        assert body["tools"][0]["input_schema"] == prompt.SCHEMA
        assert [message["role"] for message in body["messages"]] == ["user"]
        system, user = body["system"], body["messages"][0]["content"]
    assert isinstance(body["model"], str)
    assert body["model"]
    assert body["temperature"] == 0
    assert type(body["max_tokens"]) is int
    assert body["max_tokens"] > 0
    labels = re.findall(r"\d+ labels (.*) name", user.split("\n")[-1])[0].split(", ")
    task, entries, foreign = _fenced(system, user, labels)
    assert entries
    assert set(dict(entries)) <= set(labels)
    assert foreign or [label for label, _ in entries] == labels
    found = dict(reversed(entries))  # of two that say they are the same the first; none where it was torn up
    entries = [(label, found.get(label, "")) for label in labels]
    hashed = hashlib.sha256(json.dumps([task, [text for _, text in entries]]).encode()).hexdigest()
    return Question(task, entries, foreign, hashed, (len(system) + len(user)) // 4)


def _fenced(
    system: str, user: str, labels: list[str]
) -> tuple[str, list[tuple[str, str]], list[tuple[str | None, str]]]:
    """The task, the entries and the foreign lines, as the least careful reader takes them.

    To it a line ends wherever Unicode says so, and whatever is no JSON of the form we write is no data.
    """
    nonce = re.findall(r"`BEGIN (\w+)`", system)[0]
    blank, ours = _our_lines(len(labels))
    task, entries, foreign = "", [], []
    assert {f"BEGIN {nonce}", f"END {nonce}"} <= set(user.split("\n"))
    for line in (*system.splitlines(), *user.splitlines()):
        row = _row(line)
        if row and set(row) == {"task"} and not task:
            task = row["task"]
        elif row and set(row) == {"label", "entry"}:
            entries.append((row["label"], row["entry"]))
        elif line.replace(nonce, "NONCE").replace(", ".join(labels), blank) not in ours:
            foreign.append((entries[-1][0] if entries else None, line))
    return task, entries, foreign


def _row(line: str) -> dict[str, str] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and all(type(value) is str for value in row.values()) else None


@lru_cache
def _our_lines(number: int) -> tuple[str, frozenset[str]]:
    """The labels, and all lines apart from the data, of a prompt about so many entries."""
    blank = tuple(Candidate(f"L{i}", "") for i in range(number))
    written = [prompt.write(Brief("", pack, blank), "NONCE") for pack in RUBRICS]
    lines = (line for text in written for line in (*text.system.split("\n"), *text.user.split("\n")))
    return ", ".join(candidate.label for candidate in blank), frozenset(lines)
