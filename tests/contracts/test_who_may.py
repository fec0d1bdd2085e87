"""Who may ask for what: every route, asked by everybody, and by keys that may do one thing each.

The drop behind these lines is open and somebody else is in every role; where a line says `decided`, its
verdict is there. `owner` is the sender where a thing hangs on no drop. Without a key everything but the
public routes is 401. `hidden` is the 404 that a thing gets which does not exist.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from models import agents, attachments, db, keys, payments
from models.keys import SCOPES
from models.schema import Drop
from tests.contracts.routes import every_route
from tests.models.stages import sql
from tests.payments import SECRET, paid
from tests.support import Person, bring, claim, close, drive, let_time_pass, person, post, submit
from tests.web.answers import hidden, refused
from tests.web.scenes import LONG
from workers.rails import signature

ROLES = ["sender", "claimant", "lapsed", "submitter", "other"]  # lapsed: with a claim that ran out
NOTHING = "0190a1b2-0000-7000-8000-000000000000"
CRON = "only-the-cron-knows"
_PARAMETER = re.compile("<(id|key)>")

# what | who may | with one of these scopes | what the others get
TABLE = """
POST /api/jobs/run                         | user                         | spend           |
POST /api/jobs/<id>/pay                    | sender                       | spend           | claimant submitter: 403 senders_only, lapsed other: hidden
GET /api/jobs/<id>                         | sender claimant submitter    | read work       | lapsed other: hidden
GET /api/jobs/<id> decided                 | sender submitter             | read work       | claimant lapsed other: hidden
POST /api/jobs/<id>/claim                  | claimant lapsed submitter other | work         | sender: 403 own_drop
DELETE /api/jobs/<id>/claim                | claimant                     | work            | submitter: 409 already_submitted, sender lapsed other: hidden
POST /api/jobs/<id>/submit                 | claimant lapsed submitter other | work         | sender: 403 own_drop
GET /api/jobs/<id>/submissions             | sender                       | read            | claimant submitter: 403 senders_only, lapsed other: hidden
GET /api/jobs/<id>/submissions decided     | sender                       | read            | submitter: 403 senders_only, claimant lapsed other: hidden
GET /api/jobs/<id>/submissions/mine        | submitter                    | read work       | sender claimant lapsed other: hidden
POST /api/jobs/<id>/cancel                 | sender                       | spend           | claimant submitter: 403 senders_only, lapsed other: hidden
GET /api/jobs/<id>/receipt                 |                              | read work       | sender claimant submitter: 409 not_decided, lapsed other: hidden
GET /api/jobs/<id>/receipt decided         | sender submitter             | read work       | claimant lapsed other: hidden
GET /api/jobs/<id>/logs                    | sender claimant submitter    | read work       | lapsed other: hidden
GET /api/jobs/<id>/logs decided            | sender submitter             | read work       | claimant lapsed other: hidden
GET /api/jobs                              | user                         | read            |
GET /api/board                             | everybody                    |                 |
GET /api/board/stats                       | everybody                    |                 |
GET /api/board/stream                      | everybody                    |                 |
GET /api/feed                              | everybody                    |                 |
GET /api/leaderboard                       | everybody                    |                 |
GET /api/trust                             | everybody                    |                 |
GET /api/home                              | user                         | read            |
POST /api/users                            | everybody                    |                 |
GET /api/users/<id>                        | owner                        | read            | anybody else: hidden
GET /api/users/status                      | user                         | read work       |
POST /api/whoami                           | user                         | read work spend |
GET /api/keys                              | user                         | read            |
POST /api/keys                             | user                         | spend           |
POST /api/keys/<id>/rotate                 | owner                        | spend           | anybody else: hidden
DELETE /api/keys/<id>                      | owner                        | spend           | anybody else: hidden
DELETE /api/keys                           | user                         | spend           |
GET /api/agents                            | user                         | read work       |
GET /api/agents/directory                  | everybody                    |                 |
POST /api/agents                           | user                         | work            |
GET /api/agents/<id>                       | owner                        | read work       | anybody else: hidden
PATCH /api/agents/<id>                     | owner                        | work            | anybody else: hidden
DELETE /api/agents/<id>                    | owner                        | work            | anybody else: hidden
POST /api/uploads                          | user                         | work spend      |
GET /api/uploads/<key> unused              | owner                        | read work       | anybody else: hidden
GET /api/uploads/<key> of the drop         | sender claimant submitter    | read work       | lapsed other: hidden
GET /api/uploads/<key> of the entry        | submitter                    | read work       | sender claimant lapsed other: hidden
GET /api/uploads/<key> of the entry, decided | sender submitter           | read work       | claimant lapsed other: hidden
GET /api/wallet/balance                    | user                         | read            |
GET /api/wallet/ledger                     | user                         | read            |
GET /api/wallet/payments                   | user                         | read            |
GET /api/wallet/payments/<id>              | owner                        | read            | anybody else: hidden
POST /api/wallet/topup                     | user                         | spend           |
POST /api/wallet/withdraw                  | user                         | spend           |
GET /api/wallet/auto-topup                 | user                         | read            |
POST /api/wallet/auto-topup                | user                         | spend           |
POST /api/stripe/webhook                   | everybody                    |                 |
POST /api/stripe/webhook unsigned          |                              |                 | anybody else: 400 invalid_signature
GET /wallet/done                           | everybody                    |                 |
GET /api/cron/enforce-deadlines            | cron                         |                 | anybody else: 401 unauthenticated
GET /healthz                               | everybody                    |                 |
GET /readyz                                | everybody                    |                 |
GET /metrics                               | everybody                    |                 |
GET /openapi.json                          | everybody                    |                 |
GET /docs                                  | everybody                    |                 |
GET /api/board/<id>                        | everybody                    |                 |
GET /client.py                             | everybody                    |                 |
GET /docs.css                              | everybody                    |                 |
GET /llms.txt                              | everybody                    |                 |
GET /skill.md                              | everybody                    |                 |
"""  # noqa: E501  # a table


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str  # `GET /api/jobs/<id>`
    state: str  # of what is asked for, where that makes a difference
    granted: list[str]
    scopes: list[str]
    others: dict[str, str]  # role → what they get
    anybody_else: str  # where a line says that, without a key, too

    @property
    def method(self) -> str:
        return self.name.split()[0]

    @property
    def path(self) -> str:
        return self.name.split()[1]

    @property
    def changes(self) -> bool:
        """Whether a call leaves its thing in another state, so that the next needs a fresh one."""
        return self.method != "GET" and "<" in self.path

    @classmethod
    def read(cls, line: str) -> "Line":
        what, who, scopes, rest = (part.strip() for part in line.split("|"))
        method, path, *state = what.split(maxsplit=2)
        granted = {"user": ROLES, "owner": ["sender"], "everybody": [*ROLES, "nobody"]}.get(who, who.split())
        others: dict[str, str] = {}
        for part in filter(None, rest.split(", ")):
            roles, _, answer = part.partition(": ")
            if roles == "anybody else":
                roles = " ".join(role for role in ROLES if role not in granted)
            others |= dict.fromkeys(roles.split(), answer)
        fallback = rest.removeprefix("anybody else: ") if not scopes and rest else ""
        return cls(f"{method} {path}", "".join(state), granted, scopes.split(), others, fallback)


LINES = [Line.read(line) for line in TABLE.strip().splitlines()]


@dataclass
class Scene:
    """Somebody in every role, and fresh things to ask for, so that no call disturbs the next."""

    people: dict[str, Person] = field(
        default_factory=lambda: {role: person(100_000, f"the-{role}") for role in ROLES}
    )

    def drop(self) -> str:
        """Open, with a claim that ran out, a live one and an entry; a file hangs on it and on the entry."""
        people = self.people
        job_id = post(people["sender"], time_limit_seconds=LONG, attachments=[bring(people["sender"])])
        claim(people["lapsed"], job_id)
        let_time_pass(job_id, 301)
        claim(people["claimant"], job_id)
        submit(people["submitter"], job_id, files=[bring(people["submitter"])])
        return str(job_id)

    def decided(self) -> str:
        job_id = UUID(self.drop())
        let_time_pass(job_id, LONG)
        close(job_id)
        assert drive(job_id) == "verified"
        return str(job_id)

    def agent(self) -> str:
        with db.transaction() as session:
            return str(agents.create(session, self.people["sender"].id, agents.AgentDraft(name=fresh())).id)

    def key(self, role: str = "sender", scopes: list[str] | None = None) -> tuple[str, Person]:
        """A further key: its id, and who it makes of its owner."""
        who = self.people[role]
        with db.transaction() as session:
            row, key = keys.issue(session, who.id, "spare", scopes or SCOPES)
            return str(row.id), Person(who.id, who.name, key)

    def payment(self) -> str:
        with db.transaction() as session:
            sender = self.people["sender"].id
            return str(payments.begin_withdrawal(session, sender, 500, "sandbox").id)

    def file(self, state: str) -> str:
        """A file of the sender, or one of the submitter's entry."""
        if state == "unused":
            return bring(self.people["sender"])
        job_id = self.decided() if "decided" in state else self.drop()
        with db.transaction() as session:
            drop = session.get_one(Drop, UUID(job_id))
            if "entry" not in state:
                return str(attachments.of_drop(session, drop.id)[0].id)
            (files,) = attachments.of_entries(session, drop.id).values()
            return str(files[0].id)

    def path(self, line: Line) -> str:
        """The address of a fresh thing of the line's kind."""
        kind = line.path.split("/")[2] if "<" in line.path else ""
        make = {
            "jobs": self.decided if line.state == "decided" else self.drop,
            "board": self.drop,
            "users": lambda: str(self.people["sender"].id),
            "keys": lambda: self.key(scopes=["spend"])[0],  # a key that may only spend can replace it
            "agents": self.agent,
            "uploads": lambda: self.file(line.state),
            "wallet": self.payment,
        }
        return _PARAMETER.sub(make[kind](), line.path) if kind else line.path


