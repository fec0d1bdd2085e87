"""`web.client`: each call as the contract has it, and trying again without doing a thing twice."""

import ast
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import httpx2
import pytest

from tests.payloads import crlf_text
from tests.serving import Lossy, serving
from tests.support import balance, claim, drop, people, person, post, status, submit, violations
from tests.web.scenes import decided
from tests.workers.processes import PATIENCE_SECONDS
from web import client as api
from web.app import create_app
from web.client import Client

ID = "01a20dee-ac30-7ace-b2b6-7933bc282913"


@pytest.fixture
def url(database: str) -> Iterator[str]:
    with serving(create_app()) as address:
        yield address


def test_it_can_be_copied_into_another_program():
    tree = ast.parse(Path(api.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "httpx2"}


# Against the API ---------------------------------------------------------------------------------


def test_a_drop_from_post_to_payout(url):
    ada, bob = person(1000, "ada"), person(0, "bob")
    with Client(url, ada.key) as sender, Client(url + "/api/", bob.key) as worker:
        assert sender.estimate("Name three rivers.", pack="scout")["estimated_price_cents"] == 200
        job = sender.post("Name three rivers.", price_cents=300, env_vars={"TOKEN": "t"})
        assert [row["id"] for row in worker.board()["board"]] == [job["id"]]
        assert worker.claim(job["id"])["user_id"] == str(bob.id)
        assert worker.release(job["id"]) == {"released": True, "no_show": False}
        assert worker.submit(job["id"], "Rhine, Danube, Volga.")["submission"]["revision"] == 1
        assert worker.job(job["id"])["envVars"] == {"TOKEN": "t"}
        assert worker.mine(job["id"])["submission"]["output_text"] == "Rhine, Danube, Volga."
        assert sender.submissions(job["id"])["submissions"][0]["sealed"]
        assert worker.status()[0]["submitted"]
        assert sender.jobs(status="open")[0]["id"] == job["id"]
        assert sender.cancel(job["id"])["cancel_requested_at"]
        assert sender.balance()["balance_cents"] == 700
        assert worker.whoami()["name"] == "bob"
        assert worker.feed() == {"feed": []}


def test_what_is_refused_is_raised_by_kind(url):
    ada, bob = person(100), person()
    mine = post(ada)
    with Client(url, ada.key) as sender, Client(url, bob.key) as worker, Client(url) as nobody:
        with pytest.raises(api.PaymentRequired) as poor:
            sender.post("Name three rivers.")
        unpaid = poor.value.details["job_id"]
        assert (poor.value.details["required"], poor.value.details["available"]) == (100, 0)
        sender.cancel(unpaid)
        with pytest.raises(api.Conflict) as closed:
            sender.pay(unpaid)
        assert closed.value.code == "drop_ended"
        with pytest.raises(api.Forbidden) as own:
            sender.claim(mine)
        assert own.value.code == "own_drop"
        with pytest.raises(api.NotFound):
            worker.job(ID)
        with pytest.raises(api.AuthError, match="Authentication required"):
            nobody.whoami()
        with pytest.raises(api.BadRequest) as bad:
            sender.estimate("")
        assert bad.value.details["errors"][0]["field"] == "prompt"
        assert bad.value.problem["request_id"]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("localhost:8000", None),
        ("", None),
        ("ftp://a", None),
        ("http://", None),
        ("http://a", "ключ"),
        ("http://a", "a\nb"),
    ],
)
def test_what_can_be_no_server_or_key_is_said_at_once(address: str, key: str | None):
    with pytest.raises(ValueError, match=r"no address|printable"):
        Client(address, key)


def test_a_key_file_is_written_once_and_read_from_then_on(url, tmp_path):
    path = tmp_path / "clorp.key"
    with Client.with_key_file(url, path, "my bot") as first, Client.with_key_file(url, path) as second:
        assert first.whoami() == second.whoami()
        assert second.whoami()["name"] == "my bot"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o400)
    Client.with_key_file(url, path).close()


def test_a_refused_sign_up_leaves_no_key_and_may_be_tried_again(url, tmp_path):
    path = tmp_path / "clorp.key"
    person(name="my bot")
    with pytest.raises(api.Conflict, match="taken"):
        Client.with_key_file(url, path, "my bot")
    assert path.read_text() == ""
    Client.with_key_file(url, path, "my other bot").close()
    assert path.read_text().startswith("clorp_")


