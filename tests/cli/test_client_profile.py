"""Agents, keys, money and files on the command line, against a server that answers as the contract has it."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.serving import serving
from web.cli.client.files import _names

ID = "01a20dee-ac30-7ace-b2b6-7933bc282913"
AGENT = {
    "id": ID, "name": "quill", "personality": "Dry.", "avatar_url": None, "is_default": True,
    "created_at": "2026-11-24T13:00:00.000Z",
}  # fmt: skip
KEY = {"id": ID, "name": "ci", "prefix": "clorp_4fT9bQ", "scopes": ["read", "work"]}
FILE = {"key": ID, "name": "../../.profile", "size": 5, "content_type": "text/plain", "sha256": "00"}
JOB = {
    "id": ID, "status": "verified", "winning_submission_id": ID, "output_text": "See the files.",
    "output_attachments": [FILE, FILE], "window_closes_at": None, "price_cents": 100,
}  # fmt: skip
ESTIMATE = {
    "title": "x", "pack": "wild", "estimated_price_cents": 100, "estimated_time_limit_seconds": 300,
    "fee_cents": 0, "max_claims": 5, "min_grade": None, "warnings": [],
    "price_clamped": False, "time_limit_clamped": False,
}  # fmt: skip
ENTRY = {"submission": {"job_id": ID, "revision": 1}}
PAYMENT = {"id": ID, "amount_cents": 500, "status": "pending", "checkout_url": None, "failure_reason": None}
ANSWERS: dict[str, Any] = {
    "GET /api/agents": [AGENT],
    "POST /api/agents": AGENT,
    f"GET /api/agents/{ID}": AGENT,
    f"PATCH /api/agents/{ID}": AGENT,
    f"DELETE /api/agents/{ID}": {"deleted": True},
    "GET /api/agents/directory": {"agents": [AGENT]},
    "GET /api/keys": [KEY],
    "POST /api/keys": {**KEY, "api_key": "clorp_new"},
    f"POST /api/keys/{ID}/rotate": {**KEY, "api_key": "clorp_newer"},
    f"DELETE /api/keys/{ID}": {"revoked": True},
    "DELETE /api/keys": {"revoked_count": 3},
    "POST /api/wallet/topup": {**PAYMENT, "kind": "topup"},
    "POST /api/wallet/withdraw": {**PAYMENT, "kind": "withdrawal"},
    "GET /api/wallet/balance": {"balance_cents": 700},
    "POST /api/wallet/auto-topup": {"enabled": True, "threshold_cents": 200, "amount_cents": 1000},
    "POST /api/uploads": FILE,
    f"GET /api/uploads/{ID}": b"bytes",
    f"GET /api/jobs/{ID}": JOB,
    "POST /api/jobs/run": {**JOB, **ESTIMATE},
    f"POST /api/jobs/{ID}/claim": {"job_id": ID, "expires_at": "2026-11-24T13:00:00.000Z"},
    f"POST /api/jobs/{ID}/submit": ENTRY,
}


class Recorder:
    """A server that answers each call from a table, and remembers what it was sent."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        is_json = "json" in environ.get("CONTENT_TYPE", "")
        self.asked.append((line, json.loads(body) if is_json and body else body))
        answer = ANSWERS[line]
        start(
            "200 OK",
            [("Content-Type", "application/json" if not isinstance(answer, bytes) else "text/plain")],
        )
        return [answer if isinstance(answer, bytes) else json.dumps(answer).encode()]


@pytest.fixture
def server(home, monkeypatch) -> Iterator[Recorder]:
    recorder = Recorder()
    with serving(recorder) as url:
        monkeypatch.setenv("CLORP_API_URL", url)
        monkeypatch.setenv("CLORP_API_KEY", "clorp_key")
        yield recorder


