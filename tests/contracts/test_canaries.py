"""What is private is found nowhere it does not belong, after a whole drop in real processes."""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from redis import Redis

from models import db
from tests.contracts.canaries import Canaries, found
from tests.journeys.people import Stranger, stranger
from tests.workers.processes import PATIENCE_SECONDS
from web.cli.background import System, running
from web.cli.servers import use
from workers import embedded

pytestmark = pytest.mark.xdist_group("system")  # one for all of them
SETTINGS = {"CLORP_LOG": "json", "CLORP_LOG_LEVEL": "INFO", "CLORP_MAX_CLAIMS": "2"}
# Where private things may lie: tables, which are looked through as a dump, and bytes that were brought.
OURS = ("postgres", "uploads", "encryption.key")


@dataclass
class Traces:
    """All that a drop has left behind and shown, by where."""

    canaries: Canaries
    job_id: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)  # for eyes that may see none of the canaries
    refusals: dict[str, httpx2.Response] = field(default_factory=dict)
    redis: dict[str, bytes] = field(default_factory=dict)
    dumps: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Cast:
    """Who plays, and what they send."""

    system: System
    http: httpx2.Client
    sender: Stranger
    author: Stranger
    rival: Stranger
    nosy: Stranger

    def ask(self, who: Stranger | None, method: str, path: str, **sent: Any) -> httpx2.Response:
        headers = {**({"Authorization": f"Bearer {who.key}"} if who else {}), **sent.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **sent)

    def once(self, who: Stranger, path: str, **sent: Any) -> httpx2.Response:
        """A POST whose answer was lost, and which is sent again."""
        headers = {"Idempotency-Key": uuid4().hex}
        first, again = (self.ask(who, "POST", path, headers=headers, **sent) for _ in range(2))
        assert first.is_success, first.text
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.content == first.content
        return first


@pytest.fixture(scope="module")
def traces() -> Iterator[Traces]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-canaries-") as folder:
        data, left = Path(folder), Traces(Canaries())
        with running(data, SETTINGS) as system:
            use(CLORP_DATABASE_URL=system.servers.database_url)
            try:
                with httpx2.Client(base_url=system.api_url, timeout=PATIENCE_SECONDS) as http:
                    people = [stranger(system, cents) for cents in (2000, 0, 0, 0)]
                    _play(Cast(system, http, *people), left)
            finally:
                db.engine().dispose()
                db.engine.cache_clear()
        for path in data.rglob("*"):
            if path.is_file() and path.relative_to(data).parts[0] not in OURS:
                left.files[str(path.relative_to(data))] = path.read_bytes()
        yield left


def _play(cast: Cast, left: Traces) -> None:
    """One drop from its post to its payout, looked at from everywhere on the way."""
    canaries, sender, author, rival = left.canaries, cast.sender, cast.author, cast.rival
    canaries.keys.extend([sender.key, author.key, rival.key])
    canaries.keys.append(cast.once(sender, "/api/keys", json={"name": "spare"}).json()["api_key"])
    canaries.keys.append(cast.ask(None, "POST", "/api/users", json={"name": "newcomer"}).json()["api_key"])
    with cast.http.stream("GET", "/api/board/stream") as stream:
        place = next(line for line in stream.iter_lines() if line.startswith("id: ")).removeprefix("id: ")

    left.job_id = job_id = _post(cast, canaries)
    upload = {"file": ("notes.md", canaries.file.encode(), "text/markdown")}
    key = cast.once(author, "/api/uploads", files=upload).json()["key"]
    for who in (author, rival):
        assert cast.ask(who, "POST", f"/api/jobs/{job_id}/claim").status_code == 201
    entry = {"text": f"Rhine, Danube and Volga are three rivers. {canaries.entry}", "files": [key]}
    cast.once(author, f"/api/jobs/{job_id}/submit", json=entry)
    _look(cast, left, "while it is open")
    _refuse(cast, left, "while it is open")

    sent = {"text": f"I have no idea. {canaries.rival}"}
    cast.once(rival, f"/api/jobs/{job_id}/submit", json=sent)  # a full set: this closes it
    sender.wait_for(job_id, "verified")
    _look(cast, left, "in the end")
    _refuse(cast, left, "in the end")
    left.pages["the drop's log"] = cast.ask(sender, "GET", f"/api/jobs/{job_id}/logs").content
    resume = {"Last-Event-ID": place}
    with httpx2.stream(
        "GET", f"{cast.system.api_url}/api/board/stream", headers=resume, timeout=PATIENCE_SECONDS
    ) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        left.pages["the board's stream"] = "\n".join(islice(lines, 4)).encode()


