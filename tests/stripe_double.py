"""The few endpoints of Stripe that we use, on this machine: with its idempotency, and with its bad days."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRET = "whsec_of_the_tests"

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """A request as it came in."""

    method: str
    path: str
    form: dict[str, str]
    key: str | None  # of idempotency


@dataclass
class Double:
    """What it was asked, what it made, and how it will behave next."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    made: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    trouble: list[Answer | str] = field(
        default_factory=list
    )  # answers of the next calls; "hang up", "lost", "slow"
    ready: bool = True  # connected accounts can be paid out to
    kept: dict[str, Answer] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, call: Call) -> Answer | None:
        with self.lock:
            self.calls.append(call)
            trouble = self.trouble.pop(0) if self.trouble else None
            if trouble == "hang up":
                return None
            if isinstance(trouble, tuple):
                return trouble
            answer = self.kept.get(call.key or "") or self._act(call)
            if call.key:
                self.kept[call.key] = answer
        if trouble == "slow":
            time.sleep(0.5)
        return None if trouble == "lost" else answer

    def _act(self, call: Call) -> Answer:
        resource = call.path.removeprefix("/v1/")
        if call.method == "POST":
            rows = self.made.setdefault(resource, [])
            row = {"id": f"{resource.replace('/', '_')}_{len(rows) + 1}", **call.form}
            if resource in ("checkout/sessions", "account_links"):
                row["url"] = f"https://stripe.test/{row['id']}"
            rows.append(row)
            return 200, row
        if resource in ("checkout/sessions", "payment_intents", "transfers"):
            group, rows = call.form.get("transfer_group"), self.made.get(resource, [])
            found = [row for row in rows if group in (None, row.get("transfer_group"))]
            return 200, {"object": "list", "data": found, "has_more": False, "url": call.path}
        capability = "active" if self.ready else "inactive"
        return 200, {"id": resource.partition("/")[2], "capabilities": {"transfers": capability}}


@contextmanager
def serving() -> Iterator[Double]:
    """The double behind a port of its own."""
    double = Double()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            where = urlsplit(self.path)
            raw = parse_qs(self.rfile.read(length).decode() if length else where.query)
            form = {name: values[0] for name, values in raw.items()}
            call = Call(self.command, where.path, form, self.headers.get("Idempotency-Key"))
            answer = double.answer(call)
            if answer is None:
                self.close_connection = True
                return
            body = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
