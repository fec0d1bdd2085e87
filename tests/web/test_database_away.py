"""Without PostgreSQL each route says so in time; a connection that dies underway leaves one effect."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from types import SimpleNamespace
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import make_url, text

from models import db, keys, market, patience, uploads
from models.outages import Outage
from tests.contracts.test_who_may import CRON, LINES, NOTHING, Line, what_is_sent
from tests.models.stages import sql
from tests.payments import SECRET
from tests.postgres_proxy import proxied, use
from tests.support import Person, at_once, balance, person, post, status, unchanged, violations
from tests.web.answers import ok, refused
from tests.workers.processes import PATIENCE_SECONDS
from web import limits
from workers import embedded

pytestmark = pytest.mark.xdist_group("commits")

WITHOUT = {
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs.css",
    "/client.py",
    "/llms.txt",
    "/skill.md",
    "/wallet/done",
}
DROP = {"prompt": "Name three rivers.", "confirmed": True}


@pytest.fixture(autouse=True)
def endless(monkeypatch) -> None:
    """Whoever has not been told when to stop waiting does not stop: no other limit saves the day."""
    for limit in ("CONNECT_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(patience, limit, 3600.0)


def test_five_seconds_are_promised():
    assert db.RETRY_SECONDS < db.LOCK_TIMEOUT_MS / 1000 < db.TOTAL_SECONDS < 5


@contextmanager
def away(port: int) -> Iterator[None]:
    straight = sql("SELECT 1") and db.engine().url.render_as_string(hide_password=False)
    use(make_url(straight).set(drivername="postgresql", host="127.0.0.1", port=port).render_as_string(False))
    try:
        yield
    finally:
        use(straight.replace("+psycopg2", ""))


@pytest.fixture(params=["closed", "frozen"])
def broken(request, database) -> Iterator[int]:
    """The port of a PostgreSQL that is not there, or takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=200)) as listener:
        yield embedded.free_port() if request.param == "closed" else listener.getsockname()[1]


def test_each_route_says_in_time_that_the_database_is_away(http, settle, monkeypatch, broken):
    monkeypatch.setenv("CRON_SECRET", CRON)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    settle(database_pool=len(LINES))
    somebody = person(1_000)

    def ask(line: Line):
        who = Person(uuid4(), "cron", CRON) if line.path.startswith("/api/cron") else somebody
        sent = what_is_sent(line)
        headers = {**sent.pop("headers", {}), **who.auth}
        path = line.path.replace("<id>", NOTHING).replace("<key>", NOTHING)
        return line, http.application.test_client().open(path, method=line.method, headers=headers, **sent)

    asked = {line.name: line for line in LINES if "unsigned" not in line.state}
    with away(broken):
        thrice = [*asked.values(), asked["GET /api/trust"], asked["GET /api/trust"]]  # it waits in a line
        answers = at_once([lambda line=line: ask(line) for line in thrice])
    for line, answer in answers:
        if line.path in WITHOUT:
            assert answer.status_code == 200
        elif line.path == "/readyz":
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        else:
            assert int(answer.headers["Retry-After"]) == refused(answer, 503, "unavailable")["retry_after"]


def test_a_drop_that_somebody_else_holds_is_503_in_time_and_stays_as_it_is(api):
    sender = person(1_000)
    job_id = post(sender)
    with unchanged():
        with db.transaction() as session:
            session.execute(text("SELECT 1 FROM jobs FOR UPDATE"))
            problem = refused(api.post(sender, f"/api/jobs/{job_id}/cancel"), 503, "unavailable")
        assert problem["retry_after"] >= 1


def test_a_view_whose_connection_dies_answers_as_if_nothing_had_been(api, monkeypatch):
    sender, runs = person(1_000), []
    real = market.post

    def dying(session, *arguments):
        posted = real(session, *arguments)
        runs.append(1)
        if len(runs) == 1:
            sql("SELECT pg_terminate_backend(:p)", p=session.scalar(text("SELECT pg_backend_pid()")))
        return posted

    monkeypatch.setattr(market, "post", dying)
    job_id = ok(api.post(sender, "/api/jobs/run", **DROP), 201)["id"]
    assert sql("SELECT id::text FROM jobs") == [(job_id,)]
    assert (len(runs), balance(sender), violations()) == (2, 900, [])


@pytest.mark.parametrize("key", [None, "one"])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_lost_answer_to_the_commit_makes_one_drop_and_one_answer(api, cut, key):
    sender = person(1_000)
    headers = {**sender.auth, **({"Idempotency-Key": key} if key else {})}
    with proxied() as proxy:
        ok(api.post(sender, "/api/whoami"))
        proxy.cut, proxy.cuts = cut, 2  # of who asks, and of what they ask for
        job_id = ok(api.http.post("/api/jobs/run", json=DROP, headers=headers), 201)["id"]
        assert proxy.cut_off == 2
    assert sql("SELECT id::text FROM jobs") == [(job_id,)]
    assert (status(job_id), balance(sender), violations()) == ("open", 900, [])
    if key:
        again = api.http.post("/api/jobs/run", json=DROP, headers=headers)
        assert (ok(again, 201)["id"], again.headers["Idempotent-Replayed"]) == (job_id, "true")


