"""`clorp doctor`: well when all is well, and a remedy for everything else."""

import ast
import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from models import audits, db, files, migrate
from models.health import QUEUES
from models.settings import settings
from tests import pooler
from tests.bucket_trouble import keys_that_count
from tests.buckets import bucket
from tests.cli.conftest import Clorp
from tests.judges.server import Script, judging
from tests.models.stages import sql
from tests.payments import pay_in
from tests.postgres_proxy import use
from tests.redis_trouble import broken
from tests.rules.source import calls, trees
from tests.support import age_audit, person, steal
from tests.workers.processes import until
from web.cli import surroundings
from web.cli.doctor import _REMEDIES
from workers import embedded

CHECKING = ("models/health.py", "web/ops.py", "web/cli/doctor.py", "web/cli/surroundings.py")


def beat(seconds_ago: int = 0) -> None:
    """Every queue was heard of so long ago."""
    with db.transaction() as session:
        for queue in QUEUES:
            session.execute(
                text("""INSERT INTO heartbeats (queue, beat_at)
                    VALUES (:queue, clock_timestamp() - CAST(:ago AS interval))
                    ON CONFLICT (queue) DO UPDATE SET beat_at = excluded.beat_at"""),
                {"queue": queue, "ago": f"{seconds_ago} seconds"},
            )


def examine(clorp: Clorp, *args: object) -> dict[str, dict[str, Any]]:
    """What the doctor says is wrong, by name; asserts that text and JSON tell the same."""
    shown, told = clorp("doctor", *args), json.loads(clorp("doctor", "--json", *args).output)
    wrong = {check["name"]: check for check in told["checks"] if not check["ok"]}
    assert told["well"] == (not wrong)
    assert shown.exit_code == (1 if wrong else 0)
    for name, check in wrong.items():
        assert check["remedy"] == _REMEDIES[name]
        assert f"→ {_REMEDIES[name]}" in shown.output
    assert shown.output.count("→") == len(wrong)
    return wrong


def test_all_is_well(clorp, database):
    beat()
    assert examine(clorp) == {}


def test_nothing_secret_is_shown(clorp, database):
    password = database.split(":")[2].partition("@")[0]
    beat()
    assert password not in clorp("doctor").output + clorp("doctor", "--json").output


def test_no_worker_was_heard_of(clorp, database):
    assert {"money queue", "judge queue"} <= examine(clorp).keys()


def test_the_workers_have_fallen_silent(clorp, database):
    beat(seconds_ago=60)
    assert examine(clorp).keys() == {"money queue", "judge queue"}


def test_a_clock_that_was_set_back_hides_no_silence(clorp, database):
    beat(seconds_ago=-3600)
    wrong = examine(clorp)
    assert wrong.keys() == {"money queue", "judge queue"}
    assert "the clock was set back" in wrong["money queue"]["detail"]


def test_the_database_is_not_migrated(clorp, database):
    with db.transaction() as session:
        session.execute(text("DROP SCHEMA public CASCADE"))
        session.execute(text("CREATE SCHEMA public"))
    wrong = examine(clorp)
    assert wrong.keys() == {"schema"}
    assert "run `clorp migrate`" in wrong["schema"]["remedy"]


def test_the_database_is_down(clorp, unset):
    url = f"postgresql://clorp:secret@{embedded.HOST}:{embedded.free_port()}/clorp"
    unset.setenv("CLORP_DATABASE_URL", url)
    wrong = examine(clorp)
    assert "does not answer" in wrong["database"]["detail"]
    assert "Connection refused" in wrong["database"]["reason"]
    assert "secret" not in str(wrong["database"])


def alter_role(what: str) -> None:
    """Change the defaults of the tests' role in this database, for sessions that begin from now on."""
    ((role, name),) = sql("SELECT quote_ident(current_user), quote_ident(current_database())")
    sql(f"ALTER ROLE {role} IN DATABASE {name} {what}")
    db.engine().dispose()


def reset_role() -> None:
    alter_role("RESET ALL")


@pytest.fixture
def stranger(database: str) -> Iterator[str]:
    """The address of the database for a role without any rights in it."""
    name = f"stranger_{uuid4().hex[:12]}"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 's3cret'")
    yield make_url(database).set(username=name, password="s3cret").render_as_string(hide_password=False)
    use(database)
    sql(f"DROP OWNED BY {name}")
    sql(f"DROP ROLE {name}")


