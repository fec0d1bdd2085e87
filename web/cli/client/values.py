"""What people write on the command line: money, spans, ids, variables, and texts from elsewhere."""

import os
import re
import sys
from glob import escape
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from click.shell_completion import CompletionItem

from models.money import dollars

PREFIX_MIN = 8  # digits of the beginning of an id

_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_EXAMPLE = "019dbf3e-6f00-7c3a-9d51-0242ac120002"
_PREFIX = re.compile(rf"[0-9a-f]{{{PREFIX_MIN}}}(-[0-9a-f-]*)?")
_SHORT = re.compile(rf"[0-9a-f]{{1,{PREFIX_MIN - 1}}}")


# A shell puts something else, mostly nothing, in the place of `$` and what follows it.
QUOTED = "Perhaps the shell took the $: write dollars in quotes, as '$10'."
AMOUNT_MAX_CENTS = 10**11 - 1  # that can be written; no wallet holds as much


class Cents(int):
    """An amount of cents. `bare`: written as a number alone, which may have been meant as dollars."""

    bare = False


class _Money(click.ParamType):
    name = "cents"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Cents:
        """`150` or `$1.50`."""
        if isinstance(value, int):
            return Cents(value)
        found = re.fullmatch(r"(\$?)(\d{1,4000})(?:\.(\d\d))?", value, re.ASCII)
        if not found or (found[3] and not found[1]):
            wrong = f"{value!r} is neither cents, such as 150, nor dollars, such as '$1.50'."
            self.fail(wrong if value.startswith("$") else f"{wrong} {QUOTED}", param, ctx)
        cents = Cents(int(found[2]) * 100 + int(found[3] or 0) if found[1] else found[2])
        if cents > AMOUNT_MAX_CENTS:
            self.fail(f"{value!r} is too much: the most is {dollars(AMOUNT_MAX_CENTS)}.", param, ctx)
        cents.bare = not found[1]
        return cents

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """Say why an amount may be missing that was typed."""
        return QUOTED


class _Seconds(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """`90`, `90s`, `5m`, `1h30m`."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(_SPAN.pattern, value, re.ASCII)
        if not (value and len(value) < 12 and found):
            self.fail(f"{value!r} is no time, such as 90s, 5m or 1h30m.", param, ctx)
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds


class _Id(click.ParamType):
    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """A whole id, or its beginning as tables show it: see `whole` and `drop_id`."""
        text = str(value).strip().lower()
        try:
            return str(UUID(text))
        except ValueError:
            if _SHORT.fullmatch(text):
                self.fail(
                    f"{value!r} is too short: give at least {PREFIX_MIN} characters of the id.", param, ctx
                )
            if not _PREFIX.fullmatch(text) or len(text) >= ID_LENGTH:
                self.fail(f"{value!r} is no id, such as {_EXAMPLE}, nor how one begins.", param, ctx)
            return text


ID_LENGTH = 36  # characters of a whole id
MONEY, SECONDS, ID = _Money(), _Seconds(), _Id()
FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


def file_completed(_ctx: click.Context, _param: click.Parameter, beginning: str) -> list[CompletionItem]:
    """Have a shell complete the name of a file."""
    return [CompletionItem(beginning, type="file")]


def text_completed(_ctx: click.Context, _param: click.Parameter, beginning: str) -> list[str]:
    """Complete the name of a file behind `@`."""
    if not beginning.startswith("@"):
        return []
    path = Path(beginning[1:])
    folder, name = (path, "") if beginning.endswith("/") else (path.parent, path.name)
    found = sorted(folder.glob(f"{escape(name)}*"))
    return [f"@{one}/" if one.is_dir() else f"@{one}" for one in found]


def text_of(value: str) -> str:
    """`-` is what comes on stdin, `@FILE` what stands in a file, everything else itself."""
    if value == "-":
        return _decoded(sys.stdin.buffer.read(), "stdin")
    if value == "@":
        raise click.UsageError("The name of a file is missing: write @FILE.")
    if value.startswith("@"):
        return read(Path(value[1:]))
    return value


def read(path: Path) -> str:
    """A file's text."""
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}.") from None


def variables(given: tuple[str, ...]) -> dict[str, str] | None:
    """`NAME=VALUE` as it is, `NAME` with the value it has here, so that no secret is in the command line."""
    values = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name:
            raise click.UsageError(f"--env {one}: the name is missing; write NAME=VALUE.")
        if not equals and name not in os.environ:
            raise click.UsageError(f"--env {name}: there is no such variable here; write {name}=VALUE.")
        values[name] = value if equals else os.environ[name]
    return values or None


def _decoded(raw: bytes, name: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise click.UsageError(f"{name} is no UTF-8 text; attach it as a file instead.") from None