def fresh() -> str:
    return f"name-{uuid4().hex[:12]}"


def what_is_sent(line: Line) -> dict[str, Any]:
    """The body of a request that would be granted."""
    bodies: dict[str, Any] = {
        "POST /api/jobs/run": {"prompt": "Hi", "confirmed": True},
        "POST /api/jobs/<id>/submit": {"text": "Rhine"},
        "POST /api/users": {"name": fresh()},
        "POST /api/keys": {"name": "new", "scopes": ["spend"]},
        "POST /api/agents": {"name": fresh()},
        "PATCH /api/agents/<id>": {"personality": "dry"},
        "POST /api/wallet/topup": {"amount_cents": 500},
        "POST /api/wallet/withdraw": {"amount_cents": 500},
        "POST /api/wallet/auto-topup": {"enabled": False},
    }
    if line.name == "POST /api/uploads":
        return {"data": {"file": (BytesIO(b"Rhine"), "notes.md", "text/markdown")}}
    if line.name == "POST /api/stripe/webhook":
        body = json.dumps(paid(NOTHING)).encode()
        secret = "another" if line.state else SECRET
        told = signature.sign(body, secret, int(time.time())).signature
        return {"data": body, "content_type": "application/json", "headers": {"Stripe-Signature": told}}
    if line.name == "DELETE /api/keys":
        return {"query_string": {"others": "true"}}
    return {"json": bodies.get(line.name, {})} if line.method in ("POST", "PATCH") else {}