def test_the_role_has_no_rights(clorp, stranger):
    use(stranger)
    wrong = examine(clorp)
    assert wrong.keys() == {"database"}
    assert "does not answer" not in wrong["database"]["detail"]
    assert "role" in wrong["database"]["detail"]
    assert "permission denied" in wrong["database"]["reason"]
    assert "role has to own the tables" in wrong["database"]["remedy"]


def test_the_role_may_not_make_the_schema(clorp, stranger):
    sql("DROP SCHEMA public CASCADE")
    sql("CREATE SCHEMA public")
    sql("GRANT USAGE ON SCHEMA public TO public")  # as PostgreSQL has it
    use(stranger)
    wrong = examine(clorp)
    assert wrong.keys() == {"schema", "rights"}
    assert wrong["rights"]["detail"] == "lacks CREATE in schema public"
    result = clorp("migrate")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "may not make or change the schema (permission denied for schema public)" in result.output


def test_the_role_may_read_and_not_write(clorp, stranger):
    role = make_url(stranger).username
    sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    beat()
    use(stranger)
    wrong = examine(clorp)
    assert wrong.keys() == {"rights"}
    assert wrong["rights"]["detail"].startswith("lacks INSERT on ")
    assert wrong["rights"]["detail"].endswith(" more")
    result = clorp("admin", "user", "ann")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "lacks rights (permission denied for " in result.output


def test_redis_is_not_set(clorp, database, monkeypatch):
    monkeypatch.setenv("CLORP_REDIS_URL", "")
    settings.cache_clear()
    beat()
    assert examine(clorp).keys() == {"redis"}


def test_redis_is_down(clorp, database, monkeypatch):
    monkeypatch.setenv("CLORP_REDIS_URL", f"redis://:secret@{embedded.HOST}:{embedded.free_port()}/0")
    settings.cache_clear()
    beat()
    wrong = examine(clorp)
    assert wrong.keys() == {"redis"}
    assert "Connection refused" in wrong["redis"]["reason"]
    assert "secret" not in str(wrong["redis"])
    assert wrong["redis"]["reason"] in " ".join(clorp("doctor").output.split())


def test_redis_is_full(clorp, database, settle):
    beat()
    with broken("full") as url:
        settle(redis_url=url)
        wrong = examine(clorp)
    assert wrong.keys() == {"redis writes", "redis persistence"}
    assert wrong["redis writes"]["detail"] == "nothing can be queued (OutOfMemoryError)"


@pytest.fixture
def careless_redis(tmp_path: Path) -> Iterator[str]:
    """A server of its own that evicts messages and forgets them when it ends."""
    port = embedded.free_port()
    argv = [str(embedded.valkey_binary()), "--port", str(port), "--maxmemory-policy", "allkeys-lru"]
    with subprocess.Popen([*argv, "--save", "", "--loglevel", "nothing"], cwd=tmp_path) as server:
        url = f"redis://{embedded.HOST}:{port}/0"
        until("the server", lambda: embedded.redis_answers(url))
        yield url
        server.terminate()


def test_redis_may_lose_messages(clorp, database, careless_redis, monkeypatch):
    monkeypatch.setenv("CLORP_REDIS_URL", careless_redis)
    settings.cache_clear()
    beat()
    assert examine(clorp).keys() == {"redis eviction", "redis persistence"}


def test_env_vars_cannot_be_kept(clorp, database, monkeypatch):
    monkeypatch.setenv("CLORP_ENCRYPTION_KEYS", "")
    settings.cache_clear()
    beat()
    assert examine(clorp).keys() == {"encryption"}


@pytest.fixture
def data() -> Iterator[Path]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-doctor-", dir="/tmp") as folder:
        yield Path(folder)


def test_the_key_of_a_data_folder_counts_as_it_does_for_up(clorp, database, monkeypatch, data):
    monkeypatch.setenv("CLORP_ENCRYPTION_KEYS", "")
    settings.cache_clear()
    beat()
    data.chmod(0o711)
    assert "encryption" in examine(clorp, "--data", data)
    embedded.encryption_key(data)
    settings.cache_clear()
    assert "encryption" not in examine(clorp, "--data", data)


