"""What clients were promised by answers of 2xx, held against the database in the end."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.schema import Claim, Drop, Submission
from models.settlement import BELOW_MIN_GRADE
from models.states import Status


@dataclass
class Promises:
    """Everything that the API said it had done; usable from many threads."""

    posted: dict[str, UUID | None] = field(default_factory=dict)  # by prompt; None: nobody knows
    entries: dict[tuple[UUID, UUID], str | None] = field(default_factory=dict)  # by drop and user; likewise
    claims: set[UUID] = field(default_factory=set)
    cancelled: set[UUID] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def post(self, prompt: str, job_id: UUID | None) -> None:
        """A drop was posted, or, with None, may have been."""
        with self._lock:
            self.posted[prompt] = job_id

    def entry(self, job_id: UUID, user_id: UUID, body: str | None) -> None:
        """An entry was taken with this body, or, with None, may have been."""
        with self._lock:
            self.entries[job_id, user_id] = body

    def broken(self, session: Session) -> Iterator[str]:
        """A sentence for each promise that the database does not keep."""
        found = session.execute(select(Drop.prompt, Drop.id, Drop.status, Drop.failure_reason))
        drops = list(found)
        yield from self._broken_posts(Counter(d.prompt for d in drops), {d.id for d in drops})
        status = {d.id: d.status for d in drops}
        for job_id in self.cancelled:
            if status.get(job_id) is not Status.CANCELLED:
                yield f"drop {job_id} was cancelled, and is {status.get(job_id)}"
        claims = set(session.scalars(select(Claim.id)))
        yield from (f"claim {claim} was granted, and is not there" for claim in self.claims - claims)
        unpaid = {d.id: "cancelled" for d in drops if d.status is Status.CANCELLED}
        unpaid |= {d.id: d.failure_reason for d in drops if d.failure_reason not in (None, BELOW_MIN_GRADE)}
        yield from self._broken_entries(session, unpaid)

    def _broken_posts(self, stored: Counter[str], there: set[UUID]) -> Iterator[str]:
        for prompt, job_id in self.posted.items():
            if job_id is not None and job_id not in there:
                yield f"drop {job_id} was posted, and is not there"
            if stored[prompt] > 1:
                yield f"“{prompt}” was posted once, and is there {stored[prompt]} times"

    def _broken_entries(self, session: Session, unpaid: dict[UUID, str]) -> Iterator[str]:
        """`unpaid`: the drops that ended without a word on what was handed in, and as what."""
        found = session.execute(select(Submission.job_id, Submission.user_id, Submission.body))
        stored = {(job_id, user_id): body for job_id, user_id, body in found}
        for (job_id, user_id), body in self.entries.items():
            if body is not None and stored.get((job_id, user_id)) != body:
                yield f"the entry of {user_id} in drop {job_id} was taken, and is not what is stored"
            elif body is not None and job_id in unpaid:
                yield f"the entry of {user_id} in drop {job_id} was taken, and the drop is {unpaid[job_id]}"
