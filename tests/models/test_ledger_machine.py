"""The marketplace against a model of it in a hundred lines: whatever users do, the two agree."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid4

import psycopg2
import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.orm import Session

from models import accounts, arena, db, errors, ledger, market, settlement
from models.grades import Grade
from models.schema import User
from models.states import TERMINAL, Status
from tests.models import stages
from tests.support import let_time_pass

SLOTS, IDLE_CLAIMS, TTL, WINDOW, DAY = 2, 2, 300, 600, 86_400
FEE_BPS, FEE_FLAT = 1_000, 2
PRICES = (50, 90)
USERS = st.integers(0, 3)
COMPETITORS = st.sampled_from((1, 2, 3, 0))  # counted from the sender, who tries it too
STRANGERS = st.sampled_from((0, 0, 0, 1))
# All there is to compare after each step, in one question, which PostgreSQL has planned once. Days pass here
# without a sweep, so that drops are overdue.
STATE = """
    PREPARE state(uuid[]) AS WITH people AS (
        SELECT nth, (SELECT balance_cents::int FROM accounts WHERE user_id = person) AS wallet,
            (SELECT coalesce(sum(balance_cents), 0)::int FROM accounts JOIN jobs ON jobs.id = job_id
                WHERE sender_id = person) AS escrow
        FROM unnest($1) WITH ORDINALITY AS people(person, nth)
    )
    SELECT (SELECT json_agg(found) FROM audit_violations found WHERE rule <> 'overdue') AS violations,
        (SELECT array_agg(wallet ORDER BY nth) FROM people) AS wallets,
        (SELECT array_agg(escrow ORDER BY nth) FROM people) AS escrows,
        (SELECT json_object_agg(id, status) FROM jobs
            WHERE sender_id = ANY($1)) AS statuses
