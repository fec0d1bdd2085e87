"""`clorp up`: the whole system on one machine, under one supervisor, with one log."""

import errno
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import httpx2

from models.settings import settings
from web.cli.servers import data_option, folder, use
from workers import embedded
from workers.supervisor import Child, Supervisor

READY_SECONDS = 30
WORKERS_MAX = 32
# With this a worker that is told to stop hands its unfinished messages back at once.
_CELERY_ENV = {"REMAP_SIGTERM": "SIGQUIT", "PYTHONWARNINGS": "ignore:You're running the worker"}


class _Stopped(Exception):  # not an error: the end was asked for while starting
    pass


@click.command()
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, WORKERS_MAX), help="Judge workers."
)
@data_option
def up(port: int, host: str, workers: int, data: Path | None) -> None:
    """Run everything on this machine until Ctrl-C or SIGTERM.

    Without CLORP_DATABASE_URL and CLORP_REDIS_URL it starts servers of its own in the data folder,
    where they find everything again the next time.
    """
    where = folder(data)
    supervisor = Supervisor()
    supervisor.catch_signals()
    _require_free(host, port)
    port = port or embedded.free_port(host=host)
    try:
        embedded.prepare(where)
        with embedded.lock(where, _url(host, port)):
            try:
                with suppress(_Stopped):
                    _run(supervisor, where, host, port, workers)
            finally:
                supervisor.stop()
                embedded.forget(where)
                supervisor.say("stopped")
    except embedded.EmbeddedError as error:
        raise click.ClickException(str(error)) from None


def _run(supervisor: Supervisor, data: Path, host: str, port: int, workers: int) -> None:
    begun = time.monotonic()
    use(CLORP_DATA=str(data))  # the children keep uploads there, too
    _start_servers(supervisor, data)
    if not settings().encryption_keys:
        use(CLORP_ENCRYPTION_KEYS=embedded.encryption_key(data))
    # They import for a second, in which the migration runs; nothing is done before beat is there.
    supervisor.start(_children(host, port, workers))
    before, after = _migrate()
    if before != after:
        supervisor.say(f"migrated the database to {after}")
    supervisor.start([Child("beat", _celery("beat"), 2)])
    url = _url(host, port)
    supervisor.watch(until=_ready(url, begun))
    if not supervisor.stopping:
        supervisor.say(f"ready after {time.monotonic() - begun:.1f} s: {url}")
        supervisor.say(f"make a user: clorp admin user NAME --credit 1000{_data_hint(data)}")
        supervisor.say("Ctrl-C ends it")
    supervisor.watch()


def _migrate() -> tuple[str | None, str | None]:
    """Bring the database to this version's schema; gives the revision before and after."""
    from models import db  # SQLAlchemy and Alembic take their time to import, while the others start
    from models.migrate import upgrade

    try:
        return upgrade()
    finally:
        db.engine().dispose()  # the supervisor needs no connection while it watches


def _start_servers(supervisor: Supervisor, data: Path) -> None:
    """Start the embedded servers that the settings do not replace, and make them count."""
    wanted = settings()
    embedded.stop_leftovers(data)
    servers, programs = embedded.programs(data, database_url=wanted.database_url, redis_url=wanted.redis_url)
    supervisor.start(Child(p.name, p.argv, 0, p.stop_signal, user=p.user) for p in programs)

    def pause() -> None:
        supervisor.tend()  # a server that was killed may need a second try
        if supervisor.stopping:
            raise _Stopped

    embedded.wait_until_up(data, servers, [program.name for program in programs], pause)
    use(CLORP_DATABASE_URL=servers.database_url, CLORP_REDIS_URL=servers.redis_url)


def _children(host: str, port: int, workers: int) -> list[Child]:
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:web.serving"]
    judge = [*_worker("judge"), "--pool", "threads", "--concurrency", "8"]
    money = [*_worker("money"), "--pool", "prefork", "--concurrency", "2"]
    names = ["judge"] if workers == 1 else [f"judge{number}" for number in range(1, workers + 1)]
    return [
        Child("money", [*money, "--hostname", "money@%h"], 1, env=_CELERY_ENV),
        *(Child(name, [*judge, "--hostname", f"{name}@%h"], 1, env=_CELERY_ENV) for name in names),
        Child("web", [*gunicorn, "--bind", _address(host, port), "web.app:create_app()"], 3),
    ]


def _celery(command: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "celery",
        "--quiet",
        "--app",
        "workers.app",
        command,
        "--loglevel",
        "WARNING",
    ]


def _worker(queue: str) -> list[str]:
    return [*_celery("worker"), "--queues", queue, "--without-gossip", "--without-mingle"]


def _ready(url: str, begun: float) -> Callable[[], bool]:
    """Asks `/readyz`; says once what is missing where it takes unusually long."""
    client = httpx2.Client(timeout=2)
    told = False

    def ask() -> bool:
        nonlocal told
        try:
            answer = client.get(f"{url}/readyz")
        except httpx2.TransportError:
            return False
        if answer.status_code != 200 and not told and time.monotonic() - begun > READY_SECONDS:
            told = True
            missing = [f"{c['name']}: {c['detail']}" for c in answer.json()["checks"] if not c["ok"]]
            click.echo(f"still waiting for {'; '.join(missing)}", err=True)
        return answer.status_code == 200

    return ask


def _require_free(host: str, port: int) -> None:
    try:
        embedded.try_port(port, host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told = f"Port {port} is taken. Choose another one: clorp up --port {port + 1}"
        else:
            told = f"Cannot listen on {_address(host, port)}: {error.strerror}. See --host and --port."
        raise click.ClickException(told) from None


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(host: str, port: int) -> str:
    reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://{_address(reachable, port)}"


def _data_hint(data: Path) -> str:
    return "" if data == folder(None) else f" --data {data}"