COMMANDS: list[tuple[list[str], str, Any, str]] = [
    (["agents"], "GET /api/agents", b"", "quill"),
    (["agents", "list"], "GET /api/agents", b"", "Dry."),
    (["agents", "show", ID], f"GET /api/agents/{ID}", b"", "quill"),
    (["agents", "directory"], "GET /api/agents/directory", b"", "quill"),
    (["agents", "create", "quill", "--personality", "Dry."], "POST /api/agents",
     {"name": "quill", "personality": "Dry."}, "quill"),
    (["agents", "edit", "quill", "--name", "q", "--default"], f"PATCH /api/agents/{ID}",
     {"name": "q", "is_default": True}, "quill"),
    (["agents", "delete", ID], f"DELETE /api/agents/{ID}", b"", "Deleted."),
    (["keys"], "GET /api/keys", b"", "read, work"),
    (["keys", "create", "ci", "--scope", "read"], "POST /api/keys", {"name": "ci", "scopes": ["read"]},
     "clorp_new"),
    (["keys", "create", "ci"], "POST /api/keys", {"name": "ci"}, "clorp_new"),
    (["keys", "rotate", ID], f"POST /api/keys/{ID}/rotate", {}, "clorp_newer"),
    (["keys", "revoke", ID], f"DELETE /api/keys/{ID}", b"", "Revoked."),
    (["keys", "revoke", "--others", "-y"], "DELETE /api/keys", b"", "Revoked 3 keys."),
    (["wallet", "topup", "$5"], "POST /api/wallet/topup", {"amount_cents": 500}, "$5.00"),
    (["wallet", "withdraw", "500"], "POST /api/wallet/withdraw", {"amount_cents": 500}, "$5.00"),
    (["wallet", "auto-topup", "--below", "$2", "--amount", "$10"], "POST /api/wallet/auto-topup",
     {"enabled": True, "threshold_cents": 200, "amount_cents": 1000}, "$10.00"),
    (["wallet", "auto-topup", "--off"], "POST /api/wallet/auto-topup", {"enabled": False}, "enabled"),
    (["claim", ID, "--agent", "quill"], f"POST /api/jobs/{ID}/claim", {"agentId": ID}, ID),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "line", "body", "shown"), COMMANDS, ids=[" ".join(row[0]) for row in COMMANDS]
)
def test_a_command_is_one_call(clorp, server, command, line, body, shown):
    result = clorp(*command)
    assert result.exit_code == 0, result.output
    assert [one for one in server.asked if not one[0].startswith("GET")][-1:] == [(line, body)] or (
        server.asked[-1] == (line, body)
    )
    assert shown in result.stdout
    assert json.loads(clorp(*command, "--json").stdout) == ANSWERS[line]


def test_other_keys_are_only_revoked_after_a_yes(clorp, server):
    assert clorp("keys", "revoke", "--others").exit_code == 2
    for arguments in ([], [ID, "--others"]):
        assert "Name one key" in clorp("keys", "revoke", *arguments).stderr
    assert server.asked == []


def test_an_agent_that_nobody_is_called_is_refused_before_the_call(clorp, server):
    result = clorp("submit", ID, "--text", "x", "--agent", "nobody")
    assert result.exit_code == 5
    assert "You have no agent called 'nobody'." in result.stderr
    assert [line for line, _ in server.asked] == ["GET /api/agents"]


def test_files_go_up_after_the_yes_and_hang_on_the_drop(clorp, server, tmp_path):
    (tmp_path / "brief.txt").write_text("the brief")
    assert clorp("drop", "x", "--attach", "brief.txt").exit_code == 2
    assert [line for line, _ in server.asked] == ["POST /api/jobs/run"]
    assert clorp("drop", "x", "--attach", "brief.txt", "-y").exit_code == 0
    (_, estimate), (line, form), (_, posted) = server.asked[1:]
    assert "attachments" not in estimate
    assert line == "POST /api/uploads"
    assert b"the brief" in form
    assert (posted["attachments"], posted["confirmed"]) == ([FILE], True)


def test_files_hang_on_an_entry(clorp, server, tmp_path):
    (tmp_path / "answer.txt").write_text("the answer")
    assert clorp("submit", ID, "--file", "answer.txt").exit_code == 0
    assert server.asked[-1] == (f"POST /api/jobs/{ID}/submit", {"text": "", "files": [FILE]})


def test_pulled_files_stay_in_their_folder(clorp, server, tmp_path):
    assert clorp("pull", ID, "-o", "deep/er").stdout.splitlines() == [
        "deep/er/output.txt", "deep/er/profile", "deep/er/2-profile",
    ]  # fmt: skip
    assert (tmp_path / "deep/er/profile").read_bytes() == b"bytes"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]


def test_names_of_strangers_become_names_of_files():
    wanted = [
        "a.txt",
        "A.TXT",
        "/etc/passwd",
        "..",
        "C:\\x\\y.exe",
        ".bashrc",
        "x\n\x1b[2J.md",
        "",
        "ä" * 300,
    ]
    names = list(_names(wanted))
    assert names[:4] == ["a.txt", "2-A.TXT", "passwd", "file"]
    assert names[4:8] == ["y.exe", "bashrc", "x[2J.md", "2-file"]
    assert all(len(name.encode()) <= 255 for name in names)
