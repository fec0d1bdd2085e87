"""A scripted judge: an HTTP server on loopback that speaks both dialects and answers by a script.

It finds which known entry stands where, and ranks by given scores, with as much noise, bias and trouble as
the script says. What it does depends on the script's seed and on what it is asked, not on when.

As a program, for benchmarks: `python -m tests.judges.server --delay 1` prints its URL and serves until it is
ended. `GET /stats` counts.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from statistics import pstdev
from typing import Any, Literal

import httpx2

from models.grades import GRADES
from workers.judge import prompt

Mood = Literal["honest", "first", "credulous"]  # by score; by place; by what stands outside the fence
DIALECTS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
MALFORMED = ("prose", "broken", "missing", "twice", "stranger", "cut", "empty", "grade")


@dataclass
class Script:
    """How the judge behaves. Shares are of the calls, 0 to 1; `noise` and `bias` in standard deviations."""

    scores: dict[str, float] = field(default_factory=dict)  # by the text of an entry, as a model reads it
    noise: float = 0.0
    bias: float = 0.0  # by how much the first place is favoured over the last, evenly down the places
    mood: Mood = "honest"
    orders: list[str] = field(default_factory=list)  # what a credulous one obeys where it stands outside
    malformed: float = 0.0
    kinds: tuple[str, ...] = MALFORMED
    refused: float = 0.0
    limited: float = 0.0
    broken: float = 0.0
    limited_first: int = 0  # so many calls are answered 429 before any other is
    retry_after: str = "0.01"
    delay_seconds: float = 0.0
    drip_seconds: float = 0.0  # between two bytes of the answer
    key: str = ""  # wanted in the dialect's header, where there is one
    flaw: str = "It could be sharper."
    seed: int = 0

    def knows(self, list_: dict[str, Any]) -> None:
        """Have it know a list of rated entries: `{"prompt", "submissions": [{"text", "score"}]}`."""
        for entry in list_["submissions"]:
            self.scores[prompt.entry(entry["text"], list_["prompt"])] = entry["score"]


@dataclass
class Stats:
    """What was asked."""

    calls: int = 0
    flying: int = 0
    most_flying: int = 0
    asked: Counter[str] = field(default_factory=Counter)  # by the hash of the entries in their order
    told: list[dict[str, Any]] = field(default_factory=list)  # the last requests' bodies
    guard: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Judge:
    """A running scripted judge."""

    url: str
    script: Script
    stats: Stats


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    script: Script
    stats: Stats


@contextmanager
def judging(script: Script | None = None) -> Iterator[Judge]:
    """A scripted judge in threads of this process."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.script, server.stats = script or Script(), Stats()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Judge(f"http://127.0.0.1:{server.server_address[1]}/v1", server.script, server.stats)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Spawned:
    """A scripted judge in a process of its own."""

    url: str

    def stats(self) -> dict[str, int]:
        """How many calls there were, and how many at once."""
        answer: dict[str, int] = httpx2.get(self.url.removesuffix("/v1") + "/stats", trust_env=False).json()
        return answer


