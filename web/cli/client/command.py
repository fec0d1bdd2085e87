"""What every client command has in common: `--json`, how an answer is shown, and how a refusal ends."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from web import client as api
from web.cli.client import credentials
from web.cli.client.texts import clean
from web.client import Client, ClientError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

OTHER, USAGE, AUTH, PAYMENT, ABSENT, CONFLICT, RATE, AWAY = 1, 2, 3, 4, 5, 6, 7, 8
NOT_YET = 124  # time is up; what timeout(1) ends with

_EXITS: tuple[tuple[type[ClientError], int, str | None], ...] = (
    (api.AuthError, AUTH, "Run `clorp login`, or set CLORP_API_KEY."),
    (api.PaymentRequired, PAYMENT, "Top up with `clorp wallet topup CENTS`."),
    (api.Forbidden, ABSENT, None),
    (
        api.NotFound,
        ABSENT,
        "Check the id: `clorp jobs` and `clorp status` list yours, `clorp board` what is open.",
    ),
    (api.Conflict, CONFLICT, None),
    (api.RateLimited, RATE, "Try again a little later."),
    (api.Unavailable, AWAY, "Try again in a moment."),
    (api.Unreachable, AWAY, "Start a server with `clorp up`, or name one with `clorp login --api-url URL`."),
)
_JSON = "clorp.json"


class Refused(click.ClickException):
    """How a command ends that did not succeed: a sentence, the next step, and an exit code of its own."""

    def __init__(self, sentence: str, hint: str | None, exit_code: int, problem: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.hint, self.problem = hint, problem
        self.exit_code = exit_code  # type: ignore[misc]  # click calls it a constant, and reads it here
        self.as_json = wants_json()

    def show(self, file: Any = None) -> None:
        """Tell it on stderr, as the problem document where JSON is wanted."""
        if self.as_json:
            click.echo(json.dumps(self.problem), err=True)
            return
        click.echo(clean(f"Error: {self.message}"), err=True)
        if self.hint:
            click.echo(clean(self.hint), err=True)


def refuse(sentence: str, hint: str | None = None, exit_code: int = OTHER, code: str = "refused") -> Refused:
    """A refusal of the command itself."""
    return Refused(sentence, hint, exit_code, {"error": sentence, "code": code, "hint": hint})


@dataclass(frozen=True)
class Answer:
    """What a command found: the API's document, and how people read it."""

    document: Any
    shown: Callable[[], "RenderableType"]


class Command(click.Command):
    """A command that speaks to the API; gives an `Answer`, or prints by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())

    def invoke(self, ctx: click.Context) -> None:
        """Run, and show the answer or the refusal."""
        _run(lambda: super(Command, self).invoke(ctx))


class Group(click.Group):
    """Several commands around one thing; called without one of them it does what its callback does."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"invoke_without_command": True, **kwargs})
        self.params.append(_json_option())

    def invoke(self, ctx: click.Context) -> None:
        """Run, and show the answer or the refusal."""
        _run(lambda: super(Group, self).invoke(ctx))


def _json_option() -> click.Option:
    def note(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        ctx.meta[_JSON] = value or ctx.meta.get(_JSON, False)

    text = "The API's JSON document instead of text."
    return click.Option(["--json"], is_flag=True, expose_value=False, callback=note, help=text)


def _run(work: Callable[[], Any]) -> None:
    try:
        answer = work()
    except ClientError as error:
        raise refusal(error) from None
    except OSError as error:
        if not error.filename:
            raise  # a closed pipe, for one
        raise refuse(f"{error.filename}: {error.strerror}.") from None
    if isinstance(answer, Answer):
        show(answer)


def show(answer: Answer) -> None:
    """Print an answer, as text or as its document."""
    if wants_json():
        click.echo(json.dumps(answer.document, indent=2 if sys.stdout.isatty() else None))
    else:
        console().print(answer.shown())


def refusal(error: ClientError, hint: str | None = None) -> Refused:
    """What a failed call means for who called the command."""
    exit_code, usual = next(
        ((code, told) for kind, code, told in _EXITS if isinstance(error, kind)), (OTHER, None)
    )
    if isinstance(error, api.ApiError):
        for wrong in error.details.get("errors") or []:
            usual = f"{wrong.get('field')}: {wrong.get('message')}"
        if isinstance(error, api.RateLimited) and error.retry_after:
            usual = f"Try again in {error.retry_after} s."
        return Refused(str(error), hint or usual, exit_code, error.problem)
    return Refused(str(error), hint or usual, exit_code, {"error": str(error), "code": "unreachable"})


def wants_json() -> bool:
    """Whether the command was called with `--json`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))


def connect(api_url: str | None = None, *, key_wanted: bool = True) -> Client:
    """The client of the current account, closed when the command ends."""
    account = credentials.current(api_url)
    if key_wanted and not account.api_key:
        hint = "Run `clorp login`, or set CLORP_API_KEY."
        raise refuse(f"You are not logged in to {account.api_url}.", hint, AUTH, "unauthenticated")
    try:
        made = Client(account.api_url, account.api_key)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return click.get_current_context().with_resource(made)


def interactive() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, yes: bool) -> None:
    """Ask before something counts; whoever cannot be asked has to say `-y`."""
    if yes:
        return
    if not interactive():
        raise refuse(f"{question} Nobody is there to be asked.", "Repeat it with -y.", USAGE, "unconfirmed")
    if not click.confirm(question, err=True):
        raise refuse("Nothing was done.", code="declined")


def console(*, stderr: bool = False) -> "Console":
    """Where text goes; a pipe gets whole lines."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, emoji=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, emoji=False, width=1000)