@pytest.fixture
def ask(http, monkeypatch, settle) -> Callable[..., TestResponse]:
    """Asks as somebody; a stream is not waited for."""
    monkeypatch.setenv("CRON_SECRET", CRON)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    settle(max_idle_claims=1000, no_show_limit=0, revision_cooldown_seconds=0)

    def call(who: Person | None, line: Line, path: str) -> TestResponse:
        sent = what_is_sent(line)
        headers = {**sent.pop("headers", {}), **(who.auth if who else {})}
        return http.open(path, method=line.method, headers=headers, **sent)

    return call


@pytest.fixture
def scene(database) -> Scene:
    return Scene()


def test_the_table_has_every_route_and_no_other():
    assert sorted({line.name for line in LINES}) == sorted(every_route())


def test_a_line_speaks_of_every_role_once_and_of_the_scopes_that_the_route_wants():
    for line in LINES:
        route = every_route()[line.name]
        assert set(line.scopes) == set(route.scopes), line.name
        assert {*line.granted, *line.others} >= set(ROLES) or line.granted == ["cron"], line.name
        assert not set(line.granted) & set(line.others), line.name


def test_everybody_gets_what_the_table_says(ask, scene, subtests):
    everybody = {**scene.people, "nobody": None, "cron": Person(uuid4(), "cron", CRON)}
    for line in LINES:
        path = scene.path(line)
        for role in [*everybody, "nonsense"]:
            who = everybody.get(role, Person(uuid4(), role, "clorp_nonsense"))
            with subtests.test(line=f"{line.name} {line.state}", role=role):
                if line.changes:
                    path = scene.path(line)
                with ask(who, line, path) as answer:
                    expect(line, role, answer)
                if line.others.get(role) == "hidden":
                    assert bare(answer) == bare(ask(who, line, _PARAMETER.sub(NOTHING, line.path)))


