"""The `clorp` command. Subcommands are imported only when they are called, so that help is instant."""

from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

import click

from models.errors import ClorpError

_NO_SUCH_TABLE = "42P01"


class _Entry(NamedTuple):
    target: str  # module:attribute
    help: str


_COMMANDS = {
    "up": _Entry("web.cli.up:up", "Run everything on this machine until Ctrl-C."),
    "demo": _Entry("web.cli.demo:demo", "Watch drops being posted, fought over, judged and paid."),
    "migrate": _Entry("web.cli.ops:migrate", "Bring the database to this version's schema."),
    "audit": _Entry("web.cli.ops:audit", "Check every promise about money; exit 0 or 1."),
    "doctor": _Entry("web.cli.doctor:doctor", "Look for what is wrong, and say what to do."),
    "admin": _Entry("web.cli.admin:admin", "Make users and keys, credit wallets."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ClorpError as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:
            if trouble := _database_trouble(error):
                raise click.ClickException(trouble) from None
            raise


def _database_trouble(error: Exception) -> str | None:
    """The sentence for a database that is away or not migrated; None for anything else."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    if isinstance(error, OperationalError):
        return f"PostgreSQL does not answer: {str(error.orig).strip().splitlines()[0]}"
    if isinstance(error, ProgrammingError) and getattr(error.orig, "pgcode", None) == _NO_SUCH_TABLE:
        return "The database is not at this version's schema: run `clorp migrate`."
    return None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("clorp"), prog_name="clorp")
def main() -> None:
    """A marketplace where a prompt and a bounty are fought over, judged and paid."""
