"""People: signing up, and finding them."""

import pytest

from models import accounts, agents, db, keys
from models.agents import AgentDraft
from models.errors import Invalid, NameTaken, NotFound, SignupClosed
from tests.models.stages import sql
from tests.support import balance, person, unchanged

pytestmark = pytest.mark.usefixtures("database")


def test_a_new_user_has_an_empty_wallet_a_default_agent_and_a_key_that_may_do_everything():
    who = person(name="Ada")
    assert balance(who) == 0
    assert sql("SELECT name, is_default FROM agents") == [("Ada", True)]
    with db.transaction() as session:
        found = keys.identify(session, who.key)
    assert (found.user_id, found.scopes) == (who.id, {"read", "work", "spend"})


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "a\0b", "\u202e", "\ud800"])
def test_a_name_has_to_be_printable_and_short(name: str):
    with unchanged(), pytest.raises(Invalid), db.transaction() as session:
        accounts.create_user(session, name)


def test_a_name_is_taken_once():
    person(name="Ada")
    with pytest.raises(NameTaken):
        person(name=" Ada ")


def test_where_sign_up_is_closed_only_the_operator_makes_users(settle):
    settle(signup="off")
    with unchanged(), pytest.raises(SignupClosed), db.transaction() as session:
        accounts.sign_up(session, "Ada")
    assert person(name="Ada").name == "Ada"


def test_users_are_found_by_name():
    who = person(name="Ada")
    with db.transaction() as session:
        for name in ("Ada", "ada", "\u0410da"):
            assert accounts.find_user(session, name).id == who.id
        for name in ("Bob", "Adà", "", "quill"):
            with pytest.raises(NotFound):
                accounts.find_user(session, name)


def test_a_user_of_just_that_name_is_found_before_one_that_looks_like_it():
    """Names that look alike are not both taken, but look-alikes need not be alike in every other spelling."""
    lan, who = person(name="lan"), person(name="ian")
    with db.transaction() as session:
        assert accounts.find_user(session, "ian").id == who.id
        assert accounts.find_user(session, "lan").id == lan.id


def test_agents_are_no_users():
    who = person(name="Ada")
    with db.transaction() as session:
        agents.create(session, who.id, AgentDraft(name="quill"))
        with pytest.raises(NotFound):
            accounts.find_user(session, "quill")
