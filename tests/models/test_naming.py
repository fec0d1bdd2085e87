"""Who holds which name: taken over the whole market, given back, kept for good where it competed."""

from uuid import UUID

import pytest

from models import agents, db, naming
from models.agents import AgentChanges, AgentDraft
from models.errors import AgentNameTaken, NameTaken, TooManyNames
from tests.models.stages import corrupt, refusal, sql
from tests.signs import ALIKE, APART, FAMILY, PERSIAN
from tests.support import Person, claim, person, post, submit, unchanged, violations

pytestmark = pytest.mark.usefixtures("database")


def make(who: Person, name: str) -> UUID:
    with db.transaction() as session:
        return agents.create(session, who.id, AgentDraft(name=name)).id


def rename(who: Person, agent_id: UUID, name: str) -> None:
    with db.transaction() as session:
        agents.change(session, who.id, agent_id, AgentChanges(name=name))


def delete(who: Person, agent_id: UUID) -> None:
    with db.transaction() as session:
        agents.delete(session, who.id, agent_id)


def compete(who: Person, agent_id: UUID | None = None) -> UUID:
    """Take a slot in some drop."""
    job_id = post(person(100))
    claim(who, job_id, agent_id)
    return job_id


def release(job_id: UUID) -> None:
    sql("UPDATE claims SET state = 'released', released_at = now() WHERE job_id = :id", id=job_id)


def held(who: Person) -> list[str]:
    return [row.key for row in sql("SELECT key FROM names WHERE user_id = :id ORDER BY key", id=who.id)]


# Taking ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALIKE)
def test_a_name_is_taken_by_all_that_look_like_it(name: str):
    person(name=name)
    other = person(name="other")
    with unchanged():
        for alike in (name, *ALIKE[name]):
            with pytest.raises(NameTaken):
                person(name=alike)
            with pytest.raises(AgentNameTaken) as refused:
                make(other, alike)
            assert (
                str(refused.value) == "That name is taken: it looks like another name here. Choose another."
            )
    assert violations() == []


@pytest.mark.parametrize("names", APART)
def test_names_that_differ_live_side_by_side(names: tuple[str, ...]):
    for name in names:
        person(name=name)
    assert violations() == []


def test_it_does_not_matter_which_of_two_look_alikes_comes_first():
    for number, (name, others) in enumerate(ALIKE.items()):
        who = person(name=f"number {number}")
        for other in others:
            agent = make(who, other)
            with pytest.raises(NameTaken):
                person(name=name)
            delete(who, agent)
    assert violations() == []


def test_a_user_and_their_default_agent_share_a_name():
    ada = person(name="Ada")
    assert held(ada) == ["ada"]
    assert sql("SELECT name, name_key FROM agents") == sql("SELECT name, name_key FROM users")


def test_the_name_of_an_agent_is_no_name_for_another_user():
    make(person(), "quill")
    with pytest.raises(NameTaken):
        person(name="Quill")
    with pytest.raises(AgentNameTaken):
        make(person(), "quiIl")


def test_no_two_agents_of_one_user_look_alike():
    who = person(name="Ada")
    agent = make(who, "quill")
    with unchanged():
        for name in ("QUILL", "quiIl", "ada", "\u0410da"):
            with pytest.raises(AgentNameTaken, match="Another agent of yours"):
                make(who, name)
        with pytest.raises(AgentNameTaken, match="Another agent of yours"):
            rename(who, agent, "ADA")


def test_words_and_pictures_are_kept_as_they_are():
    who = person()
    for name in (PERSIAN, FAMILY):
        agent = make(who, name)
        assert sql("SELECT name FROM agents WHERE id = :id", id=agent) == [(name,)]


# Giving back -------------------------------------------------------------------------------------


def test_an_agent_that_never_competed_leaves_its_name_free():
    who = person(name="Ada")
    agent = make(who, "quiIl")
    assert held(who) == ["ada", "quiil", "quill"]
    rename(who, agent, "pen")
    assert held(who) == ["ada", "pen"]
    delete(who, agent)
    assert held(who) == ["ada"]
    person(name="quill")
    person(name="pen")


def test_another_way_of_writing_the_same_name_keeps_it():
    who = person(name="ada")
    agent = make(who, "quill")
    for name, keys in (("Quill", ["quill"]), ("quiIl", ["quiil", "quill"]), ("QUILL", ["qulll", "quill"])):
        rename(who, agent, name)
        assert held(who) == ["ada", *sorted(keys)]


def test_a_name_that_competed_stays_with_its_user_for_good():
    who, other = person(), person()
    agent = make(who, "quill")
    release(compete(who, agent))
    for name in ("pen", "ink"):
        rename(who, agent, name)
    delete(who, agent)
    for name in ("quill", "pen", "INK"):
        with pytest.raises(AgentNameTaken):
            make(other, name)
        with pytest.raises(NameTaken):
            person(name=name)
    again = make(who, "quill")  # its user may have it again, and loses it by no agent that never competed
    delete(who, again)
    assert {"quill", "pen", "ink"} < set(held(who))
    assert violations() == []