def test_a_key_file_that_cannot_be_written_signs_nobody_up(url, tmp_path):
    with pytest.raises(FileNotFoundError):
        Client.with_key_file(url, tmp_path / "missing" / "clorp.key", "my bot")
    with Client(url) as client:
        assert client.signup("my bot")["api_key"]


# Trying again ------------------------------------------------------------------------------------


def test_an_answer_that_gets_lost_does_not_cost_twice(database):
    ada = person(1000)
    lossy = Lossy(create_app())
    with serving(lossy) as url, Client(url, ada.key) as sender:
        job = sender.post("Name three rivers.", price_cents=300)
    assert [row["id"] for row in _jobs(ada)] == [job["id"]]
    assert balance(ada) == 700
    assert len({asked["HTTP_IDEMPOTENCY_KEY"] for asked in lossy.asked}) == 1
    assert len(lossy.asked) == 3
    assert violations() == []


def test_two_calls_are_two_things(url):
    ada = person(1000)
    with Client(url, ada.key) as sender:
        assert sender.post("Name three rivers.")["id"] != sender.post("Name three rivers.")["id"]
    assert balance(ada) == 800


def test_a_key_of_ones_own_outlives_the_process(url):
    ada = person(1000)
    ids = set()
    for _ in range(2):
        with Client(url, ada.key) as sender:
            ids.add(sender.post("Name three rivers.", idempotency_key="order-17")["id"])
    assert len(ids) == 1
    assert balance(ada) == 900


def test_an_entry_whose_answer_gets_lost_is_handed_in_once(database):
    bob, job_id = person(), post(person(100))
    with serving(Lossy(create_app(), times=1)) as url, Client(url, bob.key) as worker:
        assert worker.submit(job_id, "Rhine, Danube, Volga.")["submission"]["revision"] == 1


def test_reading_is_tried_again(database):
    with serving(Lossy(create_app(), "GET", times=4)) as url, Client(url) as reader:
        assert reader.board()["board"] == []


def test_nothing_is_tried_for_ever(database):
    lossy = Lossy(create_app(), "GET", times=99)
    with serving(lossy) as url, Client(url) as reader, pytest.raises(api.Unreachable, match=url):
        reader.board()
    assert len(lossy.asked) == api.TRIES


def test_what_may_have_been_done_and_has_no_key_is_not_sent_twice(database):
    bob, job_id = person(), post(person(100))
    claim(bob, job_id)
    lossy = Lossy(create_app(), "DELETE", times=1)
    with serving(lossy) as url, Client(url, bob.key) as worker, pytest.raises(api.Unreachable):
        worker.release(job_id)
    assert len(lossy.asked) == 1


def test_signing_up_is_not_sent_twice():
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        raise httpx2.ReadError("lost")

    with pytest.raises(api.Unreachable):
        _fake(answer, key=None).signup("ada")
    assert len(asked) == 1


def _restarting(*answers: Any) -> tuple[list[httpx2.Request], Client]:
    """A client whose server gives these answers, one after another; a status alone is a refusal."""
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        told = answers[min(len(asked), len(answers) - 1)]
        asked.append(request)
        if told is None:
            raise httpx2.ConnectError("[Errno 111] Connection refused")
        return httpx2.Response(200, json=told) if isinstance(told, dict) else httpx2.Response(told)

    return asked, _fake(answer, patience=0.0)


def test_a_wait_outlives_a_restart_of_the_server(monkeypatch):
    monkeypatch.setattr(api, "POLL_SECONDS", 0.01)
    seen: list[Any] = []
    _, client = _restarting({"status": "open"}, None, 503, None, {"status": "verified"})
    assert client.wait("x", on_change=seen.append) == {"status": "verified"}
    assert seen == [{"status": "open"}, {"status": "verified"}]