@pytest.mark.parametrize(("here", "rail"), [("sandbox", "stripe"), ("stripe", "sandbox")])
def test_the_rail_is_one_for_another_kind_of_money(clorp, double, settle, here, rail):
    settle(payments=here)
    pay_in(person(), rail=here)
    beat()
    assert examine(clorp) == {}
    settle(payments=rail)
    assert examine(clorp).keys() == {"money"}


def test_a_setting_has_a_typing_error(clorp, database, monkeypatch):
    monkeypatch.setenv("CLORP_MAX_CLAIM", "3")
    beat()
    wrong = examine(clorp)
    assert wrong.keys() == {"settings"}
    assert "did you mean CLORP_MAX_CLAIMS?" in wrong["settings"]["detail"]


@pytest.mark.parametrize("name", ["CRON_SECRET", "CLORP_METRICS_TOKEN"])
def test_a_secret_is_too_short(clorp, database, monkeypatch, name):
    monkeypatch.setenv(name, "fifteen-letters")
    settings.cache_clear()
    wrong = examine(clorp)
    assert wrong.keys() == {"settings"}
    assert wrong["settings"]["detail"].startswith(f"{name}: a secret of fewer than 16 characters")
    assert "fifteen-letters" not in str(wrong)


def test_an_audit_found_something(clorp, database):
    beat()
    audits.run()
    assert examine(clorp) == {}
    steal(person(5))
    age_audit(60)
    audits.run()
    wrong = examine(clorp)
    assert wrong.keys() == {"audit"}
    assert "`clorp audit`" in wrong["audit"]["remedy"]


def test_a_wall_is_down(clorp, database):
    beat()
    with db.transaction() as session:
        session.execute(text("ALTER TABLE jobs DISABLE TRIGGER jobs_guard"))
        session.execute(text("DROP INDEX transfers_one_end"))
    wrong = examine(clorp)
    assert wrong.keys() == {"guards"}
    assert wrong["guards"]["detail"] == "2 down or changed: index transfers_one_end, trigger jobs_guard"


def test_the_surroundings_are_told_though_all_is_well(clorp, database):
    beat()
    told = {
        check["name"]: check["detail"] for check in json.loads(clorp("doctor", "--json").output)["checks"]
    }
    assert told["connections"] == "1 web × 20 + workers 12 = 32 of 197"
    assert told["payments"].startswith("sandbox: play money")
    assert told["postgresql"].startswith("version ")
    assert "GiB free" in told["disk"]
    assert "from the database's" in told["clock"]


@pytest.mark.parametrize(
    ("name", "limit", "value"),
    [
        ("postgresql", "POSTGRESQL_MIN", 99),
        ("clock", "SKEW_MAX_SECONDS", -1),
        ("disk", "DISK_FREE_MIN_BYTES", 2**80),
    ],
)
def test_the_machine_is_not_what_it_should_be(clorp, database, monkeypatch, name, limit, value):
    beat()
    monkeypatch.setattr(surroundings, limit, value)
    assert examine(clorp).keys() == {name}


def test_more_connections_are_wanted_than_there_are(clorp, database, monkeypatch):
    beat()
    monkeypatch.setenv("WEB_CONCURRENCY", "10")
    wrong = examine(clorp)
    assert wrong.keys() == {"connections"}
    assert wrong["connections"]["detail"] == "10 web × 20 + workers 12 = 212 of 197"


@pooler.needed
def test_a_pooler_in_transaction_mode_needs_a_way_past_it_and_defaults_of_the_role(clorp, database, settle):
    beat()
    with pooler.pooled() as url:
        wrong = examine(clorp)
        assert wrong.keys() == {"pooler", "sessions"}
        assert wrong["pooler"]["detail"] == "one in transaction mode, and no way past it"
        assert "lock_timeout 0" in wrong["sessions"]["detail"]
        settle(database_direct_url=database)
        assert clorp("migrate").exit_code == 0
        pooler.reconnect(url)
        db.engine().dispose()
        assert examine(clorp) == {}
        told = {c["name"]: c["detail"] for c in json.loads(clorp("doctor", "--json").output)["checks"]}
        assert told["pooler"] == "one in transaction mode"
        assert told["connections"].endswith("which the pooler's max_client_conn has to allow")
    reset_role()


@pooler.needed
def test_a_pooler_in_session_mode_needs_no_way_past_it(clorp, database):
    beat()
    with pooler.pooled("session"):
        migrate.set_defaults()
        db.engine().dispose()
    with pooler.pooled("session"):
        assert examine(clorp) == {}
    reset_role()


