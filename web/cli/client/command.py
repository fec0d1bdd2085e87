"""What every client command has in common: whom it speaks for, how an answer is shown, how a refusal ends."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from web import client as api
from web.cli import commands
from web.cli.client import credentials
from web.cli.client.credentials import Profile
from web.cli.client.texts import clean
from web.cli.commands import common_options, options, speaker, wants_json
from web.client import Client, ClientError

if TYPE_CHECKING:
    from rich.console import Console

    from web.cli.client.blocks import Block

OTHER, USAGE, AUTH, PAYMENT, ABSENT, CONFLICT, RATE, AWAY = 1, 2, 3, 4, 5, 6, 7, 8
NOT_YET = 124  # time is up; what timeout(1) ends with

_YES_OR_NO = " [y/N]: "  # what click adds to a question
_SPEAKER = "clorp.speaker"  # in the context's `meta`: the profile whose key the command sends
# Where `{speaker}` stands the profile and the server are named as the command line named them.
_NO_KEY = "Run `clorp login{speaker}`, or set CLORP_API_KEY."
_EXITS: tuple[tuple[type[ClientError], int, str | None], ...] = (
    (api.BadRequest, USAGE, None),
    (api.AuthError, AUTH, _NO_KEY),
    (api.PaymentRequired, PAYMENT, "Top up with `clorp wallet topup CENTS{speaker}`."),
    (api.Forbidden, ABSENT, None),
    (
        api.NotFound,
        ABSENT,
        "Check the id: `clorp jobs{speaker}` and `clorp status{speaker}` list yours, "
        "`clorp board{speaker}` what is open.",
    ),
    (api.Conflict, CONFLICT, None),
    (api.RateLimited, RATE, "Try again a little later."),
    (api.Unavailable, AWAY, "Try again in a moment."),
    (api.Unreachable, AWAY, "Start a server with `clorp up`, or name one with --api-url URL."),
)


class Refused(click.ClickException):
    """How a command ends that did not succeed: a sentence, the next step, and an exit code of its own."""

    def __init__(self, sentence: str, hint: str | None, exit_code: int, problem: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.hint, self.problem = hint, problem
        self.exit_code = exit_code  # type: ignore[misc]  # click calls it a constant, and reads it here
        self.as_json, self.speaker = wants_json(), _speaking()

    def show(self, file: Any = None) -> None:
        """Write it to stderr, as the problem document where JSON is wanted."""
        if self.as_json:
            click.echo(json.dumps(self.problem), err=True)
            return
        click.echo(clean(f"Error: {self.message}"), err=True)
        if self.hint:
            click.echo(clean(self.hint), err=True)
        if self.exit_code == ABSENT and self.speaker:
            click.echo(
                f"Asked with the key {self.speaker.key_of}; --profile NAME asks with another.", err=True
            )


def refuse(sentence: str, hint: str | None = None, exit_code: int = OTHER, code: str = "refused") -> Refused:
    """Return a refusal of the command itself."""
    return Refused(sentence, hint, exit_code, {"error": sentence, "code": code, "hint": hint})


@dataclass(frozen=True)
class Answer:
    """The outcome of a command: the API's document, and how people read it."""

    document: Any
    shown: Callable[[], "Block | str"]


class Command(commands.Command):
    """A command that speaks to the API; it returns an `Answer`, or prints by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options()

    def invoke(self, ctx: click.Context) -> None:
        """Run, and show the answer or the refusal."""
        _run(lambda: super(Command, self).invoke(ctx))


class Group(commands.Group):
    """Several commands around one thing; without one of them its callback is run."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"invoke_without_command": True, **kwargs})
        self.params += common_options()

    def invoke(self, ctx: click.Context) -> None:
        """Run, and show the answer or the refusal."""
        _run(lambda: super(Group, self).invoke(ctx))


def _run(work: Callable[[], Any]) -> None:
    try:
        answer = work()
    except ClientError as error:
        raise refusal(error) from None
    except OSError as error:
        if not error.filename:
            raise  # of stdout: a closed pipe, or a full disk
        hint = "Check that path and what it permits, or name another one."
        raise refuse(f"{error.filename}: {error.strerror}.", hint) from None
    if isinstance(answer, Answer):
        show(answer)


