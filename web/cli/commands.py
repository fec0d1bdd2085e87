"""What all commands of `clorp` have in common: examples in their help, and where they speak to."""

from collections.abc import Sequence
from typing import Any

import click

# In the context's `meta`, which a command shares with the group it belongs to.
_JSON, _PROFILE, _API_URL = "clorp.json", "clorp.profile", "clorp.api_url"


class _WithExamples(click.Command):
    """A command whose help ends with examples, each a line that can be typed as it stands."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

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
        _noted(_PROFILE, "--profile", metavar="NAME", help="Speak for this stored profile: clorp profiles."),
        _noted(_API_URL, "--api-url", metavar="URL", help="The server; default the profile's."),
        _noted(_JSON, "--json", is_flag=True, help="The API's JSON document instead of text."),
    ]


def _noted(key: str, name: str, **kwargs: Any) -> click.Option:
    def note(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        ctx.meta[key] = value or ctx.meta.get(key)

    return click.Option([name], expose_value=False, callback=note, **kwargs)


def options() -> tuple[str | None, str | None]:
    """Return the profile and the server that the command line names."""
    meta = click.get_current_context().meta
    return meta.get(_PROFILE), meta.get(_API_URL)


def wants_json() -> bool:
    """Return whether the command was called with `--json`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))
