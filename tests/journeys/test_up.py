"""`clorp up` from its start to its end: whose servers, what it keeps, what it says."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from models import db, migrate
from tests import pooler
from tests.journeys.listeners import crowd
from tests.journeys.people import stranger
from tests.models.stages import sql
from tests.support import person, violations
from tests.workers.processes import PATIENCE_SECONDS, gone, until
from web.cli.background import START_SECONDS, System
from workers import embedded

pytestmark = pytest.mark.xdist_group("up")  # one beside the shared system: each is eight processes

SILENT_SECONDS = 2  # after which a connection without a request has no thread any more
get = partial(httpx2.get, timeout=PATIENCE_SECONDS)
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \w+ +\S.*")


@dataclass(frozen=True)
class Up:
    """A running `clorp up`."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return get(f"{self.url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def family(self) -> dict[int, str]:
        """Its processes, all generations, with their command lines."""
        table = subprocess.run(
            ["ps", "axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(maxsplit=2) for line in table.stdout.splitlines()]
        family = {self.process.pid: "clorp up"}
        for _ in range(4):
            family |= {int(pid): command for pid, parent, command in rows if int(parent) in family}
        return family


@pytest.fixture
def data() -> Iterator[Path]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-up-", dir="/tmp") as folder:
        yield Path(folder)


@contextmanager
def up(data: Path, **env: str) -> Iterator[Up]:
    """`clorp up` once it is ready, ended with the block."""
    with begun(data, **env) as started:
        until(f"{started.url} to be ready", started.ready, START_SECONDS)
        until("it to say so", lambda: "Ctrl-C ends it" in started.log.read_text())
        yield started


@contextmanager
def begun(data: Path, **env: str) -> Iterator[Up]:
    """`clorp up` at its very beginning, ended with the block."""
    port, log = embedded.free_port(), data / "log"
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLORP_")}
    argv = [sys.executable, "-m", "tests.journeys.patiently", "up", "--port", str(port), "--data", str(data)]
    with (
        log.open("wb") as output,
        subprocess.Popen(argv, stdout=output, stderr=output, env=ours | env, process_group=0) as process,
    ):
        try:
            yield Up(process, log, f"http://{embedded.HOST}:{port}")
        finally:
            process.terminate()  # in order: what is killed may still write to its folder
            try:
                process.wait(PATIENCE_SECONDS)
            finally:
                process.kill()


def test_servers_of_ones_own_are_used_and_no_others_started(data, database):
    with db.transaction() as session:
        session.execute(text("DROP SCHEMA public CASCADE"))
        session.execute(text("CREATE SCHEMA public"))
    # A number of its own: other tests send messages at the same time.
    redis_url = os.environ["CLORP_REDIS_URL"].removesuffix("/0") + "/7"
    with up(data, CLORP_DATABASE_URL=database, CLORP_REDIS_URL=redis_url) as system:
        assert migrate.current() == migrate.head()
        auth = person(700).auth
        assert get(f"{system.url}/api/wallet/balance", headers=auth).json()["balance_cents"] == 700
        commands = " ".join(system.family().values())
        assert "gunicorn" in commands
        assert "postgres" not in commands
        assert "valkey" not in commands
        assert not {"postgres", "valkey", "servers.json"} & {path.name for path in data.iterdir()}
        system.process.terminate()
        assert system.process.wait(PATIENCE_SECONDS) == 0


@pooler.needed
def test_everything_runs_behind_a_pooler_in_transaction_mode(data, database):
    sql("DROP SCHEMA public CASCADE")
    sql("CREATE SCHEMA public")
    with pooler.running(default_pool_size=5) as address:
        url = address.render_as_string(hide_password=False)
        redis_url = os.environ["CLORP_REDIS_URL"].removesuffix("/0") + "/7"
        with up(data, CLORP_DATABASE_URL=url, CLORP_REDIS_URL=redis_url) as system:
            servers = embedded.Servers(url, redis_url)
            there = System(system.url, data, system.log, servers, system.process.pid)
            sender, agents = stranger(there, 1_000), [stranger(there) for _ in range(5)]
            job_id = sender.post("Name three rivers of Europe.", price_cents=400)
            for number, agent in enumerate(agents):
                agent.submit(job_id, f"1. Rhine\n2. Danube\n3. Volga, {number}")
            assert sender.wait_for(job_id, "verified")["payout_cents"] == 400
            assert violations() == []
            assert "ERROR" not in system.log.read_text()


def test_play_money_is_not_served_in_earnest(data, database):
    person(700)
    redis_url = os.environ["CLORP_REDIS_URL"].removesuffix("/0") + "/7"
    servers = {"CLORP_DATABASE_URL": database, "CLORP_REDIS_URL": redis_url}
    with begun(data, **servers, CLORP_PAYMENTS="stripe") as system:
        assert system.process.wait(START_SECONDS) == 1
        assert "Error: There is play money in this database" in system.log.read_text()
        assert "ready after" not in system.log.read_text()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "which this clorp does not know"),
        ("DROP TABLE alembic_version", "is not of clorp"),
    ],
)
def test_a_schema_that_cannot_be_used_is_one_sentence(data, database, spoil, told):
    sql(spoil)
    redis_url = os.environ["CLORP_REDIS_URL"].removesuffix("/0") + "/7"
    with begun(data, CLORP_DATABASE_URL=database, CLORP_REDIS_URL=redis_url) as system:
        assert system.process.wait(START_SECONDS) == 1
        (sentence,) = (line for line in system.log.read_text().splitlines() if line.startswith("Error: "))
        assert told in sentence
        assert "Traceback" not in system.log.read_text()


