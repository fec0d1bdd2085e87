"""What the log says of requests and tasks, and what it never says."""

import io
import json
import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest
from celery import Celery
from celery.app.trace import build_tracer
from celery.signals import setup_logging
from sqlalchemy import text
from sqlalchemy.exc import DataError

from models import db, logs, market, settlement
from tests.support import Person, drop, person, post, submit
from tests.web.answers import ok, refused
from tests.workers.processes import PATIENCE_SECONDS
from web import handoff
from workers import tasks

CANARY = "canary-7f3a"


class Log:
    """What was logged."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, event: str) -> list[dict]:
        return [line for line in self.lines if line["event"] == event]


@pytest.fixture
def log(settle) -> Iterator[Log]:
    settle(log="json", log_level="debug")
    root, names = logging.getLogger(), (*logs._TALKATIVE, "celery.app.trace")
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in names}
    for known in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(known, logging.Logger):
            known.disabled = False  # a library of another test may have silenced them
    stream = io.StringIO()
    logs.configure(stream)
    logs.start()
    yield Log(stream)
    logs.start()
    root.handlers[:], level, levels = before
    root.setLevel(level)
    for name in names:
        logging.getLogger(name).setLevel(levels[name])


def test_a_request_has_a_line_with_its_ids(http, log):
    ada = person(100)
    job_id = post(ada)
    ok(http.get(f"/api/jobs/{job_id}?{CANARY}=1", headers={**ada.auth, "X-Request-Id": "r-1"}))
    (line,) = log.of("answered")
    assert line.pop("ms") >= 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "answered",
        "level": "info",
        "logger": "web.journal",
        "method": "GET",
        "route": "/api/jobs/<uuid:job_id>",
        "status": 200,
        "request_id": "r-1",
        "user_id": str(ada.id),
        "job_id": str(job_id),
    }


def test_a_request_does_not_inherit_the_ids_of_the_one_before(http, log):
    ada = person(100)
    http.get(f"/api/jobs/{post(ada)}", headers=ada.auth)
    http.get("/api/board")
    assert not {"user_id", "job_id"} & log.of("answered")[-1].keys()


def test_those_who_watch_over_us_do_not_fill_it(http, log):
    http.get("/healthz")
    assert [line["level"] for line in log.of("answered")] == ["debug"]


def test_what_is_nowhere_is_not_repeated(http, log):
    http.get(f"/{CANARY}")
    http.open(f"/{CANARY}", method=CANARY.upper())
    assert [line["route"] for line in log.of("answered")] == ["(none)", "(none)"]
    assert CANARY not in log.text.lower()


def secrets(who: Person) -> dict:
    return {"prompt": f"{CANARY} prompt", "envVars": {f"{CANARY}_NAME": f"{CANARY} value"}, "confirmed": True}


def unsaid(log: Log, *keys: str) -> None:
    assert log.lines
    for word in (CANARY, *keys):
        assert word not in log.text


def test_what_people_send_is_not_logged(http, log):
    ada, bob = person(100), person()
    job = ok(http.post("/api/jobs/run", json=secrets(ada), headers=ada.auth), 201)
    ok(http.post(f"/api/jobs/{job['id']}/submit", json={"text": f"{CANARY} entry"}, headers=bob.auth))
    ok(http.get(f"/api/jobs/{job['id']}", headers=bob.auth))
    unsaid(log, ada.key, bob.key)


def test_nor_when_it_is_refused(http, log):
    ada = person()
    refused(http.post("/api/jobs/run", json=secrets(ada), headers=ada.auth), 402, "insufficient_balance")
    refused(http.post("/api/jobs/run", json={"prompt": [CANARY]}, headers=ada.auth), 400, "invalid_request")
    http.post("/api/jobs/run", data=f"{{{CANARY}", headers=ada.auth, content_type="application/json")
    http.post("/api/whoami", headers={"Authorization": f"Bearer {CANARY}"})
    http.post("/api/whoami", headers={"Authorization": f"Bearer {ada.key}x", "X-Request-Id": f"{CANARY}!"})
    unsaid(log, ada.key)


def test_nor_when_something_unexpected_quotes_it(http, log, monkeypatch):
    ada = person(100)

    def break_down(_session, _sender, draft, *_args, **_kwargs):
        try:
            raise KeyError(f"{draft.prompt} {draft.env_vars} {ada.key}")
        except KeyError as error:
            raise RuntimeError(f"no good: {error}") from error

    monkeypatch.setattr(market, "post", break_down)
    answer = http.post("/api/jobs/run", json=secrets(ada), headers=ada.auth)
    refused(answer, 500, "internal_error")
    (line,) = [line for line in log.lines if line["level"] == "error"]
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert line["exception"].startswith("RuntimeError\n")
    assert "\nKeyError\n" in line["exception"]
    assert "in break_down" in line["exception"]
    unsaid(log, ada.key)


def test_nor_when_the_database_does(http, log, monkeypatch):
    ada = person(100)

    def break_down(session, _sender, draft, *_args, **_kwargs):
        session.execute(text("SELECT CAST(:told AS integer)"), {"told": f"{draft.prompt} {ada.key}"})

    monkeypatch.setattr(market, "post", break_down)
    refused(http.post("/api/jobs/run", json=secrets(ada), headers=ada.auth), 500, "internal_error")
    (line,) = [line for line in log.lines if line["level"] == "error"]
    assert "InvalidTextRepresentation [22P02]" in line["exception"]
    unsaid(log, ada.key)


def test_statements_hide_their_parameters(database):
    query = text("SELECT 1 / CAST(:zero AS integer), CAST(:told AS text)")
    with pytest.raises(DataError) as caught, db.transaction() as session:
        session.execute(query, {"zero": 0, "told": CANARY})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("key clorp_" + "a1B2" * 9, "key clorp_[hidden]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("basic YWRhOnNlY3JldA==", "basic [hidden]"),
        (
            "redis://:pass@host/0 and postgresql://a:b@c",
            "redis://:[hidden]@host/0 and postgresql://a:[hidden]@c",
        ),
        ("sk_live_abc and whsec_abc", "sk_[hidden] and whsec_[hidden]"),
        ("a basic thing about clorp_admin", "a basic thing about clorp_admin"),
    ],
)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(log, told, shown):
    logging.getLogger("somebody").warning("%s", told)
    assert log.lines[-1]["event"] == shown


@pytest.mark.parametrize(
    "name",
    ["Authorization", "envVars", "env_vars", "prompt", "text", "api_key", "password", "cookie", "body"],
)
def test_what_is_named_like_a_secret_is_masked(name):
    assert logs._mask(None, "", {name: CANARY, "more": {name: [CANARY]}}) == {
        name: "[hidden]",
        "more": {name: "[hidden]"},
    }


def test_what_libraries_attach_is_left_out(log):
    logging.getLogger("somebody").warning("hello", extra={"data": CANARY, "status": 7})
    assert log.lines[-1]["status"] == 7
    unsaid(log)


def test_for_people_it_is_a_line(settle):
    record = logging.makeLogRecord(
        {"name": "web.watch", "levelname": "WARNING", "levelno": 30, "msg": "slow"}
    )
    record.__dict__["ms"] = 70
    logs.start(request_id="r-1")
    assert logs.formatter("text").format(record) == "WARNING web.watch: slow request_id=r-1 ms=70"
    logs.start()


@pytest.mark.parametrize(("kind", "level"), [("text", logging.WARNING), ("json", logging.INFO)])
def test_people_are_spared_the_requests_and_machines_are_not(log, settle, kind, level):
    settle(log=kind, log_level="")
    logs.configure(io.StringIO())
    assert logging.getLogger().level == level
    assert logging.getLogger("sqlalchemy.engine").getEffectiveLevel() == logging.WARNING


def run(name: str, *args: str, **headers: str) -> None:
    """As a worker does with a message."""
    task, task_id = getattr(tasks, name), str(uuid4())
    tracer = build_tracer(task.name, task, app=tasks.app, eager=True)
    tracer(task_id, args, {}, {"id": task_id, **headers})


def test_a_task_has_a_line_with_the_request_that_caused_it(log):
    job_id = post(person(100))
    run("close", str(job_id), request_id="r-1")
    (line,) = log.of("done")
    assert (line["task"], line["job_id"], line["request_id"]) == ("close", str(job_id), "r-1")
    assert (line["state"], line["level"]) == ("SUCCESS", "info")
    assert line["task_id"]
    assert logs.bound("request_id") is None


def test_a_task_that_fails_says_where_and_quotes_nothing(log, monkeypatch):
    def break_down(_session, _job_id):
        raise ValueError(CANARY)

    setup_logging.send(sender=None)  # as when a worker starts
    stream = io.StringIO()
    logs.configure(stream)
    monkeypatch.setattr(settlement, "rank", break_down)
    run("rank", str(uuid4()), request_id="r-1")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (line,) = [line for line in lines if line["level"] == "error"]
    assert line["event"] == "task raised unexpected"
    assert line["exception"].startswith("ValueError\n")
    assert (line["task"], line["request_id"]) == ("rank", "r-1")
    assert CANARY not in stream.getvalue()


def test_messages_carry_the_request_on(log):
    celery = Celery("test", broker="memory://")
    logs.start(request_id="r-1")
    celery.send_task("workers.tasks.rank", ("id",), queue="here")
    logs.start()
    celery.send_task("workers.tasks.rank", ("id",), queue="here")
    with celery.connection() as connection, connection.SimpleQueue("here") as waiting:
        first, second = (waiting.get(timeout=PATIENCE_SECONDS) for _ in range(2))
    assert first.headers["request_id"] == "r-1"
    assert "request_id" not in second.headers
    celery.close()


def test_the_handoff_names_the_request(http, monkeypatch):
    offered = []
    monkeypatch.setattr(handoff, "_ensure_publisher", lambda: None)
    monkeypatch.setattr(handoff._offers, "put_nowait", offered.append)
    ada = person(100)
    job_id = post(ada)
    for number in range(5):
        who = person()
        if number < 4:
            submit(who, job_id)
    answer = http.post(
        f"/api/jobs/{job_id}/submit", json={"text": "Rhine."}, headers={**who.auth, "X-Request-Id": "r-5"}
    )
    assert ok(answer)["ranking"]
    assert drop(job_id).status == "ranking"
    assert offered == [("judge", job_id, "r-5")]
