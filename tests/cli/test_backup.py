"""`clorp backup` and `clorp restore`: what goes in comes out, and nothing is replaced by accident."""

import json
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import psycopg2
import pytest
from click import ClickException
from sqlalchemy import text

from models import db, files, migrate, settlement, uploads
from models.settings import settings
from models.states import Status
from tests import pooler
from tests.cli.conftest import Clorp
from tests.models.stages import PRICE, drop_in
from tests.support import books, bring, drive, let_time_pass, person, post, steal, submit, violations
from web.cli import postgres_tools
from web.cli.postgres_tools import Tools, tools_for
from workers import embedded


def switch_to(url: str) -> None:
    """Have this process work on another database."""
    db.engine().dispose()
    db.engine.cache_clear()
    os.environ["CLORP_DATABASE_URL"] = url
    settings.cache_clear()


@pytest.fixture
def empty(database: str) -> Iterator[str]:
    """Another database, with nothing in it."""
    url = f"{database}_empty"
    name = url.rpartition("/")[2]
    with closing(psycopg2.connect(database)) as connection, closing(connection.cursor()) as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE DATABASE {name}")
        yield url
        switch_to(database)
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def market() -> None:
    """Drops of every kind, and files on some."""
    for wanted in Status:
        drop_in(wanted)
    sender = person(100)
    post(sender, attachments=[bring(sender)], env_vars={"TOKEN": "s3cret"})


def everything() -> dict[str, list[str]]:
    with db.transaction() as session:
        told = list(session.scalars(text("SELECT to_jsonb(e)::text FROM events e ORDER BY id")))
    return {**books(), "events": told}


def backed_up(clorp: Clorp, file: Path, *args: object) -> dict[str, object]:
    result = clorp("backup", file, "--json", *args)
    assert result.exit_code == 0, result.output
    told: dict[str, object] = json.loads(result.stdout)
    return told


def test_all_that_was_there_is_there_again(clorp, database, empty, tmp_path, monkeypatch):
    market()
    before = everything()
    told = backed_up(clorp, tmp_path / "one.tar")
    assert told["counts"]["jobs"] == len(Status) + 1
    assert (told["files"], told["missing_files"], told["migration"]) == (1, 0, migrate.head())
    key = before["uploads"][0].partition(",")[0].lstrip("(")
    switch_to(empty)
    monkeypatch.setenv("CLORP_DATA", str(tmp_path / "elsewhere"))
    settings.cache_clear()
    result = clorp("restore", tmp_path / "one.tar")
    assert result.exit_code == 0, result.output
    assert "clean: every promise about money holds" in result.output
    assert "encryption key is not in it" in result.output
    assert everything() == before
    assert (tmp_path / "elsewhere" / "uploads" / key[-2:] / key).read_bytes() == b"Rhine"


def test_what_was_removed_in_time_is_missed_by_no_backup(clorp, database, empty, tmp_path):
    sender = person(PRICE)
    job_id = drop_in(Status.CANCELLED, sender, attachments=[bring(sender)])
    let_time_pass(job_id, 8 * 24 * 3600)
    assert uploads.tidy(files.chosen()) == (1, 0)
    before = everything()
    told = backed_up(clorp, tmp_path / "one.tar")
    assert (told["files"], told["missing_files"], told["missing_attached"]) == (0, 0, 0)
    switch_to(empty)
    result = clorp("restore", tmp_path / "one.tar")
    assert result.exit_code == 0, result.output
    assert everything() == before


def test_a_restored_market_goes_on(clorp, database, empty, tmp_path):
    sender, author = person(300), person()
    job_id = post(sender, price_cents=100)
    backed_up(clorp, tmp_path / "one.tar")
    switch_to(empty)
    assert clorp("restore", tmp_path / "one.tar").exit_code == 0
    for body in ("Rhine", "Nile", "Danube", "Volga"):
        submit(person(), job_id, body)
    submit(author, job_id)
    assert drive(job_id) is Status.VERIFIED
    assert violations() == []


