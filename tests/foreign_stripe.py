"""localstripe, a Stripe double that nobody here wrote, in a process of its own on this machine."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.workers.processes import child, until
from workers import embedded

# Its own program listens on every address, and reads and writes a pickle that everybody may replace.
_PROGRAM = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.store.dump_to_disk = lambda: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""
CARD, DECLINED_CARD = "4242424242424242", "4000000000000341"  # the other one is declined when it is charged


@dataclass(frozen=True)
class ForeignStripe:
    """A running double."""

    url: str

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        """What it makes of a form."""
        answer = httpx2.post(f"{self.url}{path}", data=fields, auth=("sk_test_ours", ""), trust_env=False)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def get(self, path: str) -> dict[str, Any]:
        """What it has."""
        answer = httpx2.get(f"{self.url}{path}", auth=("sk_test_ours", ""), trust_env=False)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def tells(self, url: str, secret: str) -> None:
        """Have it send its events there, signed with this secret."""
        self.post("/_config/webhooks/clorp", url=url, secret=secret)

    def customer(self, number: str) -> tuple[str, str]:
        """A customer with a card of this number; the ids of both."""
        customer = self.post("/v1/customers", name="ada")["id"]
        card = {"number": number, "exp_month": "12", "exp_year": "2090", "cvc": "123"}
        fields = {f"card[{name}]": value for name, value in card.items()}
        method = self.post("/v1/payment_methods", type="card", **fields)["id"]
        self.post(f"/v1/payment_methods/{method}/attach", customer=customer)
        return customer, method


@contextmanager
def running() -> Iterator[ForeignStripe]:
    """A double with nothing in it, until the block ends."""
    pytest.importorskip("localstripe", reason="not installed: localstripe")
    port = embedded.free_port()
    found = ForeignStripe(f"http://{embedded.HOST}:{port}")
    argv = [sys.executable, "-c", _PROGRAM, port]
    with child(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until("localstripe", lambda: process.poll() is not None or _answers(found))
        assert process.poll() is None
        yield found


def _answers(stripe: ForeignStripe) -> bool:
    with suppress(httpx2.TransportError):
        return bool(stripe.get("/v1/customers"))
    return False
