"""Replacing workers that run and do nothing: queues that nothing is heard of while their servers answer.

Where several workers share a queue each is looked at by itself, too: the others would cover its silence.
"""

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from models import db, health
from models.settings import settings
from workers import signs as left
from workers.embedded import redis_answers
from workers.supervisor import Supervisor

LOOK_SECONDS = 5.0
SILENCE_MAX_SECONDS = 30.0  # each queue is heard of every second; `/readyz` turns after half of this
# Of one worker among several. All threads of its pool may have slow models to wait for.
WORKER_SILENCE_MAX_SECONDS = 90.0
START_MAX_SECONDS = 180.0  # until the first heartbeat of a new process, on a machine that has much else to do
REPLACE_SECONDS_MIN = 60.0  # between two replacements
BEAT = "beat"


@dataclass
class Queue:
    """What is known of one queue, or of one worker of several.

    All times are of the monotonic clock, which nobody sets.
    """

    sign: object = None
    changed_at: float = 0.0
    clear_at: float = 0.0  # before this, something else explains a silence
    replaced_at: float = float("-inf")

    def silent(
        self, sign: object, age_seconds: float, now: float, patience_seconds: float | None = None
    ) -> bool:
        """Whether its workers should be replaced, the oldest of which has been running for so long."""
        if sign != self.sign:
            self.sign, self.changed_at = sign, now
        if now - self.replaced_at < REPLACE_SECONDS_MIN:
            return False
        # What is new at a look may have been said before it, by the process that was there then.
        heard = self.changed_at - LOOK_SECONDS > now - age_seconds
        patience = (patience_seconds or SILENCE_MAX_SECONDS) if heard else START_MAX_SECONDS
        begun = max(self.changed_at if heard else now - age_seconds, self.clear_at)
        return age_seconds > 0 and now - begun > patience


@dataclass
class Silence:
    """Looks in a thread of its own; `replace` does what has to be done, in the supervisor's."""

    supervisor: Supervisor
    children: Mapping[str, list[str]]  # by queue
    _queues: dict[str, Queue] = field(init=False)
    _workers: dict[str, Queue] = field(init=False)  # that share a queue with others
    _found: "queue.SimpleQueue[list[str]]" = field(default_factory=queue.SimpleQueue)
    _alone: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)
    _looked_at: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._queues = {name: Queue() for name in self.children}
        several = (names for names in self.children.values() if len(names) > 1)
        self._workers = {name: Queue() for names in several for name in names}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while the block runs."""
        thread = threading.Thread(target=self._watch, name="silence", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(0 if self.supervisor.stopping else None)  # a stop waits for no answer

    def replace(self) -> bool:
        """Replace the workers of the queues that were found silent; False, for `Supervisor.watch`."""
        while not self._found.empty():
            silent = self._found.get()
            names = [name for queue_ in silent for name in self.children[queue_]]
            if len(silent) == len(self.children):
                names.append(BEAT)  # who sends the heartbeats: it may be the one that stands still
            self.supervisor.say(
                f"nothing heard of the {' and the '.join(silent)} queue for {SILENCE_MAX_SECONDS:.0f} s or "
                f"more, replacing {', '.join(names)}"
            )
            for name in names:
                self.supervisor.restart(name)
        while not self._alone.empty():
            name = self._alone.get()
            seconds = f"{WORKER_SILENCE_MAX_SECONDS:.0f} s"
            self.supervisor.say(f"nothing heard of {name} for {seconds} or more, replacing it")
            self.supervisor.restart(name)
        return False

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            if silent := self.look(time.monotonic()):
                self._found.put(silent)
            for name in self.look_at_each(time.monotonic()):
                self._alone.put(name)

    def look(self, now: float) -> list[str]:
        """The queues whose workers should be replaced."""
        signs = _signs()
        # We, or the whole machine, may have stood still ourselves.
        asleep, self._looked_at = now - self._looked_at > 4 * LOOK_SECONDS, now
        if signs is None or asleep:
            for queue_ in (*self._queues.values(), *self._workers.values()):
                queue_.clear_at = now
            return []
        silent = [name for name in self._queues if self._silent(name, signs.get(name), now)]
        for name in silent:
            self._queues[name].replaced_at = now
        return silent

    def look_at_each(self, now: float) -> list[str]:
        """The workers that should be replaced although others do the work of their queue."""
        found = [name for name in self._workers if self._silent_alone(name, now)]
        for name in found:
            self._workers[name].replaced_at = now
        return found

    def _silent_alone(self, name: str, now: float) -> bool:
        age_seconds, sign = self.supervisor.age_seconds(name), left.last(name)
        return self._workers[name].silent(sign, age_seconds, now, WORKER_SILENCE_MAX_SECONDS)

    def _silent(self, name: str, sign: object, now: float) -> bool:
        age_seconds = max(map(self.supervisor.age_seconds, self.children[name]))
        return self._queues[name].silent(sign, age_seconds, now)


def _signs() -> Mapping[str, object] | None:
    """What is heard of each queue; None where a server is away, without which no worker can be heard."""
    try:
        signs = health.signs()
    except SQLAlchemyError:
        return None
    finally:
        db.engine().dispose()  # the supervisor keeps no connection
    return signs if redis_answers(settings().redis_url or "") else None