def test_where_nobody_can_say_what_became_of_it_the_answer_says_so(api, monkeypatch):
    sender = person(1_000)
    monkeypatch.setattr(db, "_outcome", lambda *_: None)  # as if it were under way for ever
    with proxied() as proxy:
        headers = {**sender.auth, "Idempotency-Key": "one"}
        ok(api.post(sender, "/api/whoami"))
        real = market.post

        def cutting(*arguments):
            proxy.cuts = 1
            return real(*arguments)

        monkeypatch.setattr(market, "post", cutting)
        answer = api.http.post("/api/jobs/run", json=DROP, headers=headers)
        problem = refused(answer, 503, "outcome_unknown")
        assert problem["retry_after"] == int(answer.headers["Retry-After"])
        proxy.cuts = 0
        ok(api.http.post("/api/jobs/run", json=DROP, headers=headers), 201)
    assert (len(sql("SELECT 1 FROM jobs")), balance(sender)) == (1, 900)


def test_a_file_of_which_nobody_can_say_whether_a_row_names_it_keeps_its_bytes(api, monkeypatch):
    who, real = person(), uploads.record
    monkeypatch.setattr(db, "_outcome", lambda *_: None)
    with proxied() as proxy:

        def cutting(*arguments):
            proxy.cuts = 1
            return real(*arguments)

        monkeypatch.setattr(uploads, "record", cutting)
        form = {"file": (BytesIO(b"Rhine"), "notes.md", "text/markdown")}
        refused(api.http.post("/api/uploads", data=form, headers=who.auth), 503, "outcome_unknown")
    ((key,),) = sql("SELECT id FROM uploads")
    assert api.get(who, f"/api/uploads/{key}").data == b"Rhine"


@pytest.fixture
def read_only(database: str) -> Iterator[None]:
    """A PostgreSQL that takes no changes, as one that is full or no longer the first of its kind."""
    name = make_url(database).database
    sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    db.engine().dispose()
    try:
        yield
    finally:
        with closing(psycopg2.connect(database)) as connection, closing(connection.cursor()) as cursor:
            connection.autocommit = True
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        db.engine().dispose()


def test_a_database_that_takes_no_changes_is_away_for_who_wants_one(http, database, request):
    who = person(1_000)
    request.getfixturevalue("read_only")
    answer = http.post("/api/jobs/run", json=DROP, headers=who.auth)
    assert int(answer.headers["Retry-After"]) == refused(answer, 503, "unavailable")["retry_after"]
    assert ok(http.get("/api/wallet/balance", headers=who.auth))["balance_cents"] == 1_000


def test_a_database_that_takes_no_changes_is_not_ready(http, read_only):
    answer = http.get("/readyz")
    (check,) = (check for check in answer.json["checks"] if check["name"] == "database")
    assert (answer.status_code, answer.json["ready"], check["ok"]) == (503, False, False)
    assert "takes no changes" in check["detail"]


def test_one_request_has_its_time_however_often_it_asks(http, monkeypatch):
    """PostgreSQL that comes and goes: the key is found late, and then nothing answers."""
    who, find, left = person(1_000), keys.identify, []

    def late(session, key):
        session.execute(text("SELECT pg_sleep(2.5)"))
        return find(session, key)

    def never(session, *_):
        left.append(patience.left())
        session.execute(text("SELECT pg_sleep(14)"))

    monkeypatch.setattr(keys, "identify", late)
    monkeypatch.setattr(market, "post", never)
    monkeypatch.setattr(db, "TOTAL_SECONDS", 10.0)
    refused(http.post("/api/jobs/run", json=DROP, headers=who.auth), 503, "unavailable")
    assert left[0] <= 10.0 - 2.5


def test_what_a_request_waits_for_elsewhere_does_not_count(http, monkeypatch):
    who, admit, elsewhere = person(1_000), limits.admit, [0.0]

    def slow(route):
        elsewhere[0] += 2 * PATIENCE_SECONDS
        admit(route)

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(elsewhere))
    monkeypatch.setattr(patience, "time", clock)
    monkeypatch.setattr(db, "TOTAL_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(limits, "admit", slow)
    ok(http.post("/api/jobs/run", json=DROP, headers=who.auth), 201)


def test_requests_while_it_is_away_are_one_line_of_the_log(http, database, caplog, monkeypatch):
    monkeypatch.setattr(db, "_outage", Outage("PostgreSQL"))  # another test's may have ended a moment ago
    use(f"postgresql://clorp@127.0.0.1:{embedded.free_port()}/clorp")
    for _ in range(3):
        assert http.get("/api/board").status_code == 503
        assert http.get("/metrics").status_code == 200
    use(database)
    assert http.get("/api/board").status_code == 200
    told = [record.getMessage() for record in caplog.records if "PostgreSQL" in record.getMessage()]
    starts = ["PostgreSQL does not answer (", "PostgreSQL answers again, after "]
    assert [line[: len(start)] for line, start in zip(told, starts, strict=True)] == starts
