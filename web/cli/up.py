"""`clorp up`: the whole system on one machine, under one supervisor, with one log."""

import os
import socket
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.settings import env_name, misspelt, settings
from web.cli import listening
from web.cli.commands import Command
from web.cli.readiness import Probe
from web.cli.servers import data_option, folder, use
from workers import embedded, signs
from workers.supervisor import Child, Supervisor

if TYPE_CHECKING:
    from web.cli.silence import Silence

READY_SECONDS = 30
WORKERS_MAX = 32
WEB_SHARE = 3  # of a stop: requests that run get `graceful_timeout` to end
# With this a worker that is told to stop hands its unfinished messages back at once.
_CELERY_ENV = {"REMAP_SIGTERM": "SIGQUIT", "PYTHONWARNINGS": "ignore:You're running the worker"}


class _Stopped(Exception):  # not an error: the end was asked for while starting
    pass


@click.command(cls=Command, examples=("clorp up", "clorp up --port 9000 --data /srv/clorp --workers 4"))
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
    where, warnings = folder(data), misspelt()
    supervisor = Supervisor()
    supervisor.catch_signals()
    for sentence in warnings:
        supervisor.say(sentence)
    try:
        with closing(listening.listen(host, port)) as listener:
            url = listening.url(host, listener)
            embedded.prepare(where)
            with embedded.lock(where, url):
                _run_and_stop(supervisor, where, listener, url, workers)
    except embedded.EmbeddedError as error:
        raise click.ClickException(str(error)) from None


def _run_and_stop(
    supervisor: Supervisor, data: Path, listener: socket.socket, url: str, workers: int
) -> None:
    try:
        _run(supervisor, data, listener, url, workers)
    except _Stopped:
        supervisor.let_go(above=0)  # all but the servers, which the others may still be asking
    finally:
        listener.close()  # from now on nobody waits for an answer that will not come
        try:
            supervisor.stop()
        finally:
            embedded.forget(data)
            supervisor.say("stopped")


def _run(supervisor: Supervisor, data: Path, listener: socket.socket, url: str, workers: int) -> None:
    begun = time.monotonic()
    hint = _data_hint(data)  # as long as the settings say what other commands will find in them
    use(CLORP_DATA=str(data))  # the children keep uploads there, too
    if not settings().public_url and not listening.everywhere(listener):
        use(CLORP_PUBLIC_URL=url)
    _start_servers(supervisor, data)
    if not settings().encryption_keys:
        use(CLORP_ENCRYPTION_KEYS=embedded.encryption_key(data))
    # They import for a second, in which the migration runs; nothing is done before beat is there.
    signs.clear()
    judges = ["judge"] if workers == 1 else [f"judge{number}" for number in range(1, workers + 1)]
    supervisor.start(_children(listener.fileno(), judges))
    os.environ.pop(env_name("crash_at"), None)  # who dies of it once is to live on
    before, after = _migrate()
    _go_on(supervisor)
    _require_fitting_rail()
    if before != after:
        supervisor.say(f"migrated the database to {after}")
    supervisor.start([Child("beat", celery_command("beat"), 2)])
    from web.cli.silence import Silence  # as slow to import as what it asks

    silence = Silence(supervisor, {"money": ["money"], "judge": judges})
    with silence.watching():
        _wait_until_ready(supervisor, silence, url, begun)
        supervisor.say(f"ready after {time.monotonic() - begun:.1f} s: {url}")
        credit = " --credit 1000" if settings().payments == "sandbox" else ""
        supervisor.say(f"make a user: clorp admin user NAME{credit}{hint}")
        supervisor.say("Ctrl-C ends it")
        supervisor.watch(until=silence.replace)


def _go_on(supervisor: Supervisor) -> None:
    """Between two steps of the start: nothing more is begun when the end was asked for."""
    if supervisor.stopping:
        raise _Stopped


def _wait_until_ready(supervisor: Supervisor, silence: "Silence", url: str, begun: float) -> None:
    """Says once what is missing where it takes unusually long."""
    probe = Probe(url)
    patience = begun + READY_SECONDS
    supervisor.watch(until=lambda: silence.replace() or probe.ready() or time.monotonic() > patience)
    if not probe.ready() and not supervisor.stopping:
        supervisor.say(f"still waiting for {probe.missing}")
        supervisor.watch(until=lambda: silence.replace() or probe.ready())
    _go_on(supervisor)


def _migrate() -> tuple[str | None, str | None]:
    """Bring the database to this version's schema; gives the revision before and after."""
    from models import db  # SQLAlchemy and Alembic take their time to import, while the others start
    from models.migrate import set_defaults, upgrade

    try:
        revisions = upgrade()
        set_defaults()  # what cannot be stored counts only behind a pooler, and `clorp doctor` names it
        return revisions
    finally:
        db.engine().dispose()  # the supervisor needs no connection while it watches


def _require_fitting_rail() -> None:
    """Play money is not to be paid out in earnest, nor real money to vanish in the sandbox."""
    from models import db, funds

    try:
        with db.transaction() as session:
            trouble = funds.trouble(session, settings().payments)
    finally:
        db.engine().dispose()
    if trouble:
        raise click.ClickException(trouble)


def _start_servers(supervisor: Supervisor, data: Path) -> None:
    """Start the embedded servers that the settings do not replace, and make them count."""
    wanted = settings()
    embedded.stop_leftovers(data)
    servers, programs = embedded.programs(data, database_url=wanted.database_url, redis_url=wanted.redis_url)
    supervisor.start(Child(p.name, p.argv, 0, p.stop_signal, p.stop_signal, user=p.user) for p in programs)

    def pause() -> None:
        supervisor.tend()  # a server that was killed may need a second try
        _go_on(supervisor)

    embedded.wait_until_up(data, servers, [program.name for program in programs], pause)
    if wanted.redis_url and (trouble := embedded.redis_trouble(wanted.redis_url)):
        supervisor.say(
            f"no Redis or Valkey answers at CLORP_REDIS_URL: {trouble}. No drop is judged until one does"
        )
    use(CLORP_DATABASE_URL=servers.database_url, CLORP_REDIS_URL=servers.redis_url)
    _go_on(supervisor)


def _children(listener: int, judges: list[str]) -> list[Child]:
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:web.serving", "web.app:create_app()"]
    judge = [*worker_command("judge"), "--pool", "threads"]
    money = [*worker_command("money"), "--pool", "prefork", "--concurrency", "2"]
    return [
        Child("money", [*money, "--hostname", "money@%h"], 1, share=2, env=_CELERY_ENV),
        *(Child(name, [*judge, "--hostname", f"{name}@%h"], 1, share=2, env=_CELERY_ENV) for name in judges),
        Child("web", [*gunicorn, "--bind", f"fd://{listener}"], 3, share=WEB_SHARE, files=(listener,)),
    ]


def celery_command(command: str) -> list[str]:
    """What runs a part of Celery: `beat`, or a `worker`."""
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


def worker_command(queue: str) -> list[str]:
    """What runs a worker of that queue, but for its pool and name."""
    return [*celery_command("worker"), "--queues", queue, "--without-gossip", "--without-mingle"]


def _data_hint(data: Path) -> str:
    return "" if data == folder(None) else f" --data {data}"