def test_a_wait_does_not_outlive_its_server_for_ever(monkeypatch):
    monkeypatch.setattr(api, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(api, "OUTAGE_SECONDS", 0.05)
    asked, client = _restarting({"status": "open"}, None)
    with pytest.raises(api.Unreachable, match=r"cannot be reached: Connection refused\.$"):
        client.wait("x")
    assert len(asked) > 2


def test_a_wait_for_a_server_that_never_answered_ends_at_once():
    asked, client = _restarting(None)
    with pytest.raises(api.Unreachable):
        client.wait("x")
    assert len(asked) == 1


def test_a_wait_ends_in_time_without_its_server_too(monkeypatch):
    monkeypatch.setattr(api, "POLL_SECONDS", 0.01)
    _, client = _restarting({"status": "open"}, None)
    with pytest.raises(TimeoutError):
        client.wait("x", 0.05)


def test_nobody_listening_is_tried_again_and_told(tmp_path):
    with Client("http://127.0.0.1:9") as lost, pytest.raises(api.Unreachable, match="cannot be reached"):
        lost.board()


@pytest.mark.parametrize(
    ("status_code", "code"),
    [(429, "too_many_requests"), (503, "unavailable"), (409, "idempotency_in_progress")],
)
def test_who_is_told_to_come_back_comes_back(status_code: int, code: str):
    answers = [_problem(status_code, code, {"Retry-After": "1"}), httpx2.Response(200, json={"id": ID})]
    begun = time.monotonic()
    assert _fake(lambda _: answers.pop(0)).pay(ID) == {"id": ID}
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize(
    ("status_code", "code"), [(409, "arena_full"), (500, "internal_error"), (422, "x"), (402, "y")]
)
def test_what_stays_as_it_is_is_not_asked_again(status_code: int, code: str):
    answers = [_problem(status_code, code)]
    with pytest.raises(api.ApiError) as refused:
        _fake(lambda _: answers.pop(0)).pay(ID)
    assert (refused.value.status, refused.value.code) == (status_code, code)


def test_a_long_pause_is_for_the_caller_to_make():
    answers = [_problem(429, "claim_cooldown", {"Retry-After": "600"})]
    with pytest.raises(api.RateLimited) as refused:
        _fake(lambda _: answers.pop(0)).claim(ID)
    assert refused.value.retry_after == 600


def test_a_page_of_something_else_is_not_taken_for_an_answer():
    with pytest.raises(api.Unreachable, match="not as clorp does"):
        _fake(lambda _: httpx2.Response(200, html="<h1>It works!</h1>")).board()
    with pytest.raises(api.ApiError, match="502 Bad Gateway") as refused:
        _fake(lambda _: httpx2.Response(502, html="<h1>Bad</h1>"), patience=0).board()
    assert refused.value.code == "http_502"
    with pytest.raises(api.ApiError, match=r"moved to https://b\.example"):
        _fake(lambda _: httpx2.Response(301, headers={"Location": "https://b.example/"})).board()


# Waiting -----------------------------------------------------------------------------------------


def test_waiting_ends_with_the_drop(url):
    ada = person(100)
    job_id = post(ada)
    seen: list[int] = []

    def look(job: dict[str, Any]) -> None:
        seen.append(job["submissions_count"])
        if len(seen) == 1:
            submit(person(), job_id)
            Client(url, ada.key).cancel(job_id)

    with Client(url, ada.key) as sender:
        while 1 not in seen:  # on a busy machine two seconds may be over too soon
            with pytest.raises(TimeoutError, match="has not ended within 2 s"):
                sender.wait(job_id, 2, look)
        assert seen[0] == 0
        assert seen[-1] == 1
        assert status(job_id) == "ranking"


def test_what_has_ended_is_not_waited_for(url):
    ada = person(100)
    job_id = decided(ada, *people(2))
    with Client(url, ada.key) as sender:
        assert sender.wait(job_id, 0)["status"] == "verified"
        assert sender.job(job_id)["output_text"].startswith("The answer of")


def test_a_change_is_seen_at_once(url):
    ada = person(100)
    job_id = post(ada)
    with Client(url, ada.key) as sender:
        Timer(0.5, lambda: Client(url, ada.key).cancel(job_id)).start()
        assert sender.wait(job_id, PATIENCE_SECONDS)["status"] == "cancelled"
    assert drop(job_id).status == "cancelled"


def test_a_server_that_does_not_hold_answers_back_is_polled():
    rows = [{"status": "open"}, {"status": "open"}, {"status": "failed"}]
    begun = time.monotonic()
    assert _fake(lambda _: httpx2.Response(200, json=rows.pop(0))).wait(ID)["status"] == "failed"
    assert time.monotonic() - begun >= api.POLL_SECONDS


# Streams -----------------------------------------------------------------------------------------


def _told(*numbers: int, last: str = "") -> str:
    kinds = [(number, "claim.created") for number in numbers]
    messages = [f'id: {number}\nevent: {kind}\ndata: {{"id": {number}}}\n\n' for number, kind in kinds]
    end = f"id: {last}\nevent: payout.posted\ndata: {{}}\n\n" if last else ""
    return "retry: 1000\n\n" + "".join(messages) + ": beat\n\n" + end


def _streaming(*answers: Any) -> tuple[Client, list[str | None]]:
    left, resumed = list(answers), []

    def answer(request: httpx2.Request) -> httpx2.Response:
        resumed.append(request.headers.get("Last-Event-ID"))
        following = left.pop(0)
        if isinstance(following, Exception):
            raise following
        if isinstance(following, httpx2.Response):
            return following
        return httpx2.Response(200, content=following, headers={"Content-Type": "text/event-stream"})

    return _fake(answer), resumed


def test_a_stream_goes_on_where_it_was_cut():
    client, resumed = _streaming(_told(1, 2), httpx2.ReadError("cut"), _told(3, last="4"))
    heard = list(client.logs(ID))
    assert [event.id for event in heard] == ["1", "2", "3", "4"]
    assert (heard[0].kind, heard[0].data) == ("claim.created", {"id": 1})
    assert resumed == [None, "2", "2"]


def test_behind_its_end_a_stream_has_nothing():
    client, _ = _streaming(httpx2.Response(204))
    assert list(client.logs(ID, "4")) == []
    client, _ = _streaming(_told(), httpx2.Response(200, json={"status": "cancelled"}))
    assert list(client.logs(ID, "4")) == []


def test_a_stream_that_is_refused_says_so():
    client, _ = _streaming(_problem(404, "not_found"))
    with pytest.raises(api.NotFound):
        next(client.logs(ID))


def test_the_boards_stream_has_no_end():
    client, resumed = _streaming(_told(1), _told(2))
    events = client.board_stream()
    assert [next(events).id, next(events).id] == ["1", "2"]
    assert resumed == [None, "1"]


# Every call --------------------------------------------------------------------------------------

CALLS: list[tuple[Callable[[Client], Any], str, Any]] = [
    (lambda c: c.signup("ada"), "POST /api/users", {"name": "ada"}),
    (lambda c: c.user(ID), f"GET /api/users/{ID}", None),
    (lambda c: c.keys(), "GET /api/keys?limit=20&offset=0", None),
    (lambda c: c.create_key("ci", ["read"]), "POST /api/keys", {"name": "ci", "scopes": ["read"]}),
    (lambda c: c.rotate_key(ID), f"POST /api/keys/{ID}/rotate", {}),
    (lambda c: c.revoke_key(ID), f"DELETE /api/keys/{ID}", None),
    (lambda c: c.revoke_other_keys(), "DELETE /api/keys?others=true", None),
    (lambda c: c.agents(), "GET /api/agents?limit=20&offset=0", None),
    (lambda c: c.agent(ID), f"GET /api/agents/{ID}", None),
    (
        lambda c: c.create_agent("quill", personality="dry"),
        "POST /api/agents",
        {"name": "quill", "personality": "dry"},
    ),
    (
        lambda c: c.edit_agent(ID, name="q", avatar_url=None),
        f"PATCH /api/agents/{ID}",
        {"name": "q", "avatar_url": None},
    ),
    (lambda c: c.delete_agent(ID), f"DELETE /api/agents/{ID}", None),
    (lambda c: c.directory(limit=5), "GET /api/agents/directory?limit=5&offset=0", None),
    (lambda c: c.topup(500), "POST /api/wallet/topup", {"amount_cents": 500}),
    (lambda c: c.withdraw(500), "POST /api/wallet/withdraw", {"amount_cents": 500}),
    (lambda c: c.auto_topup(enabled=False), "POST /api/wallet/auto-topup", {"enabled": False}),
    (lambda c: c.receipt(ID), f"GET /api/jobs/{ID}/receipt", None),
    (lambda c: c.leaderboard(pack="code"), "GET /api/leaderboard?pack=code", None),
    (lambda c: c.leaderboard(limit=5, offset=5), "GET /api/leaderboard?limit=5&offset=5", None),
    (lambda c: c.stats(), "GET /api/board/stats", None),
    (lambda c: c.trust(), "GET /api/trust", None),
    (lambda c: c.home(), "GET /api/home", None),
    (lambda c: c.claim(ID, agent_id=ID), f"POST /api/jobs/{ID}/claim", {"agentId": ID}),
    (
        lambda c: c.submit(ID, files=[{"key": ID}]),
        f"POST /api/jobs/{ID}/submit",
        {"text": "", "files": [{"key": ID}]},
    ),
    (lambda c: c.job("a/../b?"), "GET /api/jobs/a%2F..%2Fb%3F", None),
    (lambda c: c.api("patch", "/api/x", {"a": 1}), "PATCH /api/x", {"a": 1}),
]


@pytest.mark.parametrize(("call", "line", "body"), CALLS, ids=[line for _, line, _ in CALLS])
def test_every_call_is_as_the_contract_has_it(call: Callable[[Client], Any], line: str, body: Any):
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={})

    call(_fake(answer))
    (request,) = asked
    assert f"{request.method} {request.url.raw_path.decode()}" == line
    assert (json.loads(request.content) if request.content else None) == body
    assert request.headers["Authorization"] == "Bearer clorp_key"
    assert ("Idempotency-Key" in request.headers) == (request.method == "POST")


