"""Many hands on the keys and agents of one user: one default, one name, nobody locked out, no ghosts."""

from functools import partial
from itertools import cycle, islice
from uuid import UUID, uuid4

import pytest

from models import accounts, agents, arena, db, keys
from models.agents import AgentChanges, AgentDraft
from models.keys import Identity
from tests.models.stages import sql
from tests.races.outcomes import outcomes
from tests.signs import ALIKE
from tests.support import Person, people, person, post, violations

CROWD = 50


def sign_up(name: str) -> None:
    with db.transaction() as session:
        accounts.sign_up(session, name)


def make(who: Person, name: str, is_default: bool = False) -> UUID:
    with db.transaction() as session:
        return agents.create(session, who.id, AgentDraft(name=name, is_default=is_default)).id


def change(who: Person, agent_id: UUID, **changes: object) -> None:
    with db.transaction() as session:
        agents.change(session, who.id, agent_id, AgentChanges(**changes))


def delete(who: Person, agent_id: UUID) -> None:
    with db.transaction() as session:
        agents.delete(session, who.id, agent_id)


def claim_as(who: Person, agent_id: UUID | None, job_id: UUID) -> None:
    with db.transaction() as session:
        arena.claim(session, who.id, job_id, agent_id)


def submit_as(who: Person, agent_id: UUID | None, job_id: UUID) -> None:
    with db.transaction() as session:
        arena.submit(session, who.id, job_id, arena.Entry(text="Rhine.", agentId=agent_id))


def issue(who: Person, scopes: tuple[str, ...] = keys.SCOPES) -> Identity:
    with db.transaction() as session:
        _, key = keys.issue(session, who.id, "one of many", scopes)
        return keys.identify(session, key)


def first_key(who: Person) -> Identity:
    with db.transaction() as session:
        return keys.identify(session, who.key)


def create_key(caller: Identity) -> None:
    with db.transaction() as session:
        keys.create(session, caller, "further")


def rotate(caller: Identity, key_id: UUID) -> None:
    with db.transaction() as session:
        keys.rotate(session, caller, key_id)


def revoke(caller: Identity, key_id: UUID) -> None:
    with db.transaction() as session:
        keys.revoke(session, caller, key_id)


# Agents ----------------------------------------------------------------------------------------


def test_of_fifty_who_sign_up_with_one_name_one_gets_it(database):
    assert outcomes([partial(sign_up, "Ada")] * CROWD) == {"ok": 1, "NameTaken": 49}
    assert sql("SELECT count(*) FROM agents") == sql("SELECT count(*) FROM api_keys") == [(1,)]
    assert violations() == []


def test_of_fifty_who_sign_up_with_look_alikes_of_one_name_one_gets_it(database):
    crowd = list(islice(cycle(dict.fromkeys(["ada", *ALIKE["ada"]])), CROWD))
    assert outcomes(partial(sign_up, name) for name in crowd) == {"ok": 1, "NameTaken": 49}
    assert sql("SELECT key FROM names") == [("ada",)]
    assert violations() == []


def test_a_name_goes_to_one_of_many_users_and_agents_whatever_it_is_called():
    crowd = people(20)
    made = [make(who, f"agent of {who.name}") for who in crowd]
    alike = cycle(["quiIl", "QUILL", "quill", "qu\u0456ll"])
    calls = [
        partial(change, who, agent_id, name=next(alike)) for who, agent_id in zip(crowd, made, strict=True)
    ]
    calls += [partial(make, who, next(alike)) for who in crowd]
    calls += [partial(sign_up, next(alike)) for _ in range(10)]
    fared = outcomes(calls)
    # One user may have several that look like it: as long as no two of them live at once.
    owners = sql("SELECT count(DISTINCT user_id) FROM names WHERE key = 'quill'")
    assert owners == [(1,)]
    assert fared["ok"] >= 1
    assert set(fared) <= {"ok", "NameTaken", "AgentNameTaken"}
    assert violations() == []