def _post(cast: Cast, canaries: Canaries) -> str:
    draft = {
        "prompt": f"Name three rivers of Europe.\n{canaries.prompt}",
        "envVars": {canaries.env_name: canaries.env_value},
    }
    estimate = cast.ask(cast.sender, "POST", "/api/jobs/run", json=draft)
    assert not found(canaries.sealed, estimate.content)
    posted = cast.once(cast.sender, "/api/jobs/run", json={**draft, "confirmed": True})
    assert canaries.env_value in posted.text  # whose it is sees it
    return str(posted.json()["id"])


def _look(cast: Cast, left: Traces, when: str) -> None:
    job = f"/api/jobs/{left.job_id}"
    for path in ("/api/board", "/api/board/stats", "/api/feed", "/api/leaderboard", "/api/trust", "/metrics"):
        left.pages[f"{path} {when}"] = cast.ask(None, "GET", path).content
    for path in (job, f"{job}/receipt", f"{job}/submissions", f"{job}/submissions/mine", f"{job}/logs"):
        left.pages[f"{path} for a stranger {when}"] = cast.ask(cast.nosy, "GET", path).content
    left.pages[f"receipt for the sender {when}"] = cast.ask(cast.sender, "GET", f"{job}/receipt").content
    for who in (cast.sender, cast.author, cast.rival):
        for path in ("/api/users/status", "/api/home", "/api/wallet/balance", "/api/keys"):
            left.pages[f"{path} for {who.key[:12]} {when}"] = cast.ask(who, "GET", path).content
    servers = cast.system.servers
    left.redis[when] = _everything(servers.redis_url)
    left.dumps[when] = _dumped(cast.system.data, servers.database_url)


def _everything(url: str) -> bytes:
    """Every key of a Redis and its value, as it would dump it and as its type shows it."""
    held: list[bytes] = []
    with Redis.from_url(url) as client:
        for key in client.scan_iter(count=1000):
            read: Any = {
                b"string": lambda key: client.get(key),
                b"list": lambda key: client.lrange(key, 0, -1),
                b"hash": client.hgetall,
                b"set": client.smembers,
                b"zset": lambda key: client.zrange(key, 0, -1),
                b"none": lambda key: None,  # its time was up a moment ago
            }[client.type(key)]
            held += [key, repr(read(key)).encode()]
    return b"\n".join(held)


