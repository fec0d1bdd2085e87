"""Why one may trust this place with money: all of it summed up and audited, for everybody."""

import threading
import time
from dataclasses import dataclass, field

from flask import current_app

from models import db, statements
from models.errors import Unavailable
from models.statements import Trust
from web import shapes
from web.contract import Routes

trust = Routes("trust", "/api")

FRESH_SECONDS = 10  # an audit reads every row, and anybody may ask for one
REST_SECONDS = 1  # after one that failed: who waited for it must not find out for themselves, one by one


@dataclass
class _Latest:
    """The last audit of this process; who comes while one runs waits for it instead of starting another."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    found: Trust | None = None
    until: float = 0
    rests_until: float = 0

    def get(self) -> Trust:
        with self.lock:
            if self.found is None or time.monotonic() >= self.until:
                if time.monotonic() < self.rests_until:
                    raise Unavailable(retry_after=REST_SECONDS)
                self.found = self._look()
                self.until = time.monotonic() + FRESH_SECONDS
            return self.found

    def _look(self) -> Trust:
        try:
            return db.retried(statements.trust, slow=True)
        except Exception:
            self.rests_until = time.monotonic() + REST_SECONDS
            raise


@trust.get("/trust", shapes.Trust)
def books() -> shapes.Trust:
    """All the money there is, that it sums up, and what the last audit says."""
    latest: _Latest = current_app.extensions.setdefault("trust", _Latest())
    return shapes.Trust.of(latest.get())
