"""Typed routes: what a route takes and gives is said once, and drives validation, answers and OpenAPI.

A view names what it needs among `session`, `body`, `query` and `prepared`; the path's parameters come too.
It runs inside one transaction, which commits before its answer leaves. What it returns is the answer. It
changes nothing outside of the session: where PostgreSQL breaks the transaction off, it runs again.
"""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial, partialmethod, wraps
from typing import Any, Literal, NoReturn, TypeVar, get_args

import pydantic_core
from flask import Blueprint, Response, request
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from models import crash, db
from models.crash import Point
from models.errors import ClorpError, Invalid
from models.keys import Scope
from web import replay
from web.caching import conditional

BODY_MAX = 2 * 1024 * 1024  # bytes

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Volatile = dict[str, Any]
Preparation = Callable[[Any], AbstractContextManager[Any]]  # of the body
View = TypeVar("View", bound=Callable[..., Any])
M = TypeVar("M", bound=BaseModel)

routes: list["Route"] = []  # every route of the program, in the order of their making


class InvalidJson(Invalid):
    """The body is not JSON."""

    code = "invalid_json"
    sentence = "The body is not valid JSON."


@dataclass
class Reply:
    """An answer with a status or headers of its own."""

    answer: Any
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """One row of the contract's table."""

    method: Method
    path: str
    view: Callable[..., Any]
    answer: Any  # a model, a list of one, or None where `media_type` says what comes
    status: int
    also: dict[int, Any]  # further statuses and their answers
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    scopes: tuple[Scope, ...]  # one of them is needed; none: anybody may ask
    secret: bool  # a bearer secret of its own instead of a key
    refusals: tuple[type[ClorpError], ...]
    cached: bool | Volatile  # answers carry an ETag, which leaves these fields out
    media_type: str
    multipart: dict[str, Any] | None  # the schema of a form, for the one route that takes files
    headers: dict[str, str] = field(
        default_factory=dict
    )  # further headers of the answer: name and what it says
    prepare: Preparation | None = None  # the slow part, around the transaction

    @property
    def waits(self) -> bool:
        """Whether `?wait=` may hold the answer back."""
        return self.query is not None and "wait" in self.query.model_fields

    @property
    def streams(self) -> bool:
        """Whether the answer goes on as things happen; `answer` then describes one event of it."""
        return self.media_type == "text/event-stream"

    @property
    def public(self) -> bool:
        """Whether no key is wanted."""
        return not self.scopes

    @property
    def replayable(self) -> bool:
        """Whether `Idempotency-Key` counts: a POST of a known user that changes something.

        What a key that may only read can ask for changes nothing.
        """
        return self.method == "POST" and bool(self.scopes) and "read" not in self.scopes

    @property
    def summary(self) -> str:
        """The first sentence of the view's docstring."""
        return self.about.partition("\n\n")[0].replace("\n", " ")

    @property
    def about(self) -> str:
        """The view's docstring."""
        return inspect.cleandoc(self.view.__doc__ or "")


class Routes:
    """Typed routes below one prefix; `blueprint` is what Flask registers."""

    def __init__(self, name: str, url_prefix: str = "") -> None:
        self.prefix = url_prefix
        self.blueprint = Blueprint(name, __name__, url_prefix=url_prefix or None)

    def _typed(
        self,
        method: Method,
        path: str,
        answer: Any = None,
        *,
        status: int = 200,
        also: dict[int, Any] | None = None,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        scope: Scope | tuple[Scope, ...] | None = None,
        secret: bool = False,
        refuses: Sequence[type[ClorpError]] = (),
        cached: bool | Volatile = False,
        media_type: str = "application/json",
        multipart: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        prepare: Preparation | None = None,
    ) -> Callable[[View], View]:
        """Make the decorated view answer `method` `path`.

        Args:
            method: of HTTP.
            path: below the blueprint's prefix, with Flask's converters.
            answer: the model (or `list[Model]`) of the usual answer.
            status: of the usual answer.
            also: models of answers with other statuses.
            body: the model of the JSON body; a POST without one still takes `{}`.
            query: the model of the query string.
            scope: which scope of a key the route wants, or one of which; None: it is public.
            secret: whether the view itself checks a bearer secret.
            refuses: the refusals that are the route's own, beyond those that every route may give.
            cached: whether the answer has an ETag and may be 304; or which of its fields may differ
                all the same, as pydantic's `exclude`.
            media_type: of the answer, where it is not JSON.
            multipart: the schema of the form that the view reads by itself.
            headers: further headers of the answer, with what each says.
            prepare: what is too slow or too foreign for a transaction: given the body, entered before it
                begins, left after its end. The view gets what it yields as `prepared`.
        """
        scopes = (scope,) if isinstance(scope, str) else scope or ()
        assert set(scopes) <= set(get_args(Scope))

        def register(view: View) -> View:
            full = self.prefix + path
            taken = body or (NoFields if method == "POST" and not multipart else None)
            route = Route(
                method, full, view, answer, status, also or {}, taken, query, scopes, secret,
                tuple(refuses), cached, media_type, multipart, headers or {}, prepare,
            )  # fmt: skip
            routes.append(route)
            call = _caller_of(route)
            call.route = route  # type: ignore[attr-defined]
            name = f"{method} {full}".replace(".", " ")  # Flask keeps dots for itself
            self.blueprint.add_url_rule(path, name, call, methods=[method])
            return view

        return register

    get = partialmethod(_typed, "GET")
    post = partialmethod(_typed, "POST")
    patch = partialmethod(_typed, "PATCH")
    delete = partialmethod(_typed, "DELETE")