def test_names_from_before_an_agent_competed_are_free():
    who = person()
    agent = make(who, "quill")
    rename(who, agent, "pen")
    compete(who, agent)
    person(name="quill")


def test_an_agent_whose_only_claim_went_to_another_one_has_competed():
    """All have seen its name in the slot."""
    who, other = person(name="ada"), person()
    first, second = make(who, "quill"), make(who, "second")
    job_id = compete(who, first)
    submit(who, job_id, agent_id=second)
    rename(who, first, "pen")
    heir = make(who, "quill")
    delete(who, first)
    delete(who, heir)
    assert held(who) == ["ada", "pen", "quill", "second"]
    with pytest.raises(AgentNameTaken):
        make(other, "quill")
    assert violations() == []


def test_that_an_agent_competed_is_never_taken_back():
    who = person(name="ada")
    agent = make(who, "quill")
    release(compete(who, agent))
    assert refusal("UPDATE agents SET competed = false WHERE id = :agent", agent=agent) == "agents_competed"


def test_a_users_own_name_stays_theirs():
    ada = person(name="Ada")
    default = sql("SELECT id FROM agents")[0].id
    rename(ada, default, "quill")
    with pytest.raises(NameTaken):
        person(name="ada")
    second = make(ada, "ada")
    delete(ada, second)
    assert held(ada) == ["ada", "quill"]


def test_nobody_hoards_names_by_renaming(monkeypatch):
    monkeypatch.setattr(naming, "NAMES_MAX", 10)
    who = person()
    agent = make(who, "quill 0")
    compete(who, agent)
    for number in range(1, 9):
        rename(who, agent, f"quill {number}")
    with unchanged():
        with pytest.raises(TooManyNames) as refused:
            rename(who, agent, "quill 9")
        with pytest.raises(TooManyNames):
            make(who, "pen")
    assert refused.value.details == {"limit": 10}
    rename(who, agent, "quill 3")  # one that is held already
    assert len(held(who)) == 10


def test_there_is_room_for_all_agents_whatever_they_are_called():
    assert naming.NAMES_MAX >= 3 * (agents.AGENTS_MAX + 1)


# PostgreSQL --------------------------------------------------------------------------------------

TAKE = "INSERT INTO names (key, user_id, agent_id) VALUES (:key, :user, :agent)"


def test_a_key_has_one_holder():
    person(name="ada")
    assert refusal(TAKE, key="ada", user=person().id, agent=None) == "names_pkey"


def test_a_name_belongs_to_a_user_and_to_an_agent_of_theirs():
    who = person()
    agent = make(person(), "quill")
    assert refusal(TAKE, key="x", user=agent, agent=None) == "names_user"
    assert refusal(TAKE, key="x", user=who.id, agent=agent) == "names_agent"
    assert refusal(TAKE, key="", user=who.id, agent=None) == "names_key_check"


def test_nobody_is_called_by_a_name_that_they_do_not_hold():
    ada, other = person(name="ada"), person()
    agent = make(other, "quill")
    assert refusal("UPDATE users SET name_key = 'ada' WHERE id = :id", id=other.id) == "users_name"
    assert refusal("UPDATE agents SET name_key = 'ada' WHERE id = :id", id=agent) == "agents_name"
    assert refusal("UPDATE agents SET name_key = 'none' WHERE id = :id", id=agent) == "agents_name"
    assert refusal("UPDATE agents SET name_key = NULL WHERE id = :id", id=agent) == "agents_name_check"
    assert refusal("DELETE FROM names WHERE agent_id = :id", id=agent) == "agents_name"
    assert refusal("UPDATE agents SET user_id = :id WHERE NOT is_default", id=ada.id) in (
        "agents_name",
        "names_agent",
    )


def test_a_name_never_changes_hands():
    ada, other = person(name="ada"), person()
    for change in ("user_id = :other", "key = 'eve'", "agent_id = NULL", "created_at = now()"):
        statement = f"UPDATE names SET {change} WHERE user_id = :ada"
        values = {"ada": ada.id} | ({"other": other.id} if ":other" in change else {})
        assert refusal(statement, **values) == "names_frozen"


def test_the_name_of_a_user_and_of_an_agent_that_competed_are_not_deleted():
    who = person(name="ada")
    agent = make(who, "quill")
    release(compete(who, agent))
    delete(who, agent)
    for key in ("ada", "quill"):
        assert refusal("DELETE FROM names WHERE key = :key", key=key) == "names_kept"


def test_the_audit_misses_names_that_nobody_holds():
    who = person(name="ada")
    make(who, "quill")
    corrupt("DELETE FROM names")
    found = sorted(violation.detail.split()[0] for violation in violations())
    assert found == ["agent", "agent", "user"]
    assert {violation.rule for violation in violations()} == {"name"}
