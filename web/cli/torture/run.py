"""One run: the system starts, the load comes, faults strike, everything ends, and the books are opened."""

import heapq
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing as closed
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

import psutil
from sqlalchemy import text

from models import db
from web.cli.background import System, running
from web.cli.servers import use
from web.cli.torture import watch
from web.cli.torture.calling import Availability, Caller
from web.cli.torture.faults import FAULTS, Heal
from web.cli.torture.load import Load
from web.cli.torture.plan import SETTINGS, Plan
from web.cli.torture.promises import Promises
from web.cli.torture.target import Target
from workers import embedded

THREADS = 160  # stories at once; each takes as long as its window, and longer while nothing answers
TELL_SECONDS = 0.25
HEAL_AGAIN_SECONDS = 0.5
HEAL_SECONDS = 15.0

_LATENCY = """
    SELECT extract(epoch FROM p.created_at - least(j.window_closes_at, r.created_at))::float8 AS seconds
    FROM jobs j JOIN events p ON p.job_id = j.id AND p.kind = 'payout.posted'
    JOIN events r ON r.job_id = j.id AND r.kind = 'drop.ranking' ORDER BY seconds"""


@dataclass
class Progress:
    """How far a run is."""

    phase: str
    seconds: float
    drops: int
    faults: int
    breaches: int


@dataclass
class Outcome:
    """What a run brought. `latencies`: seconds from a window's end to its payout, sorted."""

    plan: Plan
    drops: Counter[str]
    struck: Counter[str]
    missed: Counter[str]
    latencies: list[float]
    settled_seconds: float | None  # after the last fault; None: not everything ended
    availability: dict[str, Availability]
    tries: int
    snapshots: int
    breaches: list[str]

    @property
    def well(self) -> bool:
        """Whether nothing was breached."""
        return not self.breaches

    def latency(self, share: float) -> float | None:
        """The latency that `share` of all payouts did not exceed."""
        if not self.latencies:
            return None
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def torture(plan: Plan, data: Path, tell: Callable[[Progress], object] = lambda _: None) -> Outcome:
    """Run a plan on a system of its own in the folder `data`.

    Raises:
        BackgroundError: the system does not start.
    """
    with running(data, SETTINGS | plan.settings) as system, _settings(system):
        target = Target(system, dict(os.environ) | SETTINGS | plan.settings)
        return _Run(plan, target, tell).run()


@contextmanager
def _settings(system: System) -> Iterator[None]:
    """Point this process at the system, and forget it afterwards."""
    names = ("CLORP_DATABASE_URL", "CLORP_REDIS_URL", "CLORP_DATA", "CLORP_ENCRYPTION_KEYS")
    before = {name: os.environ.get(name) for name in names}
    db.forget()
    use(
        CLORP_DATABASE_URL=system.servers.database_url,
        CLORP_REDIS_URL=system.servers.redis_url,
        CLORP_DATA=str(system.data),
        CLORP_ENCRYPTION_KEYS=embedded.encryption_key(system.data),
    )
    try:
        yield
    finally:
        db.engine().dispose()
        db.engine.cache_clear()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        use()