def _dumped(data: Path, url: str) -> bytes:
    dump = [str(embedded.postgres_binaries(data) / "pg_dump"), "--data-only", url]
    return subprocess.run(dump, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout


def _refuse(cast: Cast, left: Traces, when: str) -> None:
    """Requests with canaries in them that are wrong in some way."""
    canaries, job = left.canaries, f"/api/jobs/{left.job_id}"
    secret, text, run = {canaries.env_name: canaries.env_value}, canaries.entry, "/api/jobs/run"
    drafts: dict[str, Any] = {
        "a list for a value": {"envVars": {canaries.env_name: [canaries.env_value]}},
        "text for envVars": {"envVars": canaries.env_value},
        "too many of them": {"envVars": {f"{canaries.env_name}{n}": canaries.env_value for n in range(51)}},
        "too large ones": {"envVars": {canaries.env_name: canaries.env_value * 500}},
        "a zero byte": {"envVars": {canaries.env_name: f"{canaries.env_value}\0"}},
        "text for a number": {"envVars": secret, "price_cents": canaries.env_value},
        "text for a boolean": {"envVars": secret, "confirmed": canaries.env_value},
        "an unknown pack": {"envVars": secret, "pack": canaries.env_value},
        "an unknown file": {"envVars": secret, "attachments": [canaries.env_value]},
        "too long a prompt": {"envVars": secret, "prompt": canaries.prompt * 1000},
        "over two MiB": {"envVars": secret, "prompt": canaries.prompt * 60_000},
    }
    for name, draft in drafts.items():
        body = {"prompt": canaries.prompt, "confirmed": True, **draft}
        left.refusals[f"{name} {when}"] = cast.ask(cast.sender, "POST", run, json=body)
    broken = json.dumps({"prompt": canaries.prompt, "envVars": secret})[:-1].encode()
    form = {"file": ("x", (text * 200_000).encode(), "text/plain")}
    wrong_key = Stranger(cast.system, f"clorp_{canaries.env_value}")
    reused = {"Idempotency-Key": f"used-{when[:5]}"}
    assert cast.ask(cast.sender, "POST", "/api/agents", json={"name": when}, headers=reused).is_success
    json_type, plain = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}
    calls: list[tuple[Stranger | None, str, str, dict[str, Any]]] = [
        (cast.sender, "POST", run, {"content": broken, "headers": json_type}),
        (cast.sender, "POST", run, {"content": broken, "headers": plain}),
        (cast.sender, "POST", run, {"json": {"prompt": text, "envVars": secret}, "headers": reused}),
        (cast.nosy, "POST", run, {"json": {"prompt": canaries.prompt, "envVars": secret, "confirmed": True}}),
        (cast.nosy, "POST", f"{job}/submit", {"json": {"text": text}}),  # 409
        (cast.sender, "POST", f"{job}/submit", {"json": {"text": text}}),
        (cast.author, "POST", f"{job}/submit", {"json": {"text": text * 3000}}),
        (cast.author, "POST", f"{job}/submit", {"json": {"text": [text]}}),
        (cast.author, "POST", f"{job}/submit", {"json": {"text": text, "files": [text]}}),
        (cast.author, "POST", f"{job}/submit", {"json": {"text": text, "agentId": text}}),
        (cast.author, "POST", "/api/uploads", {"files": form}),
        (cast.author, "POST", "/api/uploads", {"content": text.encode(), "headers": plain}),
        (cast.author, "POST", f"/api/{text}", {"json": {"text": text}}),
        (cast.author, "GET", f"/api/jobs/{text}", {}),
        (cast.author, "GET", f"/{text}?{canaries.env_name}={canaries.env_value}", {}),
        (cast.author, "DELETE", f"/api/board?{canaries.env_name}={canaries.env_value}", {}),
        (cast.author, "GET", f"/api/jobs?limit={text}", {}),
        (cast.author, "GET", f"/api/jobs?cursor={text}", {}),
        (cast.author, "GET", f"{job}/logs", {"headers": {"Last-Event-ID": text}}),
        (wrong_key, "POST", run, {"json": {"prompt": canaries.prompt, "envVars": secret}}),
        (None, "POST", "/api/stripe/webhook", {"json": {"id": text, "type": canaries.env_value}}),
        (None, "POST", "/api/users", {"json": {"name": [canaries.env_value]}}),
    ]
    for who, method, path, sent in calls:
        answer = cast.ask(who, method, path, **sent)
        left.refusals[f"{len(left.refusals)}: {method} {path} {when}"] = answer


def test_a_search_finds_every_form_of_a_word():
    word = "canary-1"
    for before in (b"", b"x", b"xy", b"xyz"):
        for after in (b"", b"x", b"xy", b"xyz"):
            assert found([word], base64.b64encode(before + word.encode() + after))
    assert found([word], word.encode().hex().encode())
    assert not found([word], b"canary-2")


def test_no_log_has_any(traces: Traces):
    logs = {name: text for name, text in traces.files.items() if not name.startswith("valkey")}
    assert [name for name, text in logs.items() if found(traces.canaries.all, text)] == []
    lines = logs["clorp.log"]
    assert b'"route": "/api/jobs/run"' in lines  # each request and task has a line,
    assert b'"task": "rank"' in lines
    assert traces.job_id.encode() in lines  # and names what it was about


def test_no_message_and_nothing_else_in_redis_has_any(traces: Traces):
    kept = b"".join(text for name, text in traces.files.items() if name.startswith("valkey"))
    assert found([traces.job_id], kept)  # all that was ever written: the messages name their drop
    assert found(traces.canaries.all, kept) == []
    for held in traces.redis.values():
        assert held
        assert found(traces.canaries.all, held) == []


def test_no_dump_of_the_database_has_env_vars_or_keys(traces: Traces):
    for dump in traces.dumps.values():
        assert found([traces.canaries.prompt, traces.canaries.entry], dump)  # it is a whole one
        assert found(traces.canaries.sealed, dump) == []


def test_no_page_that_others_see_has_any(traces: Traces):
    private = [word for word in traces.canaries.all if word != traces.canaries.prompt]  # the task is public
    shown = {name: found(private, text) for name, text in traces.pages.items()}
    assert {name: words for name, words in shown.items() if words} == {}
    assert b"payout.posted" in traces.pages["the drop's log"]
    assert traces.job_id.encode() in traces.pages["the board's stream"]
    assert traces.job_id.encode() in traces.pages["/api/feed in the end"]


def test_no_refusal_repeats_any(traces: Traces, subtests):
    for name, answer in traces.refusals.items():
        with subtests.test(name):
            assert 400 <= answer.status_code < 500 or answer.json()["code"] == "unavailable", answer.text
            told = answer.content + repr(answer.headers).encode()
            assert found(traces.canaries.all, told) == []
