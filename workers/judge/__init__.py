"""The judges: a brief in, opinions out. None of them knows of a database, a queue or money."""

from models.settings import settings
from workers.judge.local import LocalJudge
from workers.judge.protocol import Judge
from workers.judge.unruly import UnrulyJudge

# A drop that was handed out so often, twenty seconds apart in the end, is decided offline: never stuck.
PATIENCE = 6


def chosen(attempts: int = 0) -> Judge:
    """The judge that this installation decides with, or the local one after `attempts` in vain."""
    if settings().judge == "unruly" and attempts < PATIENCE:
        return UnrulyJudge(settings().data)
    return LocalJudge()