def show(answer: Answer) -> None:
    """Print an answer: its document, or text for a terminal or for a pipe."""
    if wants_json():
        click.echo(json.dumps(answer.document, indent=2 if sys.stdout.isatty() else None))
        return
    shown = answer.shown()
    if isinstance(shown, str):
        click.echo(shown)
    else:
        display(shown)


def display(block: "Block", *, stderr: bool = False) -> None:
    """Print a part of an answer, as a terminal or a pipe takes it."""
    if (out := console(stderr=stderr)).is_terminal:
        out.print(block.rich())
    elif text := block.plain():
        click.echo(text, err=stderr)
    elif nothing := getattr(block, "nothing", None):
        click.echo(nothing, err=True)  # a pipe gets a line for each row, and there is none


def refusal(error: ClientError, hint: str | None = None) -> Refused:
    """Return how a command ends whose call failed."""
    exit_code, usual = next(
        ((code, step) for kind, code, step in _EXITS if isinstance(error, kind)), (OTHER, None)
    )
    usual = usual and usual.format(speaker=speaker())
    if isinstance(error, api.AuthError) and (profile := _speaking()):
        return _unknown_key(profile, error)
    if isinstance(error, api.ApiError):
        if error.code == "not_cancellable":  # 400 by the public page of the API, and a matter of state
            exit_code = CONFLICT
        for wrong in error.details.get("errors") or []:
            usual = f"{wrong.get('field')}: {wrong.get('message')}"
        if isinstance(error, api.RateLimited) and error.retry_after:
            usual = f"Try again in {error.retry_after} s."
        return Refused(str(error), hint or usual, exit_code, error.problem)
    return Refused(str(error), hint or usual, exit_code, {"error": str(error), "code": "unreachable"})


def _unknown_key(profile: Profile, error: api.AuthError) -> Refused:
    step = f"Store one that it knows: clorp login{speaker()}"
    hint = step if profile.name else "Correct the variable, or unset it to speak for a stored profile."
    sentence = f"{profile.api_url} does not know the key {profile.key_of}."
    return Refused(sentence, hint, AUTH, error.problem)


def _speaking() -> Profile | None:
    """Return the profile whose key this command sends; None where it sends none."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_SPEAKER) if context else None


def connect(*, key_wanted: bool = True) -> Client:
    """Return the client of the profile that counts; it is closed when the command ends."""
    profile = credentials.current(*options())
    if key_wanted and not profile.api_key:
        where = f"{profile.api_url} as the profile {profile.name}"
        hint = _NO_KEY.format(speaker=speaker())
        raise refuse(f"You are not logged in to {where}.", hint, AUTH, "unauthenticated")
    client = client_of(profile)
    click.get_current_context().meta[_SPEAKER] = profile if profile.api_key else None
    return client


def client_of(profile: Profile) -> Client:
    """Return the client of a profile; it is closed when the command ends.

    Raises:
        click.UsageError: its address or its key cannot be used.
    """
    try:
        client = Client(profile.api_url, profile.api_key, on_ignored=_warn_of_ignored)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return click.get_current_context().with_resource(client)


def _warn_of_ignored(names: str) -> None:
    click.echo(clean(f"Warning: the server ignored {names}: no fields of this call."), err=True)


def interactive() -> bool:
    """Return whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, yes: bool) -> None:
    """Ask before something counts; where nobody can be asked, `-y` is needed."""
    if yes:
        return
    if not interactive():
        raise refuse(f"{question} Nobody is there to be asked.", "Repeat it with -y.", USAGE, "unconfirmed")
    # Broken here, between words: a terminal would begin the next line with the space.
    width = get_terminal_size().columns - len(_YES_OR_NO)
    if not click.confirm(fill(question, width, break_long_words=False, break_on_hyphens=False), err=True):
        raise refuse("Nothing was done.", code="declined")


def console(*, stderr: bool = False) -> "Console":
    """Return where text goes; in a pipe lines are not cut."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, emoji=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, emoji=False, width=1000)