def test_a_key_of_another_scope_does_not_do(ask, scene, subtests):
    holders = {
        (role, scope): scene.key(role, [scope])[1]
        for role in ("sender", "claimant", "submitter")
        for scope in SCOPES
    }
    for line in LINES:
        if not line.scopes or not line.granted:
            continue
        path = scene.path(line)
        for scope in SCOPES:
            # One line ends all other keys of its user.
            who = alone(scope) if line.name == "DELETE /api/keys" else holders[line.granted[0], scope]
            path = scene.path(line) if line.changes else path
            with (
                subtests.test(line=f"{line.name} {line.state}", scope=scope),
                ask(who, line, path) as answer,
            ):
                if scope in line.scopes:
                    granted(line, answer)
                else:
                    problem = refused(answer, 403, "insufficient_scope")
                    assert set(problem["required"]) == set(line.scopes)


def alone(scope: str) -> Person:
    """A further user, whose only key has this scope."""
    who = person()
    sql("UPDATE api_keys SET scopes = ARRAY[:scope] WHERE user_id = :id", scope=scope, id=who.id)
    return who


def expect(line: Line, role: str, answer: TestResponse) -> None:
    open_to_all = "nobody" in line.granted
    if role in line.granted or (open_to_all and role in ("cron", "nonsense")):
        granted(line, answer)
    elif role in line.others:
        told = line.others[role]
        hidden(answer) if told == "hidden" else refused(answer, *_number_and_code(told))
    elif line.anybody_else:
        refused(answer, *_number_and_code(line.anybody_else))
    else:
        refused(answer, 401, "unauthenticated")


def granted(line: Line, answer: TestResponse) -> None:
    route = every_route()[line.name]
    assert answer.status_code in (route.status, *route.also), answer.get_data(as_text=True)


def bare(answer: TestResponse) -> dict[str, Any]:
    """A refusal without what differs in every answer."""
    assert answer.json
    return {name: value for name, value in answer.json.items() if name != "request_id"}


def _number_and_code(told: str) -> tuple[int, str]:
    number, code = told.split()
    return int(number), code
