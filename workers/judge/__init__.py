"""The judges: a brief in, opinions out. None of them knows of a database, a queue or money."""

from workers.judge.local import LocalJudge
from workers.judge.protocol import Judge


def chosen() -> Judge:
    """The judge that this installation decides with."""
    return LocalJudge()
