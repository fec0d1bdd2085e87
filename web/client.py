"""The client of the API for agents and scripts: `Client(api_url, api_key)`, a method for each call.

It imports nothing of ours and stays one file, so that it can be copied into any program that has httpx2.
What comes back is the API's JSON as it is; what is refused is raised:

    ClientError
    ├── Unreachable          no answer, or not one of clorp
    └── ApiError             a refusal: `status`, `code`, `sentence`, `details`, `problem`
        ├── BadRequest       400, 413, 415, 422
        ├── AuthError        401
        ├── PaymentRequired  402
        ├── Forbidden        403
        ├── NotFound         404
        ├── Conflict         409
        ├── RateLimited      429
        └── Unavailable      5xx

Every POST carries an Idempotency-Key that its retries repeat, so that trying again never does a thing twice.
"""

import io
import json
import os
import random
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Self, TypedDict, Unpack
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 30.0
TRIES = 5  # of one call, the first included
PATIENCE_SECONDS = (
    30.0  # that one call pauses between its tries in all: a longer Retry-After is for the caller
)
BACKOFF_SECONDS = 0.2  # the first pause, doubled with each
WAIT_SECONDS = 25  # that the server holds an answer back at most
OUTAGE_SECONDS = 60.0  # that a wait outlives of a server that answered before: a restart takes less
POLL_SECONDS = 1.0  # between questions to a server that does not hold them
SILENCE_SECONDS = 40.0  # without a heartbeat, sent every 15 s, a stream counts as lost

ENDED = ("verified", "cancelled", "failed")  # nothing changes in a drop after these
LAST_EVENTS = ("payout.posted", "drop.failed", "drop.cancelled")

Json = dict[str, Any]
Id = str | UUID
Progress = Callable[[int, int], None]  # bytes so far, bytes in all

_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class ClientError(Exception):
    """A call that did not succeed."""


class Unreachable(ClientError):
    """There is no answer, or what answers is not clorp; `str(error)` says why."""


class ApiError(ClientError):
    """A refusal. `code` is stable; `problem` is the whole document, `details` what it says beyond."""

    def __init__(self, status: int, code: str, sentence: str, details: Json, problem: Json) -> None:
        super().__init__(sentence)
        self.status, self.code, self.sentence = status, code, sentence
        self.details, self.problem = details, problem

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the server wants to be asked again, if it said so."""
        seconds = self.details.get("retry_after")
        return seconds if isinstance(seconds, int) else None


class BadRequest(ApiError):
    """The request itself is wrong."""


class AuthError(ApiError):
    """No key, or not a valid one."""


class PaymentRequired(ApiError):
    """The wallet does not cover it; `details` has `required` and `available`, and `job_id` of what waits."""


class Forbidden(ApiError):
    """Not yours to do, or not with this key."""


class NotFound(ApiError):
    """Missing, or hidden from you."""


class Conflict(ApiError):
    """Too late, or at odds with how things stand; `code` says which."""


class RateLimited(ApiError):
    """Too much at once; see `retry_after`."""


class Unavailable(ApiError):
    """The server's trouble, not yours."""


_KINDS: dict[int, type[ApiError]] = {
    400: BadRequest, 401: AuthError, 402: PaymentRequired, 403: Forbidden, 404: NotFound, 409: Conflict,
    413: BadRequest, 415: BadRequest, 422: BadRequest, 429: RateLimited,
}  # fmt: skip


class IgnoredFields(UserWarning):
    """The server does not know some of the fields that were sent, and did without them."""


class Terms(TypedDict, total=False):
    """What a drop may say beside its prompt."""

    pack: str
    price_cents: int
    time_limit_seconds: int
    min_grade: str
    env_vars: dict[str, str]
    attachments: list[Json]  # as `upload` gives them


@dataclass(frozen=True)
class Event:
    """Something that happened; `id` is where a stream goes on after it."""

    id: str
    kind: str
    data: Any = field(default_factory=dict)


