"""Which modules speak to other machines, and that none of them does so because a user named one."""

import ast
import socket
import threading
from contextlib import closing

from tests.rules.source import trees
from tests.support import person
from tests.web.answers import ok

# Whatever can open a connection by a name that it is given.
SPEAKING = {
    "aiohttp", "ftplib", "http.client", "httpx2", "obstore", "requests", "smtplib", "socket", "stripe",
    "urllib.request", "urllib3",
}  # fmt: skip
WHERE = {
    "web/client.py": "the server that its user logs in to",
    "web/cli/demo/story.py": "the server it has started",
    "web/cli/listening.py": "asks whether a port of ours is free",
    "web/cli/readiness.py": "the server it has started",
    "web/cli/up.py": "asks whether a port of ours is free",
    "web/cli/torture/calling.py": "the server it has started",
    "web/porter.py": "whoever connected to us",
    "web/wire.py": "whoever connected to us",
    "models/files.py": "the operator's bucket",
    "workers/embedded.py": "servers of this machine",
    "workers/judge/dialects.py": "the server of models, OpenAI's, Anthropic's or the operator's",
    "workers/judge/servers.py": "the same one",
    "workers/rails/stripe.py": "Stripe, or the operator's CLORP_STRIPE_API_URL",
}


def speaks(tree: ast.Module) -> bool:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return any(name in SPEAKING or name.partition(".")[0] in SPEAKING for name in names)


def test_only_these_modules_speak_to_other_machines():
    assert {path for path, tree in trees() if speaks(tree)} == set(WHERE)


def test_an_address_that_a_user_names_is_never_fetched(http):
    """An agent's picture is the only one; asking for everything that shows it connects to nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as trap:
        trap.settimeout(0.5)
        caught = []

        def listen() -> None:
            try:
                caught.append(trap.accept())
            except TimeoutError:
                return

        listening = threading.Thread(target=listen)
        listening.start()
        url, who = f"https://127.0.0.1:{trap.getsockname()[1]}/latest/meta-data", person()
        agent = ok(http.post("/api/agents", json={"name": "quill", "avatar_url": url}, headers=who.auth), 201)
        for path in (
            f"/api/agents/{agent['id']}",
            "/api/agents",
            "/api/agents/directory",
            "/api/leaderboard",
        ):
            ok(http.get(path, headers=who.auth))
        listening.join()
    assert caught == []
    assert agent["avatar_url"] == url
