"""What happens: the system starts, money comes in, drops are posted, agents fight. All over HTTP."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

from models import accounts, db, ledger
from web.cli.background import System
from web.cli.demo.cast import AGENTS, PURSE_CENTS, SENDER, Act, Line
from web.cli.servers import use

TERMINAL = ("verified", "failed", "cancelled")
POLL_SECONDS = 0.12
TITLE_MAX = 40  # characters
END_SECONDS = 40  # longer than any window of the play, and its settling

Tell = Callable[[str], None]


@dataclass
class Scene:
    """One drop as the audience sees it."""

    act: Act
    job: dict[str, Any]
    claimed: list[str] = field(default_factory=list)
    submitted: list[str] = field(default_factory=list)
    ranking: list[dict[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The drop's title, short enough for a line about it."""
        title = str(self.job["title"])
        return title if len(title) <= TITLE_MAX else f"{title[:TITLE_MAX].rsplit(' ', 1)[0]} …"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.job["status"] in TERMINAL

    @property
    def as_planned(self) -> bool:
        """Whether it ended as a drop with, or without, entries has to."""
        return bool(self.job["status"] == ("verified" if self.act.lines else "failed"))


class Story:
    """The play on a running system. `scenes` change while it runs; `tell` hears of each event."""

    def __init__(self, system: System, tell: Tell) -> None:
        self._tell = tell
        self._http = httpx2.Client(base_url=system.api_url, timeout=10, trust_env=False)
        use(CLORP_DATABASE_URL=system.servers.database_url)
        self._keys = {SENDER: _user(SENDER, PURSE_CENTS), **{name: _user(name) for name in AGENTS}}
        self._names = {self._call(name, "POST", "/api/whoami")["id"]: name for name in AGENTS}
        self.scenes: list[Scene] = []
        self.failures: list[str] = []

    def books(self) -> dict[str, int]:
        """Cents by owner, as the ledger has them; escrow, fees and the world, too."""
        with db.transaction() as session:
            return ledger.balances(session)

    def audit(self) -> ledger.Audit:
        """The audit of everything that happened."""
        with db.transaction() as session:
            return ledger.audit(session)

    def post(self, acts: list[Act]) -> None:
        """Post every drop, and let the agents loose on them."""
        for act in acts:
            body = {
                "prompt": act.prompt,
                "pack": act.pack,
                "price_cents": act.bounty_cents,
                "time_limit_seconds": act.window_seconds,
                "confirmed": True,
            }
            scene = Scene(act, self._call(SENDER, "POST", "/api/jobs/run", 201, **body))
            self.scenes.append(scene)
            self._tell(f"{SENDER} drops “{scene.title}” ({act.pack})")
            for name in act.idlers:
                self._start(self._idle, scene, name)
            for line in act.lines:
                self._start(self._compete, scene, line)

    def play(self, each: Callable[[], None]) -> None:
        """Watch until every drop has ended; `each` is called after each look."""
        deadline = time.monotonic() + END_SECONDS
        while not all(scene.ended for scene in self.scenes) and time.monotonic() < deadline:
            jobs = {job["id"]: job for job in self._call(SENDER, "GET", "/api/jobs")}
            for scene in self.scenes:
                self._update(scene, jobs[scene.job["id"]])
            each()
            time.sleep(POLL_SECONDS)
        self.failures += [
            f"{scene.title}: {scene.job['status']}" for scene in self.scenes if not scene.as_planned
        ]

    def _update(self, scene: Scene, job: dict[str, Any]) -> None:
        before, scene.job = scene.job["status"], job
        if job["status"] == before:
            return
        if job["grade"] and not scene.ranking:
            rows = self._call(SENDER, "GET", f"/api/jobs/{job['id']}/submissions")["submissions"]
            scene.ranking = [{**row, "agent": self._names[row["user_id"]]} for row in rows]
        self._tell(_headline(scene))

    def _start(self, act: Callable[[Scene, Any], None], scene: Scene, what: object) -> None:
        def run() -> None:
            try:
                act(scene, what)
            except Exception as error:
                self.failures.append(str(error))

        threading.Thread(target=run, daemon=True).start()

    def _idle(self, scene: Scene, name: str) -> None:
        time.sleep(1.5)
        self._claim(scene, name)

    def _compete(self, scene: Scene, line: Line) -> None:
        time.sleep(line.after / 2)
        self._claim(scene, line.agent)
        time.sleep(line.after / 2)
        self._call(line.agent, "POST", f"/api/jobs/{scene.job['id']}/submit", text=line.text)
        scene.submitted.append(line.agent)
        self._tell(f"{line.agent} hands in an entry for “{scene.title}”")

    def _claim(self, scene: Scene, name: str) -> None:
        self._call(name, "POST", f"/api/jobs/{scene.job['id']}/claim", 201)
        scene.claimed.append(name)

    def _call(self, who: str, method: str, path: str, expect: int = 200, **body: Any) -> Any:
        answer = self._http.request(
            method, path, headers={"Authorization": f"Bearer {self._keys[who]}"}, json=body or None
        )
        if answer.status_code != expect:
            raise RuntimeError(f"{who}: {method} {path} answered {answer.status_code}: {answer.text}")
        return answer.json()


def _headline(scene: Scene) -> str:
    title, status = f"“{scene.title}”", scene.job["status"]
    if status == "failed":
        return f"{title} failed ({scene.job['failure_reason']}): the bounty is back with {SENDER}"
    if status == "ranking":
        return f"{title} is closed, the judges are at work"
    if scene.ranking:
        grades = ", ".join(f"{row['grade']} {row['agent']}" for row in scene.ranking)
        return f"{title} is {status}: {grades}"
    return f"{title} is {status}"


def _user(name: str, cents: int = 0) -> str:
    with db.transaction() as session:
        user, key = accounts.create_user(session, name)
        if cents:
            ledger.credit(session, user.id, cents, f"demo:{uuid4()}")
    return key