"""


@dataclass
class ModelDrop:
    """What a drop is, with a clock of its own that only the test turns."""

    id: UUID
    sender: int
    price: int
    min_grade: Grade | None
    status: Status = Status.PENDING_PAYMENT
    age: int = 0  # since it was made, and since it was opened, as far as whole hundreds go
    opened: int = 0
    paid: bool = False
    due: int = DAY
    cancelling: bool = False
    claims: dict[int, int] = field(default_factory=dict)  # user → age at which it runs out
    entries: list[int] = field(default_factory=list)

    @property
    def idle(self) -> dict[int, int]:
        live = self.status is Status.OPEN and self.age < self.closes
        return {user: ends for user, ends in self.claims.items() if live and ends > self.age}

    @property
    def closes(self) -> int:
        return self.opened + WINDOW

    @property
    def fee(self) -> int:
        return min(self.price * FEE_BPS // 10_000 + FEE_FLAT, self.price - 1)


class Market(RuleBasedStateMachine):
    """Drops and wallets as PostgreSQL holds them, and as a few lines of Python say they should be."""

    drops = Bundle("drops")
    eyes: ClassVar[psycopg2.extensions.connection]

    @initialize(target=drops)
    def begin(self) -> UUID:
        with db.transaction() as session:
            self.people = [self._person(session) for _ in range(4)]
        self.wallets = [150, 150, 150, 150]
        self.model: dict[UUID, ModelDrop] = {}
        self.looks = 0
        return self._post(0, 90, None)

    def _person(self, session: Session) -> User:
        user, _ = accounts.create_user(session, f"user-{uuid4().hex[:12]}")
        ledger.credit(session, user.id, 150, f"credit:{uuid4()}")
        return user

    # What users do

    @rule(user=USERS, cents=st.sampled_from((40, 100, 300)))
    def credit(self, user: int, cents: int) -> None:
        with db.transaction() as session:
            assert ledger.credit(session, self.people[user].id, cents, f"test:{uuid4()}")
        self.wallets[user] += cents

    @precondition(lambda self: len(self.model) < 4)  # few drops, so that much happens to each
    @rule(target=drops, user=USERS, price=st.sampled_from(PRICES), strict=st.booleans())
    def post(self, user: int, price: int, strict: bool) -> UUID:
        return self._post(user, price, "A" if strict else None)

    def _post(self, user: int, price: int, min_grade: Grade | None) -> UUID:
        draft = market.Draft(prompt="x", price_cents=price, time_limit_seconds=WINDOW, min_grade=min_grade)
        with db.transaction() as session:
            posted = market.post(session, self.people[user].id, draft)
            drop = ModelDrop(posted.drop.id, user, price, min_grade)
            assert posted.drop.fee_cents == drop.fee
        self.model[drop.id] = drop
        assert (posted.shortfall is None) == self._open(drop)
        return drop.id

    @rule(drop_id=drops, nth=STRANGERS)
    def pay(self, drop_id: UUID, nth: int) -> None:
        drop = self.model[drop_id]
        user = (drop.sender + nth) % 4
        refusal = self._hidden(drop, user)
        if not refusal and drop.status is Status.PENDING_PAYMENT and drop.age < DAY:
            refusal = None if self._open(drop) else errors.InsufficientBalance
        elif not refusal and drop.status is not Status.OPEN:
            refusal = errors.DropEnded
        self._expect(refusal, market.pay, user, drop_id)

    @rule(drop_id=drops, nth=STRANGERS)
    def cancel(self, drop_id: UUID, nth: int) -> None:
        drop = self.model[drop_id]
        user = (drop.sender + nth) % 4
        refusal = self._hidden(drop, user)
        if not refusal and drop.status is Status.PENDING_PAYMENT:
            drop.status = Status.CANCELLED
        elif not refusal and drop.status is Status.OPEN and drop.age < drop.closes:
            drop.cancelling = True
            self._settle_window(drop)
        elif not refusal:
            refusal = errors.NotCancellable
        self._expect(refusal, market.cancel, user, drop_id)

    @rule(drop_id=drops, nth=COMPETITORS)
    def claim(self, drop_id: UUID, nth: int) -> None:
        drop = self.model[drop_id]
        user = (drop.sender + nth) % 4
        refusal = self._refuses_claim(drop, user)
        if not refusal and user not in drop.entries:
            drop.claims[user] = min(drop.age + TTL, drop.closes)
        self._expect(refusal, arena.claim, user, drop_id)

    @rule(drop_id=drops, nth=COMPETITORS)
    def submit(self, drop_id: UUID, nth: int) -> None:
        drop = self.model[drop_id]
        user = (drop.sender + nth) % 4
        refusal = self._refuses_entry(drop, user)
        if not refusal and user not in drop.entries:
            drop.entries.append(user)
            drop.claims.pop(user, None)
        if not refusal:
            self._settle_window(drop)
        self._expect(refusal, arena.submit, user, drop_id, arena.Entry(text=f"{user}"))

    # What time does

    @rule(drop_id=drops, seconds=st.sampled_from((100, 200, 300, DAY)))
    def let_time_pass(self, drop_id: UUID, seconds: int) -> None:
        let_time_pass(drop_id, seconds)
        self.model[drop_id].age += seconds

    @rule()
    def sweep(self) -> None:
        owed: list[tuple[str, UUID]] = []
        settlement.sweep(lambda task, job_id: owed.append((task, job_id)))
        assert {drop.id for drop in self.model.values() if self._is_due(drop)} <= {id for _, id in owed}
        for task, drop_id in owed:
            if drop_id in self.model:
                self._carry_out(task, self.model[drop_id])

    @rule(drop_id=drops)
    def message_out_of_turn(self, drop_id: UUID) -> None:
        for task in ("expire", "close", "judge", "pay"):
            self._carry_out(task, self.model[drop_id])

    # What has to hold

    @invariant()
    def agree(self) -> None:
        with closing(self.eyes.cursor()) as cursor:
            cursor.execute("EXECUTE state(%s::uuid[])", ([str(who.id) for who in self.people],))
            violations, wallets, escrows, statuses = cursor.fetchone()
        assert violations is None
        assert wallets == self.wallets
        assert escrows == self._escrows()
        assert statuses == {str(id): drop.status for id, drop in self.model.items()}
        self.looks += 1
        if self.looks % 20 == 0:  # what stands there in one look, the ledger has to say in its own words
            self._agree_with_the_ledger()

    def _agree_with_the_ledger(self) -> None:
        with db.transaction() as session:
            audit = ledger.audit(session)
            assert [ledger.balance(session, who.id) for who in self.people] == self.wallets
            assert [ledger.escrowed(session, who.id) for who in self.people] == self._escrows()
        broken = [violation for violation in audit.violations if violation.rule != "overdue"]
        assert (broken, sum(audit.totals.values())) == ([], 0)

    # The model

    def _funded(self) -> list[ModelDrop]:
        paid_in = (Status.OPEN, Status.RANKING, Status.COMPLETED)
        return [drop for drop in self.model.values() if drop.status in paid_in]

    def _escrows(self) -> list[int]:
        return [sum(d.price for d in self._funded() if d.sender == user) for user in range(4)]

    def _open(self, drop: ModelDrop) -> bool:
        if self.wallets[drop.sender] < drop.price:
            return False
        self.wallets[drop.sender] -= drop.price
        drop.status, drop.opened, drop.paid = Status.OPEN, drop.age, True
        return True

    def _hidden(self, drop: ModelDrop, user: int) -> type[Exception] | None:
        if drop.sender == user:
            return None
        return errors.SendersOnly if user in {*drop.entries, *drop.idle} else errors.NotFound

    def _refuses_entry(self, drop: ModelDrop, user: int) -> type[Exception] | None:
        if not drop.paid:
            return errors.NotFound
        if drop.sender == user:
            return errors.OwnDrop
        if drop.status is not Status.OPEN or drop.age >= drop.closes:
            return errors.WindowClosed
        if user in {*drop.entries, *drop.idle}:
            return None
        if drop.cancelling:
            return errors.CancellationRequested
        return errors.ArenaFull if len(drop.entries) + len(drop.idle) >= SLOTS else None

    def _refuses_claim(self, drop: ModelDrop, user: int) -> type[Exception] | None:
        refusal = self._refuses_entry(drop, user)
        if refusal is errors.WindowClosed and drop.status is not Status.OPEN:
            return errors.DropNotOpen
        if refusal in (None, errors.ArenaFull) and user not in drop.entries:
            if user in drop.idle:
                return errors.CancellationRequested if drop.cancelling else None
            if sum(user in other.idle for other in self.model.values()) >= IDLE_CLAIMS:
                return errors.TooManyOpenClaims
        return refusal

    def _settle_window(self, drop: ModelDrop) -> None:
        nobody_left = drop.cancelling and not drop.idle
        if not (drop.age >= drop.closes or len(drop.entries) == SLOTS or nobody_left):
            return
        if drop.entries:
            drop.status, drop.due = Status.RANKING, drop.age + 2
        else:
            self._refund(drop, Status.CANCELLED if drop.cancelling else Status.FAILED)

    def _refund(self, drop: ModelDrop, to: Status) -> None:
        drop.status = to
        self.wallets[drop.sender] += drop.price

    def _is_due(self, drop: ModelDrop) -> bool:
        if drop.status in TERMINAL:
            return False
        if drop.status is Status.OPEN:
            return drop.age >= drop.closes or (drop.cancelling and not drop.idle)
        return drop.age >= drop.due

    def _carry_out(self, task: str, drop: ModelDrop) -> None:
        before = drop.status
        if task == "expire":
            with db.transaction() as session:
                settlement.expire(session, drop.id)
            if before is Status.PENDING_PAYMENT and drop.age >= DAY:
                drop.status = Status.CANCELLED
        elif task == "close":
            stages.close(drop.id)
            if before is Status.OPEN:
                self._settle_window(drop)
        elif task == "judge":
            stages.cast_all(drop.id)  # "B" for everyone; who comes first in the alphabet wins
            stages.rank(drop.id)
            if before is Status.RANKING and drop.min_grade:
                self._refund(drop, Status.FAILED)
            elif before is Status.RANKING:
                drop.status, drop.due = Status.COMPLETED, drop.age + 2
        elif task == "pay":
            stages.pay(drop.id)
            if before is Status.COMPLETED:
                drop.status = Status.VERIFIED
                self.wallets[min(drop.entries)] += drop.price - drop.fee

    def _expect(self, refusal: type[Exception] | None, do: Callable[..., Any], user: int, *args: Any) -> None:
        def act() -> None:
            with db.transaction() as session:
                do(session, self.people[user].id, *args)

        if refusal is None:
            act()
        else:
            with pytest.raises(errors.ClorpError) as refused:
                act()
            assert type(refused.value) is refusal


@pytest.fixture
def eyes(database):
    """A connection for what is looked at after each step."""
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        connection.cursor().execute(STATE)
        yield connection


def test_the_marketplace_agrees_with_its_model(settle, eyes, monkeypatch):
    monkeypatch.setattr(Market, "eyes", eyes, raising=False)
    settle(
        max_claims=SLOTS,
        max_idle_claims=IDLE_CLAIMS,
        claim_ttl_seconds=TTL,
        no_show_limit=0,
        max_pending_drops=1000,
        platform_fee_bps=FEE_BPS,
        platform_fee_flat_cents=FEE_FLAT,
    )
    rules = hypothesis_settings(
        max_examples=35,
        stateful_step_count=40,
        phases=[phase for phase in Phase if phase is not Phase.explain],  # takes minutes
    )
    run_state_machine_as_test(Market, settings=rules)