def test_events_of_another_server_are_history(clorp, database, empty, tmp_path):
    drop_in(Status.OPEN)
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE events SET xid = xid + 1000000000"))
    backed_up(clorp, tmp_path / "one.tar")
    switch_to(empty)
    assert clorp("restore", tmp_path / "one.tar").exit_code == 0
    with db.transaction() as session:
        ahead = (
            "SELECT count(*) FROM events WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        )
        assert session.scalars(text(ahead)).one() == 0
        guard = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'events_append_only'"
        assert session.scalars(text(guard)).one() == "O"  # it is on


def test_nobody_else_may_read_it_and_no_secret_is_in_it(clorp, database, tmp_path):
    market()
    file = tmp_path / "one.tar"
    result = clorp("backup", file)
    assert result.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "encryption key is not in it" in result.output
    key, password = os.environ["CLORP_ENCRYPTION_KEYS"], database.split(":")[2].partition("@")[0]
    content = file.read_bytes()
    assert not [secret for secret in (key, password, "s3cret") if secret.encode() in content]
    assert list(tmp_path.glob(".one*")) == []
    with tarfile.open(file) as tar:
        assert [name for name in tar.getnames() if "/" not in name] == ["database.dump", "manifest.json"]


def test_the_password_is_in_no_argument(database):
    address, env = postgres_tools._connection(database.replace("postgresql:", "postgresql+psycopg2:"))
    password = database.split(":")[2].partition("@")[0]
    assert password not in address
    assert env == {"PGPASSWORD": password}


def test_a_file_that_is_there_is_kept(clorp, database, tmp_path):
    file = tmp_path / "one.tar"
    file.write_text("precious")
    result = clorp("backup", file)
    assert (result.exit_code, file.read_text()) == (1, "precious")
    assert "--force" in result.output
    backed_up(clorp, file, "--force")
    assert tarfile.is_tarfile(file)


def test_a_backup_that_fails_leaves_what_was_there(clorp, database, tmp_path, monkeypatch):
    file = tmp_path / "one.tar"
    file.write_text("precious")
    monkeypatch.setattr(postgres_tools, "_installed", lambda: iter([Tools(Path("/nowhere"), 99)]))
    result = clorp("backup", file, "--force")
    assert (result.exit_code, file.read_text()) == (1, "precious")
    assert [path.name for path in tmp_path.iterdir()] == ["one.tar"]
    assert "There is no folder" in clorp("backup", tmp_path / "no such folder" / "two.tar").output


def test_a_file_that_is_lost_is_told(clorp, database, tmp_path):
    who = person()
    key = bring(who)
    bring(who)
    files.LocalStore(settings().data / "uploads")._path(UUID(key)).unlink()
    told = backed_up(clorp, tmp_path / "one.tar")
    assert (told["files"], told["missing_files"]) == (1, 1)


def test_what_is_in_use_is_replaced_only_by_force(clorp, database, empty, tmp_path):
    backed_up(clorp, tmp_path / "none.tar")
    before = everything()
    person(5)
    during = everything()
    result = clorp("restore", tmp_path / "none.tar")
    assert (result.exit_code, everything()) == (1, during)
    assert "--force" in result.output
    result = clorp("restore", tmp_path / "none.tar", "--force", "--json")
    assert (result.exit_code, everything()) == (0, before)
    told = json.loads(result.stdout)
    assert (told["clean"], told["whole"], told["counts"]["users"]) == (True, True, 0)


def test_tables_that_the_backup_does_not_know_go_too(clorp, database, tmp_path):
    backed_up(clorp, tmp_path / "one.tar")
    with db.transaction() as session:
        session.execute(text("CREATE TABLE later (user_id uuid REFERENCES users)"))
        session.execute(text("CREATE VIEW latest AS SELECT * FROM later JOIN jobs ON sender_id = user_id"))
    assert clorp("restore", tmp_path / "one.tar", "--force").exit_code == 0
    with db.transaction() as session:
        assert session.scalars(text("SELECT to_regclass('public.later') IS NULL")).one()


def test_a_system_that_runs_is_not_replaced(clorp, database, tmp_path):
    backed_up(clorp, tmp_path / "one.tar")
    with db.transaction() as session:
        settlement.beat(session, "money")
    result = clorp("restore", tmp_path / "one.tar", "--force")
    assert result.exit_code == 1
    assert "stop it first" in result.output


def test_heartbeats_do_not_come_back(clorp, database, empty, tmp_path):
    with db.transaction() as session:
        settlement.beat(session, "money")
    backed_up(clorp, tmp_path / "one.tar")
    switch_to(empty)
    for force in ((), ("--force",)):
        result = clorp("restore", tmp_path / "one.tar", *force)
        assert result.exit_code == 0, result.output


def test_a_database_of_something_else_is_not_touched(clorp, database, empty, tmp_path):
    backed_up(clorp, tmp_path / "one.tar")
    switch_to(empty)
    with db.transaction() as session:
        session.execute(text("CREATE TABLE theirs AS SELECT 1 AS one"))
    result = clorp("restore", tmp_path / "one.tar", "--force")
    assert result.exit_code == 1
    assert "something else" in result.output
    with db.transaction() as session:
        assert session.scalars(text("SELECT one FROM theirs")).one() == 1


def test_what_is_broken_comes_back_broken_and_is_told(clorp, database, empty, tmp_path):
    steal(person(500))
    backed_up(clorp, tmp_path / "one.tar")
    switch_to(empty)
    result = clorp("restore", tmp_path / "one.tar", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["clean"], told["whole"]) == (1, False, True)
    assert "balance_drift" in told["rules"]


@pytest.mark.parametrize("part", [0, 0.01, 0.5, "all but the manifest"])
def test_half_a_backup_changes_nothing(clorp, database, tmp_path, part):
    person(5)
    whole = tmp_path / "whole.tar"
    backed_up(clorp, whole)
    before, content = everything(), whole.read_bytes()
    with tarfile.open(whole) as tar:
        last = tar.getmember("manifest.json").offset
    end = last if isinstance(part, str) else int(len(content) * part)
    (tmp_path / "half.tar").write_bytes(content[:end])
    result = clorp("restore", tmp_path / "half.tar", "--force")
    assert (result.exit_code, everything()) == (1, before)
    assert "no backup of clorp, or was cut off" in result.output


def test_a_dump_that_was_damaged_changes_nothing(clorp, database, tmp_path):
    person(5)
    file = tmp_path / "one.tar"
    backed_up(clorp, file)
    before, content = everything(), bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)
    result = clorp("restore", file, "--force")
    assert (result.exit_code, everything()) == (1, before)
    assert "checksum" in result.output


