"""The judges: a brief in, opinions out. None of them knows of a database, a queue or money."""

from models.panel import PATIENCE
from models.settings import settings
from workers.judge.local import LocalJudge
from workers.judge.protocol import Judge
from workers.judge.unruly import UnrulyJudge


def chosen(attempts: int = 0) -> Judge:
    """The judge that casts the ballots no model is asked for; after `attempts` in vain the local one."""
    if settings().judge == "unruly" and attempts < PATIENCE:
        return UnrulyJudge(settings().data)
    return LocalJudge()