def test_names_change_hands_without_a_deadlock():
    """Everybody gives back what somebody else wants, with several keys each."""
    crowd = people(10)
    made = [make(who, f"II {number} II") for number, who in enumerate(crowd)]
    calls = [
        partial(change, who, agent_id, name=f"II {(number + step) % 10} II")
        for step in (0, 1, 2, 3, 4)
        for number, (who, agent_id) in enumerate(zip(crowd, made, strict=True))
    ]
    assert set(outcomes(calls)) <= {"ok", "AgentNameTaken"}
    bearers = "SELECT name_key FROM agents WHERE name_key LIKE 'ii %' GROUP BY name_key HAVING count(*) > 1"
    assert sql(bearers) == []
    assert sql("SELECT count(*) FROM names WHERE key LIKE 'ii %'") == [(10,)]
    assert violations() == []


def test_a_name_that_somebody_begins_to_compete_under_is_not_given_away(settle):
    """An agent claims while it is renamed and deleted: either it never competed, or its name stays."""
    settle(max_idle_claims=50)
    crowd, calls = people(10), []
    drops = [post(person(100)) for _ in range(5)]
    for who, job_id in zip(crowd, islice(cycle(drops), 10), strict=True):
        agent_id = make(who, f"ghost of {who.name}")
        calls += [
            partial(claim_as, who, agent_id, job_id),
            partial(change, who, agent_id, name=f"x {who.name}"),
        ]
        calls += [partial(delete, who, agent_id)]
    assert set(outcomes(calls)) <= {"ok", "NotFound", "AgentBusy", "AgentNotYours"}
    lost = """SELECT a.name FROM agents a WHERE EXISTS (SELECT FROM claims c WHERE c.agent_id = a.id)
        AND NOT EXISTS (SELECT FROM names n WHERE n.user_id = a.user_id AND n.agent_id = a.id)
        AND NOT a.is_default"""
    assert sql(lost) == []
    assert violations() == []


def test_fifty_agents_made_the_default_at_once_leave_one_default():
    who = person()
    made = [make(who, f"agent {n}") for n in range(25)]
    calls = [partial(change, who, agent_id, is_default=True) for agent_id in made * 2]
    assert outcomes(calls) == {"ok": CROWD}
    assert sql("SELECT count(*) FROM agents WHERE is_default") == [(1,)]


def test_a_name_is_given_to_one_of_fifty_agents():
    who = person()
    assert outcomes([partial(make, who, "quill")] * CROWD) == {"ok": 1, "AgentNameTaken": 49}
    made = [make(who, f"agent {n}") for n in range(25)]
    calls = [partial(change, who, agent_id, name="pen") for agent_id in made]
    assert outcomes(calls) == {"ok": 1, "AgentNameTaken": 24}


def test_no_crowd_makes_more_agents_than_allowed(monkeypatch):
    monkeypatch.setattr(agents, "AGENTS_MAX", 10)
    who = person()
    fared = outcomes(partial(make, who, f"agent {n}", n % 2 == 0) for n in range(CROWD))
    assert fared == {"ok": 9, "TooManyAgents": 41}
    assert sql("SELECT count(*) FROM agents WHERE is_default") == [(1,)]


def test_the_default_is_not_deleted_while_it_becomes_that():
    who = person()
    made = [make(who, f"agent {n}") for n in range(5)]
    calls = [partial(change, who, agent_id, is_default=True) for agent_id in made * 5]
    calls += [partial(delete, who, agent_id) for agent_id in made * 5]
    assert set(outcomes(calls)) <= {"ok", "NotFound", "AgentIsDefault"}
    assert sql("SELECT count(*) FROM agents WHERE is_default AND deleted_at IS NULL") == [(1,)]


