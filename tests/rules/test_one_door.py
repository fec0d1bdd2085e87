"""What only one module may do: assign a status, commit, build a transfer."""

import ast

from tests.rules.source import calls, trees

COMMITTING = {"commit", "begin", "begin_nested", "rollback", "autocommit"}


def test_only_lifecycle_assigns_a_status():
    found = set()
    for path, tree in trees():
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Attribute) and target.attr == "status" for target in targets):
                found.add(path)
    assert found == {"models/lifecycle.py"}


def test_no_drop_is_made_with_a_status_and_none_is_changed_past_its_row():
    for path, tree in trees():
        for name, call in calls(tree):
            keywords = {keyword.arg for keyword in call.keywords}
            assert not (name in ("Drop", "values", "update") and "status" in keywords), path
        text = ast.unparse(tree).upper()
        assert "SET STATUS" not in text, path


def test_only_db_commits():
    found = {
        (path, name)
        for path, tree in trees()
        for name, call in calls(tree)
        if name in COMMITTING and isinstance(call.func, ast.Attribute) and _is_database(call.func)
    }
    assert found == {("models/db.py", "commit"), ("models/migrate.py", "begin")}


def _is_database(called: ast.Attribute) -> bool:
    # `lifecycle.begin(drop, at)` gives a drop its first status.
    return not (isinstance(called.value, ast.Name) and called.value.id == "lifecycle")


def test_only_ledger_builds_transfers():
    found = set()
    for path, tree in trees():
        for name, call in calls(tree):
            first = call.args[0] if call.args else None
            if name == "Transfer" or (name == "insert" and ast.unparse(first or call) == "Transfer"):
                found.add(path)
        assert "INSERT INTO TRANSFERS" not in ast.unparse(tree).upper(), path
    assert found == {"models/ledger.py"}


def test_only_settings_reads_the_environment():
    found = {
        path
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        if ast.unparse(node) != "request.environ"  # which is of WSGI
    }
    # The command hands an environment on to its children; WEB_CONCURRENCY is gunicorn's own.
    ours = {path for path in found if not path.startswith(("web/cli/", "workers/supervisor.py"))}
    assert ours <= {"web/serving.py"}