@dataclass
class _Run:
    plan: Plan
    target: Target
    tell: Callable[[Progress], object]
    struck: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    drops: int = 0
    ended: threading.Event = field(default_factory=threading.Event)  # by Ctrl-C before its time

    def run(self) -> Outcome:
        begun = time.monotonic()
        promises, seen = Promises(), watch.Watch(self.target)
        caller = Caller(
            self.target.system.api_url, give_up_at=begun + self.plan.seconds + self.plan.patience / 2
        )
        load = Load(self.plan.seed, caller, promises)
        seen.start()
        faults = threading.Thread(target=self._strike, args=(begun + self.plan.seconds,), name="faults")
        faults.start()
        try:
            with closed(caller), ThreadPoolExecutor(THREADS) as pool:
                self._post(load, pool, begun, seen)
                faults.join()
                healed = time.monotonic()
                pool.shutdown()
                settled = self._settle(seen, healed)
        finally:
            self.ended.set()
            faults.join()
            seen.end()
        return self._outcome(load, promises, seen, caller, settled)

    def _post(self, load: Load, pool: ThreadPoolExecutor, begun: float, seen: watch.Watch) -> None:
        """One story after the other, at the plan's pace."""
        for number in count():
            due = begun + number / self.plan.drops_per_second
            if due > begun + self.plan.seconds:
                return
            while (pause := due - time.monotonic()) > 0:
                time.sleep(min(pause, TELL_SECONDS))
            pool.submit(load.play, number)
            self.drops = number + 1
            self._tell("under fire", begun, seen)

    def _strike(self, until: float) -> None:
        """A fault each `every` seconds, each as often as the others, in an order of the seed's."""
        random = Random(self.plan.seed)  # noqa: S311
        heals: list[tuple[float, int, Heal]] = []
        order: list[str] = []
        try:
            for number in count(1):
                due = time.monotonic() + self.plan.every
                while time.monotonic() < min(due, until) and not self.ended.wait(0.05):
                    _heal(heals, time.monotonic())
                if self.ended.is_set() or time.monotonic() >= until or not self.plan.faults:
                    return
                order = order or random.sample(self.plan.faults, len(self.plan.faults))
                self._strike_one(order.pop(), heals, number)
        finally:
            _heal_all(heals)

    def _strike_one(self, name: str, heals: list[tuple[float, int, Heal]], number: int) -> None:
        fault = FAULTS[name]
        try:
            heal = fault.strike(self.target)
        except Exception:  # what it wants to hit is down already, by another fault
            self.missed[name] += 1
            return
        self.struck[name] += 1
        if heal:
            heapq.heappush(heals, (time.monotonic() + fault.seconds, number, heal))

    def _settle(self, seen: watch.Watch, healed: float) -> float | None:
        """Wait until every drop has ended; how long after the last fault that was."""
        while time.monotonic() < healed + self.plan.patience:
            if seen.live() == 0:
                return time.monotonic() - healed
            self._tell("settling", healed, seen)
            time.sleep(TELL_SECONDS)
        return None

    def _outcome(
        self, load: Load, promises: Promises, seen: watch.Watch, caller: Caller, settled: float | None
    ) -> Outcome:
        if not seen.look():
            seen.tell("the database does not answer after the last fault")
        with db.transaction() as session:
            for breach in [*watch.closing(self.target, session), *promises.broken(session)]:
                seen.tell(breach)
            drops = Counter(session.scalars(text("SELECT status FROM jobs")).all())
            latencies = list(session.scalars(text(_LATENCY)))
        for breach in (*caller.contradictions, *load.failures):
            seen.tell(breach)
        if settled is None:
            live = sum(drops[status] for status in ("pending_payment", "open", "ranking", "completed"))
            seen.tell(f"ended: {live} drops had not ended {self.plan.patience:.0f} s after the last fault")
        return Outcome(
            self.plan, drops, self.struck, self.missed, latencies, settled, caller.availability,
            caller.tries, seen.snapshots, seen.breaches,
        )  # fmt: skip

    def _tell(self, phase: str, since: float, seen: watch.Watch) -> None:
        passed = time.monotonic() - since
        self.tell(Progress(phase, passed, self.drops, self.struck.total(), len(seen.breaches)))


def _heal(heals: list[tuple[float, int, Heal]], now: float) -> None:
    """Heal what has lasted long enough; what another fault is in the way of is healed a moment later."""
    failed = []
    while heals and heals[0][0] <= now:
        _, number, heal = heapq.heappop(heals)
        try:
            heal()
        except psutil.NoSuchProcess:  # killed since: whoever was started in its place is well
            continue
        except Exception:
            failed.append((time.monotonic() + HEAL_AGAIN_SECONDS, number, heal))
    for again in failed:
        heapq.heappush(heals, again)


def _heal_all(heals: list[tuple[float, int, Heal]]) -> None:
    """At the end: heal everything, for what is left of the patience with it."""
    until = time.monotonic() + HEAL_SECONDS
    while heals and time.monotonic() < until:
        _heal(heals, float("inf"))
        time.sleep(HEAL_AGAIN_SECONDS if heals else 0)
