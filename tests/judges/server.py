"""A scripted judge: an HTTP server on loopback that speaks both dialects and answers by a script.

As a program, for benchmarks: `python -m tests.judges.server --delay 1` prints its URL and serves until it is
ended. `GET /stats` counts.
"""

import argparse
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, get_args

import httpx2

from tests.judges import script as scripts
from tests.judges.question import Question, read
from tests.judges.script import MALFORMED, Mood, Script

__all__ = ["MALFORMED", "Judge", "Script", "judging", "spawned"]

DIALECTS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}
BODY_BYTES_MAX = 4_000_000
TOLD_MAX = 10


@dataclass
class Stats:
    """What was asked."""

    calls: int = 0
    flying: int = 0
    most_flying: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)  # by the hash of task and entries in their order
    told: list[dict[str, Any]] = field(default_factory=list)  # the last requests' bodies
    headers: dict[str, str] = field(default_factory=dict)  # of the last request, names in lower case
    foreign: list[str] = field(default_factory=list)  # all lines outside of a fence that are none of ours
    guard: threading.Lock = field(default_factory=threading.Lock)

    def as_json(self) -> dict[str, Any]:
        """As `GET /stats` says it."""
        with self.guard:
            counts = {name: getattr(self, name) for name in _COUNTS}
            return {**counts, "statuses": dict(self.statuses), "asked": dict(self.asked)}


_COUNTS = ("calls", "flying", "most_flying", "input_tokens", "output_tokens")


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
    ended: threading.Event


@contextmanager
def judging(script: Script | None = None, port: int = 0) -> Iterator[Judge]:
    """A scripted judge in threads of this process."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.script, server.stats, server.ended = script or Script(), Stats(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Judge(f"http://127.0.0.1:{server.server_address[1]}/v1", server.script, server.stats)
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Spawned:
    """A scripted judge in a process of its own."""

    url: str

    def stats(self) -> dict[str, Any]:
        """How many calls there were, how many at once, and so on: `Stats.as_json`."""
        answer: dict[str, Any] = httpx2.get(self.url.removesuffix("/v1") + "/stats", trust_env=False).json()
        return answer


@contextmanager
def spawned(delay_seconds: float, *arguments: str) -> Iterator[Spawned]:
    """A scripted judge in a process of its own, so that it takes no time from whoever asks."""
    command = [sys.executable, "-m", "tests.judges.server", "--delay", str(delay_seconds), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Spawned(process.stdout.readline().strip())
        finally:
            process.terminate()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    server: _Server

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """The counts, and the list of models."""
        if self.path == "/stats":
            self._send(200, self.server.stats.as_json())
        elif self.path.partition("?")[0] == "/v1/models":
            allowed, listed = self._allowed(), self._listed()
            self._send(200 if allowed else 401, {"data": listed} if allowed else {})
        elif (model := self.path.removeprefix("/v1/models/")) in self.server.script.knows_as:
            self._send(200, {"id": model})
        else:
            self._send(404, {"error": "nothing here"})

    def _listed(self) -> list[dict[str, str]]:
        script = self.server.script
        return [{"id": model, "owned_by": script.owner} for model in script.lists]

    def do_POST(self) -> None:
        """One question."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MAX))
        dialect = DIALECTS.get(self.path)
        if dialect is None or not self._allowed():
            self._send(404 if dialect is None else 401, {"error": "no"})
            return
        try:
            assert dialect == "openai" or self.headers.get("anthropic-version"), "no anthropic-version"
            told = json.loads(body)
            question = read(told, dialect)
        except (AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
            self._send(400, {"error": f"not a question: {error!r}"})
            return
        number, nth = self._count(told, question)
        try:
            self._answer(dialect, question, number, nth)
        finally:
            with self.server.stats.guard:
                self.server.stats.flying -= 1

    def _count(self, told: dict[str, Any], question: Question) -> tuple[int, int]:
        """Which call this is, of all and of those that ask the same."""
        stats = self.server.stats
        with stats.guard:
            stats.calls += 1
            stats.flying += 1
            stats.most_flying = max(stats.most_flying, stats.flying)
            stats.asked[question.hash] += 1
            stats.told = [*stats.told[1 - TOLD_MAX :], told]
            stats.headers = {name.lower(): value for name, value in self.headers.items()}
            stats.foreign += [line for _, line in question.foreign]
            return stats.calls, stats.asked[question.hash]

    def _answer(self, dialect: str, question: Question, number: int, nth: int) -> None:
        script = self.server.script
        while self.server.stats.most_flying < script.crowd and not self.server.ended.wait(0.01):
            pass
        if self.server.ended.wait(None if script.hangs else script.delay_seconds):
            self.close_connection = True
            return
        chance = Random(f"{script.seed}:{question.hash}:{nth}")
        said = scripts.verdict(script, question, chance)
        fate = chance.random()
        tokens = question.tokens
        if number <= script.limited_first or fate < script.limited:
            self._send(429, {"error": "slow down"}, {"Retry-After": script.retry_after})
        elif (fate := fate - script.limited) < script.broken:
            self._send(500, {"error": "sorry"})
        elif (fate := fate - script.broken) < script.refused:
            self._say(scripts.envelope(dialect, "", tokens, refused=True))
        elif fate - script.refused < script.malformed:
            kind = chance.choice(script.kinds)
            self._say(scripts.envelope(dialect, scripts.spoil(kind, said), tokens, cut=kind == "cut"))
        else:
            self._say(scripts.envelope(dialect, json.dumps(said), tokens))

    def _allowed(self) -> bool:
        key = self.server.script.key
        wanted = {"Authorization": f"Bearer {key}"} if self._is_openai() else {"x-api-key": key}
        return not key or all(self.headers.get(name) == value for name, value in wanted.items())

    def _is_openai(self) -> bool:
        return DIALECTS.get(self.path) == "openai" or "x-api-key" not in self.headers

    def _say(self, body: dict[str, Any]) -> None:
        stats = self.server.stats
        with stats.guard:
            used = list(body["usage"].values())
            stats.input_tokens += used[0]
            stats.output_tokens += used[1]
        self._send(200, body)

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        script = self.server.script
        data = json.dumps(body).encode() + b" " * script.padding
        with self.server.stats.guard:
            self.server.stats.statuses[status] += 1
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if not script.drip_seconds:
                self.wfile.write(data)
                return
            for byte in data:
                self.wfile.write(bytes([byte]))
                if self.server.ended.wait(script.drip_seconds):
                    return


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="A scripted judge; prints its URL.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    for share in ("noise", "bias", "malformed", "refused", "limited", "broken"):
        parser.add_argument(f"--{share}", type=float, default=0.0)
    parser.add_argument("--mood", choices=get_args(Mood), default="honest")
    parser.add_argument("--key", default="", help="the key it wants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lists", type=Path, nargs="*", default=[], help="rated lists, JSON Lines")
    told = vars(parser.parse_args())
    port, lists, delay = told.pop("port"), told.pop("lists"), told.pop("delay")
    script = Script(delay_seconds=delay, **told)
    for line in (line for path in lists for line in path.read_text().split("\n") if line):
        script.knows(json.loads(line))
    with judging(script, port) as judge:
        print(judge.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
