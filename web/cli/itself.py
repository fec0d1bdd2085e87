"""`clorp help`, `version` and `completion`: the command about itself."""

import sys
from importlib.metadata import version as installed_version

import click
from click.shell_completion import get_completion_class

from web.cli.commands import Command

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_CLORP_COMPLETE"  # by which click's script calls the command
_FILES = {  # where each shell looks for it
    "bash": "~/.local/share/bash-completion/completions/clorp",
    "zsh": "~/.zfunc/_clorp",
    "fish": "~/.config/fish/completions/clorp.fish",
}
_NOTES = {"zsh": "   (with fpath+=~/.zfunc before compinit)"}


def _install(shell: str) -> str:
    file = _FILES[shell]
    return f"mkdir -p {file.rpartition('/')[0]} && clorp completion {shell} > {file}"


@click.command("help", cls=Command, examples=("clorp help", "clorp help wallet topup"))
@click.argument("names", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of a command."""
    at = ctx.find_root()
    for name in names:
        if not isinstance(at.command, click.Group):
            raise click.UsageError(f"{at.command_path} has no command {name!r}: it has none.", at)
        _, command, _ = at.command.resolve_command(at, [name])
        assert command is not None, "resolve_command raises where there is none"
        at = click.Context(command, at, name, **at.command.context_settings)
    click.echo(at.get_help())


@click.command(cls=Command, examples=("clorp version", "clorp -V"))
def version() -> None:
    """Show the version."""
    click.echo(f"clorp, version {installed_version('clorp')}")


@click.command(cls=Command, examples=tuple(map(_install, SHELLS)))
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and their values."""
    script = get_completion_class(shell)
    assert script is not None, "click knows the shells above"
    source = script(ctx.find_root().command, {}, "clorp", _VARIABLE).source()
    # bash splits a word at its @ before the command is asked: there it has to complete files by itself.
    click.echo(source.replace("complete -o nosort", "complete -o default -o nosort"))
    if sys.stdout.isatty():
        click.echo(f"Install it with: {_install(shell)}{_NOTES.get(shell, '')}", err=True)