def test_a_role_whose_transactions_are_serializable_by_default(clorp, database):
    beat()
    alter_role("SET default_transaction_isolation = 'serializable'")
    wrong = examine(clorp)
    assert wrong.keys() == {"isolation"}
    assert wrong["isolation"]["detail"].startswith("serializable")
    assert clorp("migrate").exit_code == 0
    db.engine().dispose()
    assert examine(clorp) == {}
    reset_role()


def test_stripe_lacks_its_keys(clorp, database, monkeypatch):
    beat()
    monkeypatch.setenv("CLORP_PAYMENTS", "stripe")
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_x")
    settings.cache_clear()
    assert examine(clorp)["payments"]["detail"] == "stripe, without STRIPE_WEBHOOK_SECRET"


def test_stripe_does_not_take_the_key(clorp, double, settle):
    beat()
    settle(payments="stripe")
    assert examine(clorp) == {}
    double.trouble = [(401, {"error": {"type": "invalid_request_error", "message": "no such key"}})] * 2
    wrong = examine(clorp)
    assert wrong.keys() == {"payments"}
    assert wrong["payments"]["detail"] == "stripe cannot be used: Stripe does not know STRIPE_SECRET_KEY"


def test_the_bucket_cannot_be_used(clorp, database, settle, monkeypatch):
    beat()
    settle(uploads=bucket(monkeypatch))
    assert examine(clorp) == {}
    assert list(files.chosen().keys_before(datetime.now(UTC) + timedelta(days=1))) == []
    with keys_that_count():
        assert examine(clorp)["uploads"]["detail"] == "cannot be used: InvalidAccessKeyId"
    settle(uploads="s3://clorp-nowhere")
    assert examine(clorp)["uploads"]["detail"] == "cannot be used: NoSuchBucket"


def test_a_model_that_its_server_does_not_list(clorp, database, settle):
    beat()
    with judging(Script(lists=("small", "big"))) as judge:
        settle(judge="llm", llm_model="smal", llm_base_url=judge.url)
        assert examine(clorp)["judge"]["detail"] == "llm, smal: its server does not list smal"
        settle(llm_model="small", llm_base_url=judge.url.removesuffix("/v1"))
        assert "is /v1 missing?" in examine(clorp)["judge"]["detail"]
        settle(llm_base_url=judge.url)
        assert examine(clorp) == {}


def test_every_check_has_a_remedy():
    """Whatever is ever called a check, in all the files that make them."""
    named = set()
    for path, tree in trees():
        for name, call in calls(tree):
            if name == "Check" and path in CHECKING and call.args and isinstance(call.args[0], ast.Constant):
                named.add(call.args[0].value)
    assert {"python", "database", "audit", "clock"} <= named
    assert named | {f"{queue} queue" for queue in QUEUES} | {"uploads"} == set(_REMEDIES)


# Without servers in the settings -----------------------------------------------------------------


def test_no_servers_run(clorp, unset, data):
    data.chmod(0o711)
    wrong = examine(clorp, "--data", data / "new")
    assert wrong.keys() == {"servers"}
    assert f"none run in {data / 'new'}" in wrong["servers"]["detail"]


def test_the_doctor_only_looks(clorp, unset, data):
    data.chmod(0o750)
    examine(clorp, "--data", data)
    examine(clorp, "--data", data / "new" / "deeper")
    assert list(data.iterdir()) == []
    assert stat.S_IMODE(data.stat().st_mode) == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_postgresql_could_not_enter_the_folder(clorp, unset, data):
    wrong = examine(clorp, "--data", data / "new")
    assert wrong.keys() == {"data folder", "servers"}
    assert f"cannot enter {data}" in wrong["data folder"]["detail"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_the_folder_cannot_be_written(clorp, unset, data):
    data.chmod(0o500)
    assert examine(clorp, "--data", data / "new").keys() == {"data folder", "servers"}


def test_the_servers_of_a_folder_are_found_by_every_command(clorp, unset, data):
    with embedded.servers(data, durable=False):
        assert examine(clorp, "--data", data).keys() == {"schema"}
        for command in (["migrate"], ["admin", "user", "ann"], ["admin", "credit", "ann", 5], ["audit"]):
            unset.setenv("CLORP_DATABASE_URL", "")
            settings.cache_clear()
            assert clorp(*command, "--data", data).exit_code == 0
        db.engine().dispose()