class NoFields(BaseModel):
    """The body of a route that needs none: it may be left out, but not be broken."""


def _caller_of(route: Route) -> Callable[..., Response]:
    """The function that Flask calls: parse, one call inside one transaction, answer."""
    wanted = inspect.signature(route.view).parameters
    adapters = {
        status: TypeAdapter(model)
        for status, model in {route.status: route.answer, **route.also}.items()
        if model is not None
    }

    def respond(result: Any) -> Response:
        if isinstance(result, Response):
            return result
        reply = result if isinstance(result, Reply) else Reply(result)
        status = reply.status or route.status
        dump = partial(adapters[status].dump_json, reply.answer, exclude_unset=True, by_alias=True)
        data = dump()
        response = Response(data, status, Headers(list(reply.headers.items())), mimetype="application/json")
        if route.cached:
            stable = data if route.cached is True else dump(exclude=route.cached)
            response.set_etag(hashlib.sha256(stable).hexdigest()[:32], weak=True)
            response.headers["Cache-Control"] = "no-cache"
        return response

    @wraps(route.view)
    def call(**arguments: Any) -> Response:
        document = _body(route.body) if route.body else None
        if "body" in wanted:
            arguments["body"] = document
        if route.query:
            asked = _query(route.query)
            if "query" in wanted:
                arguments["query"] = asked
        # Nobody outside is asked twice for one request. A form is read in `prepare`: it is new until then.
        if route.prepare and not route.multipart and (known := replay.known(route.replayable)):
            return known
        with route.prepare(document) if route.prepare else nullcontext() as prepared:
            if "prepared" in wanted:
                arguments["prepared"] = prepared
            return answer(**arguments)

    def answer(**arguments: Any) -> Response:
        if "session" not in wanted:
            return respond(route.view(**arguments))
        return _in_one_transaction(route, lambda session: respond(route.view(**arguments, session=session)))

    return conditional(call, route.waits) if route.cached else call


def _in_one_transaction(route: Route, effect: Callable[[Session], Response]) -> Response:
    changes = route.method != "GET"
    response = db.retried(
        lambda session: replay.once(session, route.replayable, lambda: effect(session)), once=changes
    )
    if changes:
        crash.point(Point.ANSWER)
    return response


def _body(model: type[M]) -> M:
    """The request's body as `model`; no body at all counts as `{}`.

    Raises:
        UnsupportedMediaType: a body that does not call itself JSON.
        RequestEntityTooLarge: more than `BODY_MAX` bytes.
        InvalidJson: not JSON, NaN, too deep, half a surrogate pair.
        Invalid: JSON of another shape; `errors` names the fields, never their values.
    """
    raw = request.get_data()
    if len(raw) > BODY_MAX:  # Flask refuses by Content-Length; without one it only cuts off
        raise RequestEntityTooLarge
    if len(raw) < (request.content_length or 0):
        raise InvalidJson("The body ended before its Content-Length.")  # else it would pass for no body
    if not raw:
        return _validated(model, {})
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    try:
        document = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise InvalidJson from None
    if not isinstance(document, dict):
        raise Invalid("The body must be a JSON object.")
    return _validated(model, document)


def _validated(model: type[M], document: dict[str, Any]) -> M:
    try:
        # By the names of the contract only; Python's own are for our code.
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        _refuse("The request is not valid: check {}.", error)


def _query(model: type[M]) -> M:
    """The query string as `model`; a parameter that is given twice counts the first time."""
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        _refuse("Check the parameter {}.", error)


def _refuse(sentence: str, error: ValidationError) -> NoReturn:
    messages: dict[str, str] = {}
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        # Below a field stands what the client chose, such as the names of envVars: never repeated.
        name = str(problem["loc"][0]) if problem["loc"] else "body"
        messages.setdefault(name, problem["msg"].removeprefix("Value error, "))
    errors = [{"field": name, "message": message} for name, message in messages.items()]
    raise Invalid(sentence.format(", ".join(messages)), errors=errors) from None
