"""Plants the bug that PLANTED_BUG names in the processes of a system under torture.

Python imports this by itself when the folder is on its path: each bug rewrites a function of ours when the
module that holds it is imported, and where PostgreSQL would refuse the outcome, takes that wall away, too.
"""

import os
import sys
import time
from importlib.machinery import PathFinder, SourceFileLoader
from uuid import uuid4

SLOW_SECONDS = 0.3  # long enough for whoever else is at it to come in between

# The walls that PostgreSQL has behind settling.
NO_WALLS = """
    DROP TRIGGER jobs_guard ON jobs;
    DROP TRIGGER jobs_escrow ON jobs;
    DROP TRIGGER transfers_escrow ON transfers;
    DROP INDEX transfers_one_hold, transfers_one_end, transfers_one_fee, events_last;
    ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check;
"""


class Planter:
    """Lets a module be imported as always, and then hands it to the bug."""

    def __init__(self, bugs):
        self.bugs = bugs

    def find_spec(self, name, path=None, target=None):
        plant = self.bugs.get(name)
        spec = PathFinder.find_spec(name, path) if plant else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            load = spec.loader.exec_module

            def planted(module):
                load(module)
                plant(module)

            spec.loader.exec_module = planted
        return spec


def no_walls(migrate):
    """Once the schema is there, take its walls away."""
    upgrade = migrate.upgrade

    def weaker():
        from sqlalchemy import text

        from models import db

        outcome = upgrade()
        with db.transaction() as session:
            session.execute(text(NO_WALLS))
        return outcome

    migrate.upgrade = weaker


# Settling without its lock ---------------------------------------------------------------------


def no_lock(lifecycle):
    def lock(session, job_id):
        from models.schema import Drop

        return session.get(Drop, job_id, populate_existing=True)

    lifecycle.lock = lock


def no_key(ledger):
    transfer, release = ledger._transfer, ledger.release
    ledger._transfer = lambda session, key, *rest: transfer(session, f"{key}:{uuid4()}", *rest)

    def slowly(session, drop, winner_id):
        time.sleep(SLOW_SECONDS)
        release(session, drop, winner_id)

    ledger.release = slowly


# A broker that is believed ----------------------------------------------------------------------


def early_acks(celeryconfig):
    celeryconfig.task_acks_late = celeryconfig.task_reject_on_worker_lost = False


def no_sweep(settlement):
    settlement.sweep = lambda publish: settlement.Counter()


# The clock before the lock ----------------------------------------------------------------------


def early_clock(arena):
    enter = arena._enter

    def early(session, *rest):
        at = arena.db.now(session)
        drop, _, agent = enter(session, *rest)
        return drop, at, agent

    arena._enter = early


# A cancel that looks at nobody's work -----------------------------------------------------------


def careless_cancel(market):
    cancel = market.cancel

    def careless(session, user_id, job_id):
        drop = market.lifecycle.lock(session, job_id)
        if drop.status is not market.Status.OPEN or drop.sender_id != user_id:
            return cancel(session, user_id, job_id)
        market.ledger.refund(session, drop)
        market.lifecycle.move(session, drop, market.Status.CANCELLED, market.db.now(session))
        return drop, False

    market.cancel = careless


# An answer that is kept after its effect --------------------------------------------------------


def loose_key(replay):
    keep = replay.replay.keep

    def loose(session, *rest):
        session.flush()
        session.commit()
        time.sleep(SLOW_SECONDS)  # whoever dies here has an effect without its answer
        from sqlalchemy import text

        session.execute(text("SELECT pg_current_xact_id()"))
        keep(session, *rest)

    replay.replay.keep = loose


# Results that are believed ----------------------------------------------------------------------


def trusting_rank(tasks):
    from dataclasses import asdict

    from celery import chord

    from models import db, settlement
    from models.grades import Opinion

    def ballot(job_id, k):
        with db.transaction() as session:
            assignment = settlement.assign(session, tasks.UUID(job_id), k)
        if assignment is None:
            return None
        time.sleep(SLOW_SECONDS)
        judge = tasks.judges.chosen()
        answer = judge.ballot(assignment.brief)
        with db.transaction() as session:
            settlement.record(session, tasks.UUID(job_id), k, judge.name, assignment, answer, 1)
        return {str(assignment.entries[label]): asdict(opinion) for label, opinion in answer.items()}

    def rank(results, job_id=None):
        believed = [result for result in results if result] if job_id else []
        decide = settlement.decide

        def trusting(session, job, entries):
            if len(believed) < len(entries):
                return decide(session, job, entries)
            ballots = [{tasks.UUID(e): Opinion(**o) for e, o in result.items()} for result in believed]
            return settlement.aggregate(ballots, [entry.id for entry in entries])

        settlement.decide = trusting
        try:
            with db.transaction() as session:
                status = settlement.rank(session, tasks.UUID(job_id or results))
        finally:
            settlement.decide = decide
        if status is tasks.Status.COMPLETED:
            tasks.publish("pay", job_id or results)

    def judge(job_id):
        with db.transaction() as session:
            missing = settlement.ballots_missing(session, tasks.UUID(job_id))
        if missing:
            chord([tasks.ballot.si(job_id, k) for k in missing])(tasks.rank.s(job_id))
        elif missing is not None:
            tasks.rank.delay(job_id)

    tasks.rank.typing = False  # else Celery holds it to the arguments it had
    tasks.ballot.run, tasks.rank.run, tasks.judge.run = ballot, rank, judge


BUGS = {
    "no-lock": {"models.migrate": no_walls, "models.lifecycle": no_lock, "models.ledger": no_key},
    "early-acks": {"celeryconfig": early_acks, "models.settlement": no_sweep},
    "early-clock": {"models.arena": early_clock},
    "careless-cancel": {"models.migrate": no_walls, "models.market": careless_cancel},
    "loose-key": {"web.replay": loose_key},
    "trusting-rank": {"workers.tasks": trusting_rank},
}

if bug := os.environ.get("PLANTED_BUG"):
    sys.meta_path.insert(0, Planter(BUGS[bug]))
