"""What all commands of `clorp` have in common: examples in their help, and where they speak to."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

ROWS_MAX = 100  # of a list in one answer

# In the context's `meta`, which a command shares with the group it belongs to.
_JSON, _PROFILE, _API_URL = "clorp.json", "clorp.profile", "clorp.api_url"


class _WithExamples(click.Command):
    """A command whose help ends with examples, each a line that can be typed as it stands."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        for param in self.params:
            if isinstance(param.type, click.IntRange | click.FloatRange):
                param.metavar = param.metavar or "N"  # click would write INTEGER RANGE

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does; an option that stands there twice is refused, where click takes the last."""
        try:
            if not ctx.resilient_parsing:
                self._require_once(ctx, list(args))
            return super().parse_args(ctx, args)
        except click.BadOptionUsage as error:
            param = next((param for param in self.params if error.option_name in param.opts), None)
            advice = param and param.type.get_missing_message(param, ctx)
            if not advice:
                raise
            raise click.BadOptionUsage(error.option_name, f"{error.message} {advice}", ctx) from None

    def _require_once(self, ctx: click.Context, args: list[str]) -> None:
        *_, order = self.make_parser(ctx).parse_args(args)
        for param in order:
            once = isinstance(param, click.Option) and not (param.multiple or param.is_flag or param.count)
            if once and order.count(param) > 1:
                raise click.UsageError(f"{param.opts[0]} is given twice: give it once.", ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below everything else."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Command(_WithExamples):
    """A command of `clorp`."""


class Group(_WithExamples, click.Group):
    """Several commands around one thing."""

    command_class = Command


def common_options() -> list[click.Option]:
    """Return the options of every client command, which may stand before or behind its name."""
    return [
        _noted(
            _PROFILE,
            "--profile",
            metavar="NAME",
            shell_complete=_profiles,
            help="Speak for this stored profile: clorp profiles.",
        ),
        _noted(_API_URL, "--api-url", metavar="URL", help="The server; default the profile's."),
        _noted(_JSON, "--json", is_flag=True, help="The API's JSON document instead of text."),
    ]


def _profiles(ctx: click.Context, param: click.Parameter, beginning: str) -> list[str]:
    from web.cli.client import credentials  # which imports an HTTP client

    return credentials.completed(ctx, param, beginning)


def _noted(key: str, name: str, **kwargs: Any) -> click.Option:
    def note(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        ctx.meta[key] = value or ctx.meta.get(key)

    return click.Option([name], expose_value=False, callback=note, **kwargs)


def options() -> tuple[str | None, str | None]:
    """Return the profile and the server that the command line names."""
    context = click.get_current_context(silent=True)
    meta = context.meta if context else {}
    return meta.get(_PROFILE), meta.get(_API_URL)


def paged(command: F) -> F:
    """Add `--limit` and `--offset`, by which a list is shown in parts."""
    rows, skipped = click.IntRange(1, ROWS_MAX), click.IntRange(0)
    limit = click.option("--limit", type=rows, default=20, show_default=True, help="Rows at most.")
    offset = click.option("--offset", type=skipped, default=0, help="Rows to leave out first.")
    return limit(offset(command))


def speaker() -> str:
    """Return the options by which a next step speaks for the same user to the same server as this command."""
    profile, api_url = options()
    named = (("--profile", profile), ("--api-url", api_url))
    return "".join(f" {name} {shlex.quote(value)}" for name, value in named if value)


def wants_json() -> bool:
    """Return whether the command was called with `--json`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))
