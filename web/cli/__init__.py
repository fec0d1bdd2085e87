"""The `clorp` command. Subcommands are imported only when they are called, so that help is instant."""

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version as installed_version
from typing import Any, NamedTuple

import click

from models.errors import ClorpError
from web.cli import commands

_NO_SUCH_TABLE = "42P01"
FAILED = 1
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended


class _Entry(NamedTuple):
    target: str  # module:attribute
    help: str


_CLIENT = {
    "login": _Entry("web.cli.client.account:login", "Store an API key for a server; make a user."),
    "logout": _Entry("web.cli.client.account:logout", "Delete a stored key."),
    "profiles": _Entry("web.cli.client.account:profiles", "List the stored users; choose one."),
    "whoami": _Entry("web.cli.client.account:whoami", "Show who you are, and your balance."),
    "drop": _Entry("web.cli.client.drops:drop", "Post a drop: a prompt with a bounty."),
    "wait": _Entry("web.cli.client.waiting:wait", "Wait until a drop has ended."),
    "pull": _Entry("web.cli.client.files:pull", "Save the winning entry and its files."),
    "jobs": _Entry("web.cli.client.drops:jobs", "List the drops you sent."),
    "verify": _Entry("web.cli.client.verifying:verify", "Work out anew how a drop was judged; exit 0 or 1."),
    "view": _Entry("web.cli.client.drops:view", "Show a drop, or the entries in it."),
    "pay": _Entry("web.cli.client.drops:pay", "Pay for a drop that waits for money."),
    "cancel": _Entry("web.cli.client.drops:cancel", "Call a drop off."),
    "board": _Entry("web.cli.client.arena:board", "Show the drops that can be joined."),
    "claim": _Entry("web.cli.client.arena:claim", "Take a slot in a drop."),
    "submit": _Entry("web.cli.client.arena:submit", "Hand in an entry, or replace yours."),
    "release": _Entry("web.cli.client.arena:release", "Give your slot back."),
    "status": _Entry("web.cli.client.arena:status", "Show your claims and entries."),
    "feed": _Entry("web.cli.client.arena:feed", "Show what was decided."),
    "leaderboard": _Entry("web.cli.client.arena:leaderboard", "Show the agents by rating."),
    "wallet": _Entry("web.cli.client.wallet:wallet", "Show your balance; top up, withdraw."),
    "agents": _Entry("web.cli.client.agents:agents", "List your agents; make, edit, delete them."),
    "keys": _Entry("web.cli.client.keys:keys", "List your API keys; make, rotate, revoke them."),
    "api": _Entry("web.cli.client.raw:api", "Call any route and print the answer."),
}
_SERVER = {
    "up": _Entry("web.cli.up:up", "Run everything on this machine until Ctrl-C."),
    "demo": _Entry("web.cli.demo:demo", "Watch drops being posted, fought over, judged and paid."),
    "migrate": _Entry("web.cli.ops:migrate", "Bring the database to this version's schema."),
    "audit": _Entry("web.cli.ops:audit", "Check every promise about money; exit 0 or 1."),
    "rejudge": _Entry("web.cli.rejudging:rejudge", "A second verdict on a decided drop; moves nothing."),
    "backup": _Entry("web.cli.backup:backup", "Write everything into one file; at any time."),
    "restore": _Entry("web.cli.restore:restore", "Bring back what such a file holds."),
    "doctor": _Entry("web.cli.doctor:doctor", "Look for what is wrong, and say what to do."),
    "torture": _Entry("web.cli.torture:command", "Load, faults, and whether anything is lost."),
    "judge-bench": _Entry("web.cli.judge_bench:command", "Measure a judge against people's ratings."),
    "admin": _Entry("web.cli.admin:admin", "Make users and keys, credit wallets, rotate encryption."),
}
_ITSELF = {
    "help": _Entry("web.cli.itself:help_", "Show the help of a command."),
    "version": _Entry("web.cli.itself:version", "Show the version."),
    "completion": _Entry("web.cli.itself:completion", "Print what makes a shell complete commands."),
}
_COMMANDS = _CLIENT | _SERVER | _ITSELF
_EXITS = (
    ("0", "done; of wait: won and paid"),
    ("1", "refused, or the drop ended otherwise"),
    ("2", "wrong usage, or nobody to confirm it: see -y"),
    ("3", "not logged in"),
    ("4", "the wallet does not cover it"),
    ("5", "missing, hidden from you or not yours to do"),
    ("6", "too late, or at odds with how things stand"),
    ("7", "too much at once; try later"),
    ("8", "the server is away or cannot be reached"),
    ("124", "time is up, the drop has not ended"),
    ("130", "Ctrl-C"),
)


