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
from typing import Any, Literal, TypeVar, get_args

from flask import Blueprint, Response, g
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from models import crash, db
from models.crash import Point
from models.errors import ClorpError
from models.keys import Scope
from web import inputs, replay
from web.caching import conditional

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Volatile = dict[str, Any]
Preparation = Callable[[Any], AbstractContextManager[Any]]  # of the body
View = TypeVar("View", bound=Callable[..., Any])

routes: list["Route"] = []  # every route of the program, in the order of their making


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
            taken = body or (inputs.NoFields if method == "POST" and not multipart else None)
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
        data = dump() + b"\n"  # a terminal's prompt begins on a line of its own
        response = Response(data, status, Headers(list(reply.headers.items())), mimetype="application/json")
        if route.cached:
            stable = data if route.cached is True else dump(exclude=route.cached)
            response.set_etag(hashlib.sha256(stable).hexdigest()[:32], weak=True)
            response.headers["Cache-Control"] = "no-cache"
        return response

    @wraps(route.view)
    def call(**arguments: Any) -> Response:
        g.ignored = []
        if route.multipart:
            inputs.require_plain()
        document = inputs.body(route.body) if route.body else None
        if "body" in wanted:
            arguments["body"] = document
        parameters = inputs.query(route.query or inputs.NoFields)
        if "query" in wanted:
            arguments["query"] = parameters
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