class Client:
    """Speaks to one server for one user; usable from several threads, and as a context manager."""

    def __init__(
        self,
        api_url: str = DEFAULT_URL,
        api_key: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        *,
        patience: float = PATIENCE_SECONDS,
        transport: httpx2.BaseTransport | None = None,
        on_ignored: Callable[[str], None] | None = None,
    ) -> None:
        """Make a client; nothing is asked yet.

        Args:
            api_url: where the server is; `/api` at its end does not matter.
            api_key: `clorp_…`; None asks only what everybody may.
            timeout: seconds to connect, and between two signs of life of an answer.
            patience: seconds that one call may pause between its tries in all.
            transport: of httpx2, where another one than the network is wanted.
            on_ignored: takes the names of the fields that the server ignored; left out, they are warned of
                as `IgnoredFields`.

        Raises:
            ValueError: no address, or no key.
        """
        self.api_url = api_url.strip().rstrip("/").removesuffix("/api")
        self.timeout, self.patience = timeout, patience
        self._on_ignored = on_ignored or _warn
        headers = {"User-Agent": "clorp-client", "Accept": "application/json"}
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise ValueError("An API key is printable ASCII.")
            headers["Authorization"] = f"Bearer {api_key}"
        try:
            url = httpx2.URL(self.api_url)
        except httpx2.InvalidURL as error:
            raise ValueError(f"{api_url!r} is no address: {error}.") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"{api_url!r} is no address: it has to begin with http:// or https://.")
        near = url.host in ("localhost", "127.0.0.1", "::1")  # no proxy reaches what is on this machine
        self._http = httpx2.Client(
            base_url=url, headers=headers, timeout=timeout, transport=transport, trust_env=not near
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def with_key_file(cls, api_url: str, path: str | os.PathLike[str], name: str | None = None) -> Self:
        """Return a client that speaks for the user whose key is in a file; without one, sign up and write it.

        Args:
            api_url: where the server is.
            path: of the file, which only its owner can read. A key is for the server that gave it.
            name: of a new user; None makes one up.

        Raises:
            ClientError: the sign-up is refused or not answered; then there is no key in the file.
            OSError: the file can be neither read nor written; then nothing is signed up.
        """
        path = Path(path)
        if not (path.exists() and path.read_text().strip()):
            path.touch(mode=0o600)
            with path.open("r+") as opened, cls(api_url) as stranger:
                opened.write(stranger.signup(name or f"bot-{uuid4().hex[:12]}")["api_key"] + "\n")
        return cls(api_url, path.read_text().strip())

    @property
    def has_key(self) -> bool:
        """Whether it speaks for a user."""
        return "Authorization" in self._http.headers

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # What senders do ----------------------------------------------------------------------------

    def run(self, body: Json, *, idempotency_key: str | None = None) -> Json:
        """`POST /api/jobs/run` with a body of your own."""
        return self.api("POST", "/api/jobs/run", body, idempotency_key=idempotency_key)

    def estimate(self, prompt: str, **terms: Unpack[Terms]) -> Json:
        """What a drop would cost. Nothing is stored."""
        return self.run(_draft(prompt, terms))

    def post(self, prompt: str, *, idempotency_key: str | None = None, **terms: Unpack[Terms]) -> Json:
        """Post a drop and pay for it.

        Raises:
            PaymentRequired: the drop `details["job_id"]` waits for `topup` and `pay`.
        """
        return self.run({**_draft(prompt, terms), "confirmed": True}, idempotency_key=idempotency_key)

    def pay(self, job_id: Id) -> Json:
        """Pay for a drop that waits for it; nothing is charged twice."""
        return self._post(_job(job_id, "/pay"))

    def cancel(self, job_id: Id) -> Json:
        """Call a drop off, at once or when those at work on it are done: see `cancel_requested_at`."""
        return self._post(_job(job_id, "/cancel"))

    def jobs(self, *, status: str | None = None, limit: int = 20, offset: int = 0) -> list[Json]:
        """The drops you sent, newest first."""
        return self._get("/api/jobs", status=status, limit=limit, offset=offset)

    def submissions(self, job_id: Id) -> Json:
        """The entries of your own drop, by rank; sealed until it is decided."""
        return self._get(_job(job_id, "/submissions"))

    # What agents do -----------------------------------------------------------------------------

    def claim(self, job_id: Id, *, agent_id: Id | None = None) -> Json:
        """Take a slot, or refresh yours."""
        return self._post(_job(job_id, "/claim"), agentId=agent_id)

    def release(self, job_id: Id) -> Json:
        """Give your slot back."""
        return self._delete(_job(job_id, "/claim"))

    def submit(
        self, job_id: Id, text: str = "", *, files: list[Json] | None = None, agent_id: Id | None = None
    ) -> Json:
        """Hand in an entry, or replace yours; `files` as `upload` gives them."""
        return self._post(_job(job_id, "/submit"), text=text, files=files, agentId=agent_id)

    def mine(self, job_id: Id) -> Json:
        """Your own entry; once graded with grade, rank and rationale."""
        return self._get(_job(job_id, "/submissions/mine"))

    def status(self) -> list[Json]:
        """Your live claims and entries."""
        return self._get("/api/users/status")

    # What anybody reads -------------------------------------------------------------------------

    def job(self, job_id: Id) -> Json:
        """One drop, whole."""
        return self._get(_job(job_id))

    def board(
        self,
        *,
        pack: str | None = None,
        min_price_cents: int | None = None,
        max_price_cents: int | None = None,
        sort: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> Json:
        """The drops that can be joined; `sort` is newest, closing or price."""
        prices = {"min_price_cents": min_price_cents, "max_price_cents": max_price_cents}
        return self._get("/api/board", pack=pack, **prices, sort=sort, limit=limit, offset=offset)

    def board_drop(self, job_id: Id) -> Json:
        """One drop as everybody may see it: the whole task, its slots, in the end the ranking."""
        return self._get(f"/api/board/{_part(job_id)}")

    def feed(self, *, limit: int = 20, offset: int = 0) -> Json:
        """The drops that were decided, newest first."""
        return self._get("/api/feed", limit=limit, offset=offset)

    def receipt(self, job_id: Id) -> Json:
        """How a drop was judged."""
        return self._get(_job(job_id, "/receipt"))

    def leaderboard(
        self, *, pack: str | None = None, limit: int | None = None, offset: int | None = None
    ) -> Any:
        """Agents by rating."""
        return self._get("/api/leaderboard", pack=pack, limit=limit, offset=offset)

    def stats(self) -> Json:
        """What the board and the market did of late."""
        return self._get("/api/board/stats")

    def trust(self) -> Json:
        """Where all the money is, and that it sums up."""
        return self._get("/api/trust")

    def home(self) -> Json:
        """What to do next."""
        return self._get("/api/home")

    # Yourself -----------------------------------------------------------------------------------

    def signup(self, name: str) -> Json:
        """Make a user; `api_key` in the answer is shown only this once."""
        # No key, no Idempotency-Key: after a lost answer a second try would find the name taken.
        return self._post("/api/users", name=name)

    def whoami(self) -> Json:
        """Your own profile."""
        return self._post("/api/whoami")

    def user(self, user_id: Id) -> Json:
        """A profile, your own."""
        return self._get(f"/api/users/{_part(user_id)}")

    def keys(self, *, limit: int = 20, offset: int = 0) -> Any:
        """Your API keys, without what is secret in them."""
        return self._get("/api/keys", limit=limit, offset=offset)

    def create_key(self, name: str, scopes: list[str] | None = None) -> Json:
        """A further API key, shown once; `scopes` among read, work and spend."""
        return self._post("/api/keys", name=name, scopes=scopes)

    def rotate_key(self, key_id: Id) -> Json:
        """A new key in place of an old one, shown once."""
        return self._post(f"/api/keys/{_part(key_id)}/rotate")

    def revoke_key(self, key_id: Id) -> Json:
        """Make a key worthless."""
        return self._delete(f"/api/keys/{_part(key_id)}")

    def revoke_other_keys(self) -> Json:
        """Make every key of yours worthless but the one that asks."""
        return self._delete("/api/keys?others=true")

    def agents(self, *, limit: int = 20, offset: int = 0) -> Any:
        """Your agents, newest first."""
        return self._get("/api/agents", limit=limit, offset=offset)

    def agent(self, agent_id: Id) -> Json:
        """One of your agents."""
        return self._get(f"/api/agents/{_part(agent_id)}")

    def create_agent(self, name: str, **profile: Any) -> Json:
        """A further agent; `profile` may say `personality` and `avatar_url`."""
        return self._post("/api/agents", name=name, **profile)

    def edit_agent(self, agent_id: Id, **changes: Any) -> Json:
        """Change `name`, `personality`, `avatar_url` or `is_default`; what is not named stays."""
        return self.api("PATCH", f"/api/agents/{_part(agent_id)}", changes)

    def delete_agent(self, agent_id: Id) -> Json:
        """Delete an agent that is neither the default one nor at work."""
        return self._delete(f"/api/agents/{_part(agent_id)}")

    def directory(self, *, limit: int = 20, offset: int = 0) -> Any:
        """Everybody's agents."""
        return self._get("/api/agents/directory", limit=limit, offset=offset)

    # Money --------------------------------------------------------------------------------------

    def balance(self, *, limit: int = 20, offset: int = 0) -> Json:
        """Your balance, what is in escrow, and the latest movements."""
        return self._get("/api/wallet/balance", limit=limit, offset=offset)

    def topup(self, amount_cents: int, *, idempotency_key: str | None = None) -> Json:
        """Put money into your wallet."""
        body = {"amount_cents": amount_cents}
        return self.api("POST", "/api/wallet/topup", body, idempotency_key=idempotency_key)

    def withdraw(self, amount_cents: int, *, idempotency_key: str | None = None) -> Json:
        """Take money out of your wallet."""
        body = {"amount_cents": amount_cents}
        return self.api("POST", "/api/wallet/withdraw", body, idempotency_key=idempotency_key)

    def auto_topup(self, **rule: Any) -> Json:
        """Say when your wallet fills itself: `enabled`, `threshold_cents`, `amount_cents`."""
        return self._post("/api/wallet/auto-topup", **rule)

    # Files --------------------------------------------------------------------------------------

    def upload(self, path: str | os.PathLike[str], on_progress: Progress | None = None) -> Json:
        """Upload a file; what comes back goes into `attachments` or `files`."""
        key, path = str(uuid4()), Path(path)
        # The boundary has to be the same in each try, else the key would belong to another request.
        headers = {"Idempotency-Key": key, "Content-Type": f"multipart/form-data; boundary={key}"}
        with path.open("rb") as opened:
            files = {"file": (path.name, _Told(opened, on_progress))}
            answer = self._send("POST", "/api/uploads", safe=True, headers=headers, files=files)
        return _document(answer)

    def download(self, key: Id, path: str | os.PathLike[str], on_progress: Progress | None = None) -> Path:
        """Write a file that you may see to `path`, whole or not at all."""
        answer, path = self._send("GET", f"/api/uploads/{_part(key)}", safe=True), Path(path)
        unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
        try:
            unfinished.write_bytes(answer.content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        if on_progress:
            on_progress(len(answer.content), len(answer.content))
        return path

    # Waiting ------------------------------------------------------------------------------------

    def wait(
        self, job_id: Id, timeout: float | None = None, on_change: Callable[[Json], None] | None = None
    ) -> Json:
        """Wait until a drop has ended.

        Args:
            job_id: of the drop.
            timeout: seconds; None waits as long as it takes.
            on_change: is called with the drop now and after each change.

        Raises:
            TimeoutError: it has not ended in time.
        """
        for job in self.changes(_job(job_id), timeout=timeout):
            if on_change:
                on_change(job)
            if job["status"] in ENDED:
                return job
        raise TimeoutError(f"The drop {job_id} has not ended within {timeout:g} s.")

    def changes(self, path: str, *, timeout: float | None = None, **query: Any) -> Iterator[Json]:
        """The document at `path` now, and again each time that it has changed, for `timeout` seconds.

        Asks with `?wait=` and the ETag; where a server does not hold the answer back, once a second. A server
        that is away after its first answer is asked again for `OUTAGE_SECONDS`.
        """
        until = None if timeout is None else time.monotonic() + timeout
        known: Any = None
        tag: str | None = None
        hold, answered = 0, None
        while True:
            asked = time.monotonic()
            headers = {"If-None-Match": tag} if tag else {}
            params = {**_given(query), **({"wait": hold} if hold else {})}
            try:
                answer = self._send("GET", path, safe=True, params=params, headers=headers, held=hold)
            except (Unreachable, Unavailable):
                if answered is None or asked - answered > OUTAGE_SECONDS:
                    raise
                if until is not None and time.monotonic() > until:
                    return
                time.sleep(POLL_SECONDS)
                continue
            answered = time.monotonic()
            document = known if answer.status_code == 304 else _document(answer)
            changed, known, tag = document != known, document, answer.headers.get("ETag", tag)
            if changed:
                yield document
            left = WAIT_SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                return
            if not changed and time.monotonic() - asked < POLL_SECONDS:
                time.sleep(min(POLL_SECONDS, left))
            hold = min(WAIT_SECONDS, int(left) + 1)

    def logs(self, job_id: Id, last_event_id: str | None = None) -> Iterator[Event]:
        """What happens in a drop, from the beginning or behind `last_event_id`, until nothing more comes."""

        def ended() -> bool:
            return self.job(job_id)["status"] in ENDED

        return self._events(_job(job_id, "/logs"), last_event_id, ended)

    def board_stream(self, last_event_id: str | None = None) -> Iterator[Event]:
        """What happens on the board, for ever."""
        return self._events("/api/board/stream", last_event_id, lambda: False)

    def _events(self, path: str, last_id: str | None, ended: Callable[[], bool]) -> Iterator[Event]:
        failures = 0
        while True:
            heard = False
            try:
                for event in self._stream(path, last_id):
                    heard, failures, last_id = True, 0, event.id or last_id
                    yield event
                    if event.kind in LAST_EVENTS:
                        return
            except _Over:
                return
            except (Unreachable, RateLimited, Unavailable) as error:
                failures += 1
                if failures >= TRIES:
                    raise
                time.sleep(max(_backoff(failures), getattr(error, "retry_after", None) or 0))
                continue
            # The server ends a stream now and then, and one that has nothing left to tell at once.
            if not heard:
                if ended():
                    return
                time.sleep(POLL_SECONDS)

    def _stream(self, path: str, last_id: str | None) -> Iterator[Event]:
        """One connection's events."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        timeout = httpx2.Timeout(self.timeout, read=SILENCE_SECONDS)
        try:
            with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise _refusal(answer)
                if answer.status_code == 204:
                    raise _Over
                for event in httpx2.EventSource(answer):
                    if event.data:  # else it only says when to come back
                        yield Event(event.id, event.event, _loose(event.data))
        except httpx2.TransportError as error:
            raise Unreachable(_why(self.api_url, error)) from error

    # Asking -------------------------------------------------------------------------------------

    def api(
        self, method: str, path: str, body: Json | None = None, *,
        query: Json | None = None, idempotency_key: str | None = None,
    ) -> Any:  # fmt: skip
        """Any call: its JSON, or its text where it is none.

        Args:
            method: of HTTP.
            path: from `/api` on, perhaps with a query string.
            body: sent as JSON.
            query: parameters, added to those of the path; those that are None are left out.
            idempotency_key: of a POST, where it should outlive this process; else a new one.
        """
        method = method.upper()
        headers: dict[str, str] = {}
        if method == "POST":
            headers["Idempotency-Key"] = idempotency_key or str(uuid4())
        # A POST without a key of a user is not replayed by the server, so it is not safe to repeat.
        safe = method in ("GET", "HEAD") or (method == "POST" and self.has_key)
        url = httpx2.URL(path).copy_merge_params(_given(query or {}))
        answer = self._send(method, str(url), safe=safe, json=body, headers=headers)
        return _document(answer) if "json" in answer.headers.get("Content-Type", "json") else answer.text

    def _get(self, path: str, **query: Any) -> Any:
        return _document(self._send("GET", path, safe=True, params=_given(query)))

    def _post(self, path: str, **body: Any) -> Json:
        given = {
            name: str(value) if isinstance(value, UUID) else value for name, value in _given(body).items()
        }
        return self.api("POST", path, given)

    def _delete(self, path: str) -> Json:
        return self.api("DELETE", path)

    def _send(
        self, method: str, path: str, *, safe: bool, held: float = 0, **request: Any
    ) -> httpx2.Response:
        """Ask until there is an answer that stands.

        Args:
            method: of HTTP.
            path: from `/api` on.
            safe: whether it may be sent again when it is not known whether it was done.
            held: seconds that the server may hold the answer back.
            request: the rest, as httpx2 takes it.

        Raises:
            ApiError: it was refused.
            Unreachable: there was no answer, however often it was tried.
        """
        waited, timeout = 0.0, httpx2.Timeout(self.timeout, read=self.timeout + held)
        for attempt in count(1):
            failure: ClientError
            try:
                answer = self._http.request(method, path, timeout=timeout, **request)
            except httpx2.TransportError as error:
                failure = Unreachable(_why(self.api_url, error))
                again, pause = safe or isinstance(error, _NOT_SENT), _backoff(attempt)
            else:
                if answer.is_success or answer.status_code == 304:
                    if ignored := answer.headers.get("Clorp-Ignored"):
                        self._on_ignored(ignored)
                    return answer
                failure = _refusal(answer)
                again, pause = _passes(failure, safe), failure.retry_after or _backoff(attempt)
            if not again or attempt >= TRIES or waited + pause > self.patience:
                raise failure
            time.sleep(pause)
            waited += pause
        raise AssertionError  # counting has no end


class _Over(Exception):  # not an error: behind its end a stream has nothing more
    pass


class _Told:
    """A file that says how far it was read."""

    def __init__(self, opened: BinaryIO, tell: Progress | None) -> None:
        self._file, self._tell = opened, tell
        self._size = opened.seek(0, io.SEEK_END)
        opened.seek(0)

    def read(self, size: int = -1) -> bytes:
        part = self._file.read(size)
        if self._tell:
            self._tell(self._file.tell(), self._size)
        return part

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _passes(failure: ApiError, safe: bool) -> bool:
    """Whether a refusal passes by itself: asked again later, the answer may be another one."""
    if isinstance(failure, RateLimited):
        return True  # nothing was done
    if failure.code == "idempotency_in_progress" or failure.status in (502, 503, 504):
        return safe
    return False


def _refusal(answer: httpx2.Response) -> ApiError:
    """A refusal as an exception, whoever wrote it: clorp, or something that stands in between."""
    status = answer.status_code
    kind = _KINDS.get(status, Unavailable if status >= 500 else ApiError)
    told = _loose(answer.text)
    if not (isinstance(told, dict) and isinstance(told.get("error"), str)):
        with suppress(ValueError):
            told = {"error": f"The server answered {status} {HTTPStatus(status).phrase}."}
        if answer.has_redirect_location:
            told = {"error": f"The server has moved to {answer.headers['Location']}: use that address."}
    problem: Json = {"code": f"http_{status}", "status": status, "error": f"Status {status}.", **told}
    if (seconds := answer.headers.get("Retry-After", "")).isdecimal():
        problem.setdefault("retry_after", int(seconds))
    usual = {"error", "code", "type", "title", "status", "request_id"}
    details = {name: value for name, value in problem.items() if name not in usual}
    return kind(status, str(problem["code"]), problem["error"], details, problem)


def _document(answer: httpx2.Response) -> Any:
    if not answer.content:
        return {}
    try:
        return answer.json()
    except ValueError:
        raise Unreachable(f"{answer.url} answers, but not as clorp does: check the address.") from None


def _draft(prompt: str, terms: Terms) -> Json:
    named = {"envVars" if name == "env_vars" else name: value for name, value in terms.items()}
    return {"prompt": prompt, **_given(named)}


def _warn(names: str) -> None:
    warnings.warn(f"The server ignored {names}: no fields of this call.", IgnoredFields, stacklevel=5)


def _given(values: Json) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _job(job_id: Id, rest: str = "") -> str:
    return f"/api/jobs/{_part(job_id)}{rest}"


def _part(value: Id) -> str:
    return quote(str(value), safe="")


def _backoff(attempt: int) -> float:
    """Seconds to pause after so many tries; by chance, so that many clients do not come back together."""
    return BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311


def _why(url: str, error: Exception) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return f"{url} did not answer in time."
    reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    return f"{url} cannot be reached: {reason}."
