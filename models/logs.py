"""One log for all processes: JSON for machines or a line for people, and no secret in either.

Everything goes through Python's `logging`; what is bound here stands in each line of the same request or
task. The text of an exception may quote what people sent, so only its kind and its place are told.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import IO, Any

from structlog import contextvars
from structlog.processors import JSONRenderer, TimeStamper
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor, WrappedLogger

from models.settings import settings

# What a line may have beside its sentence; whatever else a library attaches is left out.
FIELDS = ("method", "route", "status", "ms", "task", "state", "request_id", "user_id", "job_id", "task_id")

# What these say below a warning quotes parameters and messages; ours has a line for each request and task.
_TALKATIVE = ("celery", "kombu", "amqp", "redis", "sqlalchemy", "alembic", "gunicorn", "httpx2", "stripe")

_HIDDEN = "[hidden]"
_SECRET_NAMES = re.compile(
    r"authorization|cookie|password|secret|token|api_?key|env_?vars|prompt|text|body|entry|personality",
    re.IGNORECASE,
)
_SECRETS = (
    (re.compile(r"clorp_[0-9A-Za-z]{16,}"), f"clorp_{_HIDDEN}"),
    (re.compile(r"\b((?:sk|rk|whsec)_)\w+"), rf"\1{_HIDDEN}"),  # Stripe, Standard Webhooks
    (re.compile(r"\b(bearer\s+)\S+", re.IGNORECASE), rf"\1{_HIDDEN}"),
    (re.compile(r"\b(basic\s+)[A-Za-z0-9+/=]{8,}", re.IGNORECASE), rf"\1{_HIDDEN}"),
    (re.compile(r"(\w://[^\s:/@]*:)[^\s@]+@"), rf"\1{_HIDDEN}@"),  # a password in a URL
)
# These speak of code, never of data.
_HARMLESS = (AttributeError, ImportError, NameError)


def configure(stream: IO[str] | None = None) -> None:
    """Let this process log to `stream`, or stderr. A second call takes the place of the first."""
    wanted = settings()
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter(wanted.log))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(wanted.log_level or ("INFO" if wanted.log == "json" else "WARNING"))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def formatter(kind: str) -> logging.Formatter:
    """What turns a record into a line of `json` or `text`."""
    finish: list[Processor] = [TimeStamper(fmt="iso", utc=True, key="time"), JSONRenderer()]
    return ProcessorFormatter(
        foreign_pre_chain=[contextvars.merge_contextvars, add_log_level, add_logger_name, ExtraAdder(FIELDS)],
        processors=[_tell_exception, ProcessorFormatter.remove_processors_meta, _mask]
        + (finish if kind == "json" else [_line]),
    )


def start(**ids: str) -> None:
    """From here on the lines of this thread carry these ids, and no others."""
    contextvars.clear_contextvars()
    bind(**ids)


def bind(**ids: str) -> None:
    """Let the lines of this thread carry these ids, too."""
    contextvars.bind_contextvars(**ids)


def bound(name: str) -> str | None:
    """The id of that name which the lines of this thread carry."""
    found: str | None = contextvars.get_contextvars().get(name)
    return found


def where(error: BaseException) -> str:
    """What kind of exception, from where, and what was behind it; not what it says."""
    return "\n".join(line for one in _chain(error) for line in _place(one))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _place(error: BaseException) -> Iterator[str]:
    kind = type(error)
    told = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if state := getattr(error, "pgcode", None):
        told += f" [{state}]"
    if isinstance(error, _HARMLESS):
        told += f": {error}"
    yield told
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"


def _tell_exception(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        for one in _chain(error):  # a library may have put it into its sentence
            if str(one):
                event["event"] = str(event["event"]).replace(str(one), "…")
        event["exception"] = where(error)
    return event


def _mask(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name):
        return _HIDDEN
    if isinstance(value, dict):
        return {str(key): _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    told = str(value)
    for secret, shown in _SECRETS:
        told = secret.sub(shown, told)
    return told


def _line(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    """A line for people: how bad, who, what, then the ids."""
    level, name, what = (event.pop(key, "") for key in ("level", "logger", "event"))
    exception = event.pop("exception", None)
    ids = "".join(f" {key}={value}" for key, value in event.items())
    told = f"{level.upper()} {name}: {what}{ids}"
    return f"{told}\n{exception}" if exception else told
