"""Sessions begin alike, straight or through a pooler; what the role has by default changes nothing."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models import connecting, db, migrate
from models.connecting import Pooler
from models.states import Status
from tests import databases, pooler
from tests.models.stages import sql
from tests.postgres_proxy import proxied, use
from tests.support import at_once, claim, drive, people, person, post, submit, violations

WAYS = {
    "straight": nullcontext,
    "pooler": pooler.pooled,
    "pooler that drops options": lambda: pooler.pooled(ignore_startup_parameters="options"),
    "pooler of sessions": lambda: pooler.pooled("session"),
}
way = pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=() if name == "straight" else pooler.needed, id=name)
        for name, way in WAYS.items()
    ],
)


@pytest.fixture(autouse=True)
def role(database: str) -> Iterator[None]:
    """The tests' role, which has its defaults from `migrate` and loses all afterwards."""
    assert migrate.set_defaults() == []
    yield
    sql("SELECT 1")  # in case that it was left through another connection
    give_role("RESET ALL")


def give_role(what: str) -> None:
    role, name = sql("SELECT quote_ident(current_user), quote_ident(current_database())")[0]
    sql(f"ALTER ROLE {role} IN DATABASE {name} {what}")
    db.engine().dispose()


def seen(session: Session) -> dict[str, str]:
    """What this session has of all that it was to begin with."""
    asked = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
    return {row.name: row.setting for row in session.execute(asked, {"names": [*db.session_defaults()]})}


@way
def test_every_way_leads_to_the_same_session(way: Callable[[], Any]):
    with way():
        for _ in range(3):
            assert db.retried(seen) == db.session_defaults()


def test_straight_no_defaults_of_the_role_are_needed():
    give_role("RESET ALL")
    assert db.retried(seen) == db.session_defaults()


def test_what_is_stored_is_not_stored_again():
    assert migrate.set_defaults() == []
    before = sql("SELECT xmin::text, setconfig FROM pg_db_role_setting")
    assert migrate.set_defaults() == []
    assert sql("SELECT xmin::text, setconfig FROM pg_db_role_setting") == before


@pytest.fixture
def plain() -> Iterator[str]:
    """The address of the database for a role without further rights, which this process uses."""
    straight, name = os.environ["CLORP_DATABASE_URL"], f"plain_{uuid4().hex[:12]}"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 's3cret'")
    url = make_url(straight).set(username=name, password="s3cret").render_as_string(hide_password=False)
    use(url)
    yield url
    use(straight)
    sql(f"DROP ROLE {name}")


def test_a_role_without_further_rights_stores_its_own(plain):
    assert migrate.set_defaults() == []
    with closing(psycopg2.connect(plain)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchall() == [("3500ms",)]


def test_what_a_role_may_not_store_is_for_a_superuser_to_run(plain, monkeypatch):
    # PostgreSQL lets every role have its own defaults, some services do not: that of another will do.
    other = make_url(os.environ[databases.SERVER]).username
    statement = f"ALTER ROLE {other} SET lock_timeout = '3500'"
    monkeypatch.setattr(migrate, "_STATEMENTS", text(f"SELECT $${statement}$$ WHERE :names <> :values"))
    assert migrate.set_defaults() == [statement]


def test_no_statement_is_spent_on_it():
    with proxied() as proxy:
        db.retried(lambda session: session.execute(text("SELECT 1")))  # which connects
        proxy.queries.clear()
        db.retried(lambda session: session.execute(text("SELECT 42")))
        ping = "SELECT 1"  # whether PostgreSQL was restarted since
        assert proxy.queries == [ping, "BEGIN", "SELECT 42", "COMMIT"]


@pytest.fixture
def serializable() -> Iterator[None]:
    """The role asks for serializable transactions wherever no more exact default is stored."""
    ((role,),) = sql("SELECT quote_ident(current_user)")
    sql(f"ALTER ROLE {role} SET default_transaction_isolation = 'serializable'")
    yield
    sql(f"ALTER ROLE {role} RESET default_transaction_isolation")


@way
def test_a_role_whose_transactions_are_serializable_changes_nothing(way: Callable[[], Any], serializable):
    with way():
        assert db.retried(seen) == db.session_defaults()
        job_id, competitors = post(person(100)), people(5)
        answers = at_once([lambda who=who: submit(who, job_id, f"Rhine, {who.name}") for who in competitors])
        assert [answer for answer in answers if isinstance(answer, Exception)] == []
        assert drive(job_id) is Status.VERIFIED


# Behind a pooler -------------------------------------------------------------------------------


@way
def test_a_pooler_is_found(way: Callable[[], Any]):
    kinds = dict(zip(WAYS.values(), ["NONE", "TRANSACTION", "TRANSACTION", "SESSION"], strict=True))
    with way():
        assert connecting.pooler(os.environ["CLORP_DATABASE_URL"]) is Pooler[kinds[way]]


@pooler.needed
def test_of_one_session_there_are_two_users():
    with pooler.pooled(default_pool_size=1):
        assert connecting.pooler(os.environ["CLORP_DATABASE_URL"]) is Pooler.TRANSACTION


@pooler.needed
def test_a_snapshot_reads_one_moment_and_writes_nothing():
    with pooler.pooled():
        with db.snapshot(5.0) as session:
            assert session.scalar(text("SHOW transaction_isolation")) == "repeatable read"
            assert session.scalar(text("SHOW statement_timeout")) == "5s"
            before = session.scalar(text("SELECT count(*) FROM users"))
            person()
            assert session.scalar(text("SELECT count(*) FROM users")) == before
            with pytest.raises(DBAPIError, match="read-only"):
                session.execute(text("DELETE FROM users"))
        assert db.retried(seen) == db.session_defaults()


@pooler.needed
def test_many_at_once_share_few_sessions_and_every_lock_holds():
    with pooler.pooled(default_pool_size=3):
        job_id, crowd = post(person(100)), people(12)
        answers = at_once([lambda who=who: claim(who, job_id) for who in crowd])
        assert sorted(type(answer).__name__ for answer in answers) == ["ArenaFull"] * 7 + ["NoneType"] * 5
        assert violations() == []


@pooler.needed
def test_a_server_that_is_away_is_no_pooler(monkeypatch):
    """Only the refusal of the options makes them go."""
    with pooler.running() as address:
        pass
    url = address.render_as_string(hide_password=False)
    made = connecting.engine(url, db.session_defaults())
    with pytest.raises(DBAPIError, match="refused"):
        made.connect()