class _Lazy(commands.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            unknown = click.exceptions.NoSuchCommand(args[0], possibilities=_COMMANDS, ctx=ctx)
            if unknown.possibilities:
                raise unknown from error
            raise click.UsageError(f"{unknown.message} All of them: clorp help", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        parts = (("Speak to a server", _CLIENT), ("Run a server", _SERVER), ("The command itself", _ITSELF))
        for title, group in parts:
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in group.items()])
        with formatter.section("Exit codes"):
            formatter.write_dl(_EXITS)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command, with a place for every standard stream."""
        _reopen_closed_streams()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # of the help and the version, which click prints before anything runs
            trouble = _output_trouble(error)
            if trouble is None:
                raise
            click.echo(f"Error: {trouble}" if trouble else "", err=True, nl=bool(trouble))
            sys.exit(FAILED)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()  # here, where its failure can still be told
            return answer
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (click.Abort, KeyboardInterrupt):
            click.echo(err=True)
            ctx.exit(INTERRUPTED)
        except ClorpError as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:
            trouble = _output_trouble(error) or _settings_trouble(error) or _database_trouble(error)
            if trouble is None:
                raise
            if trouble == "":
                ctx.exit(FAILED)
            raise click.ClickException(trouble) from None


def _reopen_closed_streams() -> None:
    """Give standard streams that are closed a place, so that no file or socket gets their numbers.

    What is written to stdout still fails, as it should; without stderr nobody could be told of it.
    """
    streams = {"stdin": ("r", os.O_RDONLY), "stdout": ("w", os.O_RDONLY), "stderr": ("w", os.O_WRONLY)}
    for name, (mode, flags) in streams.items():
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _output_trouble(error: Exception) -> str | None:
    """Return the sentence for a stdout that takes nothing; empty for a reader that has left; else None."""
    if not isinstance(error, OSError) or error.filename:
        return None
    with suppress(OSError, ValueError):  # what is buffered would fail again at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return "" if error.errno == errno.EPIPE else f"The output cannot be written: {error.strerror}."


def _settings_trouble(error: Exception) -> str | None:
    """Return a line for each setting that cannot be used; None for anything else."""
    from models.settings import SettingsError

    return str(error) if isinstance(error, SettingsError) else None


def _database_trouble(error: Exception) -> str | None:
    """Return the sentence for a database that is away, not migrated or closed; None for anything else."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from models import db, migrate

    if isinstance(error, migrate.Unusable):
        return str(error)
    if isinstance(error, OperationalError):
        return f"PostgreSQL does not answer: {db.reason(error)}"
    if isinstance(error, ProgrammingError) and getattr(error.orig, "pgcode", None) == _NO_SUCH_TABLE:
        return "The database is not at this version's schema: run `clorp migrate`."
    if isinstance(error, ProgrammingError) and db.refuses(error):
        return f"The role of CLORP_DATABASE_URL lacks rights ({db.reason(error)}): see `clorp doctor`."
    return None


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        "clorp login --signup ada",
        "clorp drop 'Name three rivers of Europe.' --wait",
        "clorp help drop",
    ),
)
@click.version_option(installed_version("clorp"), "-V", "--version", prog_name="clorp")
def main() -> None:
    """A marketplace where a prompt and a bounty are fought over, judged and paid."""


main.params += commands.common_options()
