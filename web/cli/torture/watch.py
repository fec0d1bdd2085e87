"""The invariants, from a read-only snapshot: each second while the system is under fire, and at the end."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from models import db, ledger, settlement
from models.schema import Ballot, Drop
from models.states import TERMINAL, TRANSITIONS, Status
from web.cli.torture.target import Target
from workers.judge import unruly

LOOK_SECONDS = 1.0
SNAPSHOT_SECONDS = 15.0  # for one question over all rows of a run
# Whoever found a ballot missing may begin to judge it while another one stores it.
OVERLAP_SECONDS = 2.0

_SEALED = """
    SELECT j.id, j.winning_submission_id::text, j.grade, j.price_cents, j.fee_cents,
        array_agg(s.id::text || '/' || s.revision || '/' || coalesce(s.rank::text, '') ORDER BY s.id)
    FROM jobs j LEFT JOIN submissions s ON s.job_id = j.id
    WHERE j.status IN ('completed', 'verified', 'failed', 'cancelled') GROUP BY j.id"""
_ENTRIES = """
    SELECT job_id, array_agg(id::text || '/' || revision) FROM submissions GROUP BY job_id"""


@dataclass
class Watch:
    """What was seen so far. `breaches`: a sentence each, once; `snapshots`: how often it could look."""

    target: Target
    breaches: list[str] = field(default_factory=list)
    snapshots: int = 0
    _status: dict[UUID, Status] = field(default_factory=dict)
    _sealed: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Look each second, in a thread."""
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def look(self) -> bool:
        """One snapshot; False where the database does not answer."""
        try:
            with db.snapshot(SNAPSHOT_SECONDS) as session:
                found = list(self._broken(session))
        except SQLAlchemyError:
            return False
        self.snapshots += 1
        for breach in found:
            self.tell(breach)
        return True

    def tell(self, breach: str) -> None:
        """Note a breach, once."""
        if breach not in self.breaches:
            self.breaches.append(breach)

    def live(self) -> int | None:
        """How many drops have not ended; None where the database does not answer."""
        try:
            with db.transaction() as session:
                live = select(func.count()).select_from(Drop).where(Drop.status.not_in(TERMINAL))
                return session.scalars(live).one()
        except SQLAlchemyError:
            return None

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception as error:  # a watch that sleeps must not pass for one that saw nothing
                self.tell(f"the watch itself failed: {error!r}")

    def _broken(self, session: Session) -> Iterator[str]:
        yield from (f"{found.rule}: {found.detail}" for found in ledger.violations(session))
        status = {job_id: now for job_id, now in session.execute(select(Drop.id, Drop.status))}  # noqa: C416
        for job_id, before in self._status.items():
            now = status.get(job_id)
            if now is None or now not in _reachable(before):
                yield f"transition: drop {job_id} was {before}, and is {now}"
        sealed = {row[0]: tuple(row[1:]) for row in session.execute(text(_SEALED))}
        for job_id, row in self._sealed.items():
            if sealed.get(job_id, row) != row:
                yield f"decided twice: drop {job_id} was {row}, and is {sealed[job_id]}"
        self._status, self._sealed = status, sealed


def closing(target: Target, session: Session) -> Iterator[str]:
    """What can be said only when all is over: verdicts, windows, calls of the judge."""
    entries = {job_id: frozenset(found) for job_id, found in session.execute(text(_ENTRIES))}
    for frozen in target.frozen:
        if late := entries.get(frozen.job_id, frozenset()) - frozen.entries:
            yield f"window: {len(late)} entries of drop {frozen.job_id} came after its window"
    for job_id in settlement.misjudged(session):
        yield f"verdict: the ranks of drop {job_id} are not those of its ballots"
    yield from _repeated_calls(target, session)


def _repeated_calls(target: Target, session: Session) -> Iterator[str]:
    """No judge was asked for a ballot that was stored already."""
    stored = {digest: at for digest, at in session.execute(select(Ballot.input_hash, Ballot.created_at))}  # noqa: C416
    for digest, at in unruly.calls(target.system.data):
        late = at - stored[digest].timestamp() if digest in stored else 0.0
        if late > OVERLAP_SECONDS:
            yield f"repeated call: a judge was asked again {late:.1f} s after its answer was stored"


def _reachable(status: Status) -> set[Status]:
    """This status, and all that may follow it."""
    found, todo = {status}, [status]
    while todo:
        for following in TRANSITIONS[todo.pop()]:
            if following not in found:
                found.add(following)
                todo.append(following)
    return found