def rewritten(source: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The same backup with other contents; what becomes None is left out."""
    target = source.with_name("rewritten.tar")
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old.getmembers():
            content = change(member.name, old.extractfile(member).read())
            if content is not None:
                member.size = len(content)
                new.addfile(member, BytesIO(content))
    return target


def stored(key: str) -> Path:
    return files.LocalStore(settings().data / "uploads")._path(UUID(key))


@pytest.mark.parametrize("damaged", [("uploads/",), ("database.dump",), ("uploads/", "database.dump")])
def test_what_was_damaged_changes_neither_rows_nor_files(clorp, database, tmp_path, damaged):
    key = bring(person())
    backed_up(clorp, tmp_path / "one.tar")
    before = everything()
    file = rewritten(
        tmp_path / "one.tar", lambda name, content: b"Rhone" if name.startswith(damaged) else content
    )
    result = clorp("restore", file, "--force")
    assert (result.exit_code, everything(), stored(key).read_bytes()) == (1, before, b"Rhine")
    assert "damaged" in result.output
    assert "Nothing was changed" in result.output
    if damaged == ("uploads/",):
        assert f"uploads/{key}" in result.output


def test_a_file_that_is_there_already_is_left_alone_and_one_that_is_another_is_not(clorp, database, tmp_path):
    same, other = bring(person()), bring(person())
    backed_up(clorp, tmp_path / "one.tar")
    os.utime(stored(same), (1, 1))
    stored(other).write_bytes(b"Rhone")
    assert clorp("restore", tmp_path / "one.tar", "--force").exit_code == 0
    assert (stored(same).stat().st_mtime, stored(other).read_bytes()) == (1, b"Rhine")


def test_where_the_database_is_refused_no_file_is_replaced(clorp, database, tmp_path, monkeypatch):
    key = bring(person())
    backed_up(clorp, tmp_path / "one.tar")
    stored(key).write_bytes(b"Rhone")

    def refuse(*_):
        raise ClickException("psql failed")

    monkeypatch.setattr(Tools, "restore", refuse)
    assert clorp("restore", tmp_path / "one.tar", "--force").exit_code == 1
    assert stored(key).read_bytes() == b"Rhone"


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_an_attached_file_that_is_missing_is_told_by_both(clorp, database, empty, tmp_path, monkeypatch, how):
    sender = person(100)
    key = bring(sender)
    post(sender, attachments=[key])
    if how == "lost":
        stored(key).unlink()
    else:
        stored(key).write_bytes(b"Rhone")
    shown = clorp("backup", tmp_path / "one.tar")
    assert shown.exit_code == 0
    assert "1 of them hang on drops and entries" in shown.output
    told = backed_up(clorp, tmp_path / "two.tar")
    assert (told["files"], told["missing_files"], told["missing_attached"]) == (0, 1, 1)
    switch_to(empty)
    shown = clorp("restore", tmp_path / "one.tar")
    assert shown.exit_code == 1
    assert "1 files that hang on drops and entries are not there" in shown.output
    told = json.loads(clorp("restore", tmp_path / "one.tar", "--force", "--json").stdout)
    assert (told["whole"], told["clean"], told["missing_attached"]) == (False, True, 1)


def test_what_nobody_attached_is_not_missed(clorp, database, empty, tmp_path):
    stored(bring(person())).unlink()
    backed_up(clorp, tmp_path / "one.tar")
    switch_to(empty)
    result = clorp("restore", tmp_path / "one.tar", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["whole"], told["missing_attached"]) == (0, True, 0)


def test_a_file_that_was_taken_out_is_missed_unless_it_is_in_the_store(clorp, database, tmp_path):
    sender = person(100)
    key = bring(sender)
    post(sender, attachments=[key])
    backed_up(clorp, tmp_path / "one.tar")
    file = rewritten(
        tmp_path / "one.tar", lambda name, content: None if name.startswith("uploads/") else content
    )
    for missing in (0, 1):
        told = json.loads(clorp("restore", file, "--force", "--json").stdout)
        assert (told["whole"], told["files"], told["missing_attached"]) == (False, 0, missing)
        stored(key).unlink(missing_ok=True)


def test_counts_of_a_table_that_is_not_there_are_told_and_are_not_taken_for_no_backup(
    clorp, database, empty, tmp_path
):
    person(5)
    backed_up(clorp, tmp_path / "one.tar")

    def counting(name: str, content: bytes) -> bytes:
        told = json.loads(content) if name == "manifest.json" else {}
        return json.dumps({**told, "counts": {"users": 1, "ghosts": 1}}).encode() if told else content

    file = rewritten(tmp_path / "one.tar", counting)
    switch_to(empty)
    result = clorp("restore", file)
    assert result.exit_code == 1
    assert "no backup" not in result.output
    assert "but found" in result.output


def test_a_trouble_after_the_database_was_replaced_is_not_the_backups(clorp, database, tmp_path, monkeypatch):
    backed_up(clorp, tmp_path / "one.tar")

    def fail():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrate, "upgrade", fail)
    result = clorp("restore", tmp_path / "one.tar")
    assert result.exit_code == 1
    assert "Cannot restore: No space left on device" in result.output


def test_a_server_without_workers_is_not_replaced_under_its_feet(clorp, database, tmp_path):
    backed_up(clorp, tmp_path / "one.tar")
    before = everything()
    with closing(psycopg2.connect(database, application_name="clorp")):
        result = clorp("restore", tmp_path / "one.tar", "--force")
    assert (result.exit_code, everything()) == (1, before)
    assert "1 other connections of clorp are open" in result.output
    assert clorp("restore", tmp_path / "one.tar", "--force").exit_code == 0


@pooler.needed
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_no_program_of_postgresql_works_through_a_pooler_that_mixes_sessions(
    clorp, database, tmp_path, settle, command
):
    market()
    before, file = everything(), tmp_path / "one.tar"
    if command == "restore":
        backed_up(clorp, file)
    with pooler.pooled():
        result = clorp(command, file, "--force")
        assert result.exit_code == 1
        assert "CLORP_DATABASE_DIRECT_URL" in result.output
        assert everything() == before
    with pooler.pooled():
        settle(database_direct_url=database)
        result = clorp(command, file, "--force")
        assert result.exit_code == 0, result.output
    assert everything() == before


def test_a_dump_that_postgresql_refuses_changes_nothing(clorp, database, tmp_path):
    person(5)
    before = everything()
    tools = tools_for(15)
    (tmp_path / "dump").write_bytes(b"PGDMP, and then nonsense")
    with pytest.raises(Exception, match="pg_restore failed, and nothing was changed"):
        tools.restore(database, tmp_path / "dump", tmp_path)
    assert everything() == before


def test_a_backup_of_a_newer_version_is_refused(clorp, database, tmp_path):
    with db.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    backed_up(clorp, tmp_path / "one.tar")
    with db.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": migrate.head()})
    result = clorp("restore", tmp_path / "one.tar", "--force")
    assert result.exit_code == 1
    assert "of a newer clorp" in result.output


def test_the_closest_programs_are_taken_and_older_ones_refused(monkeypatch):
    installed = [Tools(Path("/wheel"), 18), Tools(Path("/path"), 16)]
    monkeypatch.setattr(postgres_tools, "_installed", lambda: iter(installed))
    assert [tools_for(server).major for server in (15, 16, 17, 18)] == [16, 16, 18, 18]
    with pytest.raises(Exception, match=r"19 needs pg_dump.*found: 18 in /wheel, 16 in /path"):
        tools_for(19)


# Without servers in the settings -----------------------------------------------------------------


@pytest.fixture
def data() -> Iterator[Path]:
    # Not tmp_path: as root PostgreSQL runs as another user, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="clorp-backup-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_where_there_is_no_database_nothing_is_made(clorp, unset, data):
    result = clorp("backup", data / "one.tar", "--data", data / "new")
    assert result.exit_code == 1
    assert "There is no database in" in result.output
    assert list(data.iterdir()) == []


def test_a_folder_is_moved_without_anything_running(clorp, unset, data):
    with embedded.servers(data / "old", durable=False):
        assert clorp("migrate", "--data", data / "old").exit_code == 0
        name = str(uuid4())
        person(500, name=name)
    for folder, command in (("old", "backup"), ("new", "restore")):
        _away(unset)
        result = clorp(command, data / "one.tar", "--data", data / folder)
        assert result.exit_code == 0, result.output
    assert (data / "new" / "servers.json").exists() is False
    with embedded.servers(data / "new", durable=False) as servers:
        switch_to(servers.database_url)
        assert violations() == []
        with db.transaction() as session:
            assert session.scalars(text("SELECT count(*) FROM users WHERE name = :n"), {"n": name}).one() == 1
        _away(unset)
        result = clorp("restore", data / "one.tar", "--force", "--data", data / "new")
        assert result.exit_code == 1
        assert "Another clorp runs in" in result.output


def _away(unset: pytest.MonkeyPatch) -> None:
    """As in a new process: whatever a command found before is forgotten."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
        db.engine.cache_clear()
    unset.setenv("CLORP_DATABASE_URL", "")
    unset.setenv("CLORP_DATA", "")
    settings.cache_clear()