@contextmanager
def spawned(delay_seconds: float) -> Iterator[Spawned]:
    """A scripted judge in a process of its own, so that it takes no time from whoever asks."""
    command = [sys.executable, "-m", "tests.judges.server", "--delay", str(delay_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Spawned(process.stdout.readline().strip())
        finally:
            process.terminate()


# Reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """What was asked: the entries in their order, and all that stands outside of the fence."""

    entries: list[tuple[str, str]]  # label, text
    outside: str
    hash: str


def read(body: dict[str, Any], dialect: str) -> Question:
    """Take a request apart.

    Raises:
        KeyError, IndexError, TypeError, ValueError: it is none of this dialect.
    """
    if dialect == "openai":
        assert body["response_format"]["json_schema"]["strict"] is True
        schema = body["response_format"]["json_schema"]["schema"]
        system, user = (message["content"] for message in body["messages"])
    else:
        assert body["tool_choice"] == {"type": "tool", "name": body["tools"][0]["name"]}
        schema = body["tools"][0]["input_schema"]
        system, user = body["system"], body["messages"][0]["content"]
    assert body["model"]
    assert body["temperature"] == 0
    assert body["max_tokens"] > 0
    nonce = re.findall(r"`BEGIN (\w+)`", system)[0]
    before, _, rest = user.partition(f"BEGIN {nonce}\n")
    inside, _, after = rest.partition(f"\nEND {nonce}\n")
    rows = [json.loads(line) for line in inside.split("\n")]
    entries = [(row["label"], row["entry"]) for row in rows[1:]]
    assert set(rows[0]) == {"task"}
    assert schema["properties"]["ranking"]["type"] == "array"
    hashed = hashlib.sha256(json.dumps([rows[0], [text for _, text in entries]]).encode()).hexdigest()
    return Question(entries, "\n".join([system, before, after]), hashed)


# Answering -----------------------------------------------------------------------------------


def verdict(script: Script, question: Question, chance: Random) -> dict[str, Any]:
    """What the script has to say."""
    scores = {label: _score(script, text) for label, text in question.entries}
    spread, last = pstdev(scores.values()), max(1, len(scores) - 1)
    worth = {
        label: score
        + script.noise * spread * chance.gauss(0, 1)
        + script.bias * spread * (last - place) / last
        for place, (label, score) in enumerate(scores.items())
    }
    ranking = sorted(worth, key=lambda label: -worth[label])
    if script.mood == "first":
        ranking = list(scores)
    if script.mood == "credulous":
        ranking.sort(key=lambda label: not _obeyed(script, question, label))
    low, high = min(script.scores.values(), default=0), max(script.scores.values(), default=1)
    remarks = [
        {"label": label, "flaw": script.flaw, "grade": _grade(scores[label], low, high)} for label in scores
    ]
    return {"entries": remarks, "ranking": ranking}


def _score(script: Script, text: str) -> float:
    """The score of a known entry, of the longest one that this begins with, or else one made of the text."""
    if text in script.scores:
        return script.scores[text]
    known = [other for other in script.scores if other and text.startswith(other)]
    if known:
        return script.scores[max(known, key=len)]
    return int(hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8], 16) / 0xFFFFFFFF


def _grade(score: float, low: float, high: float) -> str:
    share = (score - low) / (high - low or 1)
    return GRADES[min(len(GRADES) - 1, int((1 - min(1.0, max(0.0, share))) * len(GRADES)))]


def _obeyed(script: Script, question: Question, label: str) -> bool:
    """Whether something outside of the fence speaks for this entry."""
    orders = (order.replace("{SELF}", label) for order in script.orders)
    lines = (line.strip() for order in orders for line in order.splitlines())
    return any(len(line) > len(label) + 4 and line in question.outside for line in lines)


def spoil(kind: str, said: dict[str, Any]) -> str:
    """A malformed answer of this kind, as text."""
    labels = said["ranking"]
    if kind == "prose":
        return f"The winner is {labels[0]}, followed by {', '.join(labels[1:])}."
    if kind == "broken":
        return json.dumps(said)[:-7]
    if kind == "empty":
        return ""
    changed = {
        "missing": {**said, "ranking": labels[:-1]},
        "twice": {**said, "ranking": [labels[0], *labels[:-1]] if len(labels) > 1 else labels * 2},
        "stranger": {**said, "ranking": [*labels[:-1], "??"]},
        "grade": {**said, "entries": [{**remark, "grade": "A+"} for remark in said["entries"]]},
    }
    return json.dumps(changed.get(kind, said))


def envelope(dialect: str, text: str, cut: bool = False, refused: bool = False) -> dict[str, Any]:
    """A text as this dialect's answer."""
    if dialect == "openai":
        message = {"role": "assistant", "content": None if refused else text}
        message |= {"refusal": "I can't help with that."} if refused else {}
        choice = {"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}
        usage = {"prompt_tokens": 1000, "completion_tokens": len(text) // 4}
        return {"object": "chat.completion", "choices": [choice], "usage": usage}
    try:
        block = {"type": "tool_use", "id": "x", "name": "verdict", "input": json.loads(text)}
    except ValueError:
        block = {"type": "text", "text": text}
    reason = "refusal" if refused else "max_tokens" if cut else "tool_use"
    usage = {"input_tokens": 1000, "output_tokens": len(text) // 4}
    return {"type": "message", "content": [] if refused else [block], "stop_reason": reason, "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """The counts, and the list of models."""
        stats = self.server.stats
        if self.path == "/stats":
            self._send(200, {"calls": stats.calls, "most_flying": stats.most_flying})
        else:
            allowed = self._allowed()
            self._send(200 if allowed else 401, {"data": [{"id": "scripted"}]} if allowed else {})

    def do_POST(self) -> None:
        """One question."""
        script, stats = self.server.script, self.server.stats
        body = self.rfile.read(int(self.headers["Content-Length"]))
        dialect = DIALECTS.get(self.path)
        if dialect is None or not self._allowed():
            self._send(404 if dialect is None else 401, {"error": "no"})
            return
        try:
            question = read(json.loads(body), dialect)
        except (AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
            self._send(400, {"error": f"not a question: {error!r}"})
            return
        with stats.guard:
            stats.calls += 1
            stats.flying += 1
            stats.most_flying = max(stats.most_flying, stats.flying)
            stats.asked[question.hash] += 1
            nth = (stats.calls, stats.asked[question.hash])
            stats.told = [*stats.told[-9:], json.loads(body)]
        time.sleep(script.delay_seconds)
        with stats.guard:
            stats.flying -= 1
        self._answer(dialect, question, *nth)

    def _answer(self, dialect: str, question: Question, number: int, nth: int) -> None:
        script = self.server.script
        chance = Random(f"{script.seed}:{question.hash}:{nth}")
        said = verdict(script, question, chance)
        fate = chance.random()
        if number <= script.limited_first or fate < script.limited:
            self._send(429, {"error": "slow down"}, {"Retry-After": script.retry_after})
        elif (fate := fate - script.limited) < script.broken:
            self._send(500, {"error": "sorry"})
        elif (fate := fate - script.broken) < script.refused:
            self._send(200, envelope(dialect, "", refused=True))
        elif fate - script.refused < script.malformed:
            kind = chance.choice(script.kinds)
            self._send(200, envelope(dialect, spoil(kind, said), cut=kind == "cut"))
        else:
            self._send(200, envelope(dialect, json.dumps(said)))

    def _allowed(self) -> bool:
        key = self.server.script.key
        bearer, plain = self.headers.get("Authorization", ""), self.headers.get("x-api-key", "")
        return not key or bearer == f"Bearer {key}" or (plain == key and "anthropic-version" in self.headers)

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if not self.server.script.drip_seconds:
                self.wfile.write(data)
                return
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(self.server.script.drip_seconds)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    with judging(Script(delay_seconds=parser.parse_args().delay)) as judge:
        print(judge.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