GHOSTS = """
    SELECT 'claim' FROM claims c JOIN agents a ON a.id = c.agent_id WHERE a.deleted_at IS NOT NULL
        AND c.state IN ('held', 'submitted')
    UNION ALL
    SELECT 'entry' FROM submissions s JOIN agents a ON a.id = s.agent_id WHERE a.deleted_at IS NOT NULL
"""


@pytest.mark.parametrize("compete", [claim_as, submit_as])
def test_nobody_competes_as_an_agent_that_is_being_deleted(settle, compete):
    settle(max_idle_claims=50)
    crowd = people(10)
    drops = [post(person(100)) for _ in range(5)]
    calls = []
    for who, job_id in zip(crowd, islice(cycle(drops), 10), strict=True):
        agent_id = make(who, f"ghost of {who.name}")
        calls += [partial(compete, who, agent_id, job_id)] * 2 + [partial(delete, who, agent_id)] * 3
    late = {"NotFound", "AgentBusy", "AgentNotYours", "RevisionCooldown"}
    assert set(outcomes(calls)) <= {"ok", *late}
    assert sql(GHOSTS) == []
    assert violations() == []


def test_competing_and_moving_the_default_at_once_never_deadlock(settle):
    settle(max_idle_claims=50, max_claims=50)
    who = person()
    made = [make(who, f"agent {n}") for n in range(5)]
    drops = [post(person(100)) for _ in range(10)]
    calls = [partial(claim_as, who, None, job_id) for job_id in drops * 2]
    calls += [partial(submit_as, who, None, job_id) for job_id in drops]
    calls += [partial(change, who, agent_id, is_default=True) for agent_id in made * 2]
    calls += [partial(delete, who, agent_id) for agent_id in made * 2]
    assert set(outcomes(calls)) <= {"ok", "NotFound", "AgentBusy", "AgentIsDefault"}
    assert sql(GHOSTS) == []
    assert sql("SELECT count(*) FROM submissions") == [(10,)]
    assert violations() == []


# Keys ------------------------------------------------------------------------------------------


def test_no_crowd_makes_more_keys_than_allowed(monkeypatch):
    monkeypatch.setattr(keys, "KEYS_MAX", 10)
    caller = first_key(person())
    assert outcomes([partial(create_key, caller)] * CROWD) == {"ok": 9, "TooManyKeys": 41}


def test_a_key_is_rotated_by_one_of_fifty():
    caller = first_key(person())
    fared = outcomes([partial(rotate, caller, caller.key_id)] * CROWD)
    assert fared == {"ok": 1, "KeyRotated": 49}
    assert sql("SELECT expires_at IS NULL FROM api_keys ORDER BY id") == [(False,), (True,)]


def test_keys_that_revoke_each_other_leave_one_that_can_do_everything():
    who = person()
    full = [first_key(who)] + [issue(who) for _ in range(24)]
    lesser = [issue(who, ("spend",)) for _ in range(10)]
    calls = [partial(revoke, by, key.key_id) for by, key in zip(full, full[1:] + full[:1], strict=True)]
    calls += [partial(revoke, by, key.key_id) for by, key in zip(lesser * 2, full, strict=False)]
    assert set(outcomes(calls)) <= {"ok", "NotFound", "LastKey", "Unauthenticated", "InsufficientScope"}
    left = sql("SELECT id FROM api_keys WHERE revoked_at IS NULL AND cardinality(scopes) = 3")
    assert left


def test_a_key_makes_itself_no_successor_once_it_is_revoked():
    who = person()
    owner, leaked = first_key(who), issue(who)
    calls = [partial(create_key, leaked)] * 24 + [partial(rotate, leaked, leaked.key_id)] * 25
    calls.insert(uuid4().int % len(calls), partial(revoke, owner, leaked.key_id))
    assert set(outcomes(calls)) <= {"ok", "Unauthenticated", "KeyRotated"}
    late = """SELECT count(*) FROM api_keys WHERE created_at >
        (SELECT revoked_at FROM api_keys WHERE revoked_at IS NOT NULL)"""
    assert sql(late) == [(0,)]