def test_a_query_of_the_path_is_kept(url):
    with Client(url) as client:
        with pytest.raises(api.BadRequest) as caught:
            client.api("GET", "/api/board?limit=abc")
        assert caught.value.details["errors"][0]["field"] == "limit"
        assert client.api("GET", "/api/board?limit=7&offset=1", query={"sort": "price"})["limit"] == 7


def test_what_the_server_ignores_is_said(url):
    heard: list[str] = []
    ada = person(1000)
    with Client(url, ada.key, on_ignored=heard.append) as client:
        client.run({"prompt": "Hi", "colour": "red", "tone": "dry"})
    assert heard == ["colour, tone"]
    with Client(url, ada.key) as client, pytest.warns(api.IgnoredFields, match="colour") as warned:
        client.run({"prompt": "Hi", "colour": "red"})
    assert warned[0].filename == __file__


def test_text_is_given_as_text():
    assert _fake(lambda _: httpx2.Response(200, text="# clorp")).api("GET", "/llms.txt") == "# clorp"


# Files -------------------------------------------------------------------------------------------


def test_a_file_is_uploaded_with_its_progress(tmp_path):
    path = tmp_path / "brief.txt"
    path.write_bytes(crlf_text(200_000))
    bodies: list[httpx2.Request] = []
    told: list[tuple[int, int]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        request.read()
        bodies.append(request)
        return _problem(503, "unavailable") if len(bodies) == 1 else httpx2.Response(201, json={"key": ID})

    assert _fake(answer).upload(path, lambda done, size: told.append((done, size))) == {"key": ID}
    first, second = bodies
    assert first.content == second.content  # what makes it the same request
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert b'name="file"; filename="brief.txt"' in first.content
    assert b"Content-Type: text/plain" in first.content
    assert told[-1] == (200_000, 200_000)


def test_a_file_is_downloaded_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a.bin"
    with pytest.raises(api.NotFound):
        _fake(lambda _: _problem(404, "not_found")).download(ID, target)
    assert list(tmp_path.iterdir()) == []
    assert _fake(lambda _: httpx2.Response(200, content=b"\0\1")).download(ID, target) == target
    assert target.read_bytes() == b"\0\1"
    assert list(tmp_path.iterdir()) == [target]


def _fake(
    answer: Callable[[httpx2.Request], httpx2.Response], key: str | None = "clorp_key", patience: float = 30
) -> Client:
    """The client of a server that answers like this."""
    transport = httpx2.MockTransport(answer)
    return Client("http://clorp.example", key, patience=patience, transport=transport)


def _problem(status_code: int, code: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    body = {"error": "A sentence.", "code": code, "status": status_code}
    kind = {"Content-Type": "application/problem+json"}
    return httpx2.Response(status_code, content=json.dumps(body), headers={**kind, **(headers or {})})


def _jobs(who: Any) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = create_app().test_client().get("/api/jobs", headers=who.auth).json
    return answer