@pytest.fixture(scope="module")
def first() -> Iterator[Up]:
    """A system in a new folder, until a test ends it."""
    with tempfile.TemporaryDirectory(prefix="clorp-first-", dir="/tmp") as folder, up(Path(folder)) as system:
        yield system


def test_the_log_helps_and_a_second_system_in_the_folder_is_refused(first):
    said, data = first.log.read_text(), first.log.parent
    assert first.url in said
    assert f"clorp admin user NAME --credit 1000 --data {data}" in said
    assert (data / "password").read_text() not in said
    assert (data / "encryption.key").read_text() not in said

    argv = [sys.executable, "-m", "web.cli", "up", "--port", "0", "--data", str(data)]
    second = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert f"Another clorp runs in {data}. Stop it, or choose another folder" in second.stderr
    assert first.ready()
    assert embedded.find(data)


def test_a_signal_ends_everything_and_everyone_in_order_and_a_restart_finds_money_and_keys(first):
    data = first.log.parent
    key = json.loads(clorp("admin", "user", "ann", "--credit", "700", "--json", data=data))["api_key"]
    with crowd(first.url, key):
        ends_in_order(first, signal.SIGINT)
    proxy = f"http://{embedded.HOST}:1"  # leads nowhere, and is not asked for what is here
    with up(data, HTTP_PROXY=proxy, http_proxy=proxy, ALL_PROXY=proxy) as system, ExitStack() as clients:
        kept = clients.enter_context(httpx2.Client(base_url=system.url, timeout=PATIENCE_SECONDS))
        assert kept.get("/healthz").status_code == 200
        where = embedded.HOST, int(system.url.rpartition(":")[2])
        clients.enter_context(closing(socket.create_connection(where)))  # and asks nothing
        for _ in range(8):  # who does not hang up, though told to, keeps nobody else waiting
            rude = clients.enter_context(closing(socket.create_connection(where)))
            rude.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert rude.recv(15) == b"HTTP/1.1 200 OK"
        assert get(f"{system.url}/healthz", trust_env=False).status_code == 200
        broken = clients.enter_context(closing(socket.create_connection(where)))
        broken.sendall(
            b"POST /api/stripe/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"
        )
        answer = b"".join(iter(lambda: broken.recv(4096), b""))  # to the end: the connection is closed
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"bad_request"' in answer
        auth = {"Authorization": f"Bearer {key}"}
        balance = httpx2.get(
            f"{system.url}/api/wallet/balance", headers=auth, timeout=PATIENCE_SECONDS
        ).json()["balance_cents"]
        assert balance == 700
        assert json.loads(clorp("audit", "--json", data=data))["clean"] is True
        time.sleep(SILENT_SECONDS)
        clients.enter_context(closing(socket.create_connection(where)))
        ends_in_order(system, signal.SIGTERM)
        assert "killed" not in system.log.read_text()


def ends_in_order(system: Up, number: signal.Signals) -> None:
    family = system.family()
    assert {"postgres", "valkey-server"} <= {Path(c.split()[0]).name for c in family.values()}
    system.process.send_signal(number)
    assert system.process.wait(PATIENCE_SECONDS) == 0
    until("all of them to end", lambda: gone(*family))
    assert embedded.find(system.log.parent) is None
    said = system.log.read_text()
    assert said.endswith("clorp    stopped\n")
    assert [line for line in said.splitlines() if not LINE.fullmatch(line)] == []
    # Who loses a server that it still needs would say so.
    assert not re.search("error|exception|traceback|restarting", said, re.IGNORECASE), said


@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.6, 2.2, 2.8])
def test_a_stop_in_the_middle_of_the_start_ends_everything_in_order(known, seconds):
    with begun(known) as system:
        time.sleep(seconds)
        family = system.family()
        system.process.terminate()
        # Before it hears signals, and so before it has started anything, one simply ends it.
        assert system.process.wait(PATIENCE_SECONDS) in ({0, -signal.SIGTERM} if len(family) == 1 else {0})
        until("all of them to end", lambda: gone(*family))
        said = system.log.read_text()
        assert not re.search("killed|Traceback|ERROR|CRITICAL", said), said


@pytest.fixture(scope="module")
def known() -> Iterator[Path]:
    """A folder that was used before: its servers have a database with a schema."""
    with tempfile.TemporaryDirectory(prefix="clorp-known-", dir="/tmp") as folder:
        argv = [sys.executable, "-m", "web.cli", "migrate"]
        with embedded.servers(Path(folder)) as servers:
            env = {**os.environ, "CLORP_DATABASE_URL": servers.database_url}
            subprocess.run(argv, env=env, capture_output=True, check=True)
        yield Path(folder)


def test_a_redis_that_is_away_is_told_and_waited_for(known):
    redis_url = f"redis://{embedded.HOST}:{embedded.free_port()}/0"
    with begun(known, CLORP_REDIS_URL=redis_url, CLORP_MAX_CLAIM="3") as system:
        told = "no Redis or Valkey answers at CLORP_REDIS_URL"
        until("it to say so", lambda: told in system.log.read_text(), START_SECONDS)
        until("web to answer", lambda: answers(system.url), START_SECONDS)
        assert system.log.read_text().count("did you mean CLORP_MAX_CLAIMS?") == 1
        system.process.terminate()
        assert system.process.wait(PATIENCE_SECONDS) == 0


def answers(url: str) -> bool:
    try:
        return get(f"{url}/healthz").status_code == 200
    except httpx2.TransportError:
        return False


def clorp(*args: str, data: Path) -> str:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CLORP_")}
    command = [sys.executable, "-m", "web.cli", *args, "--data", str(data)]
    return subprocess.run(command, env=ours, capture_output=True, text=True, check=True).stdout
