"""How entries are dealt to a judge: in which order, under which labels. Pure, and the same each time.

The orders of the first n ballots are the cyclic shifts of one shuffle, so that every entry stands once in
every place; those of a second round are the shifts of its reverse, so that it has other neighbours, too.
"""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

from models.grades import Brief, Candidate
from models.packs import Pack

Key = TypeVar("Key")

_LABELS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no letters that look alike
_PAIRS = [a + b for a in _LABELS for b in _LABELS]


def seed(job_id: object, entries: Sequence[tuple[object, str]]) -> str:
    """What shuffle and labels derive from: the entries themselves, each an id and its text.

    The same when a message is redelivered, and unknown to a competitor, who cannot see the others'.
    """
    told = [str(job_id), *(f"{key}:{text}" for key, text in entries)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def deal(
    seed: str, k: int, prompt: str, pack: Pack, entries: Sequence[tuple[Key, str]]
) -> tuple[Brief, dict[str, Key]]:
    """The brief of the k-th ballot, and which entry each label stands for, in the order to be read."""
    # Not drawn from entropy: reproducible on purpose, so that a receipt can be checked.
    order = Random(seed).sample(list(entries), len(entries))  # noqa: S311
    if k >= len(order):
        order.reverse()
    first = k % len(order)
    order = order[first:] + order[:first]
    labels = Random(f"{seed}:{k}").sample(_PAIRS, len(order))  # noqa: S311
    brief = Brief(
        prompt=prompt,
        pack=pack,
        candidates=tuple(Candidate(label, text) for label, (_, text) in zip(labels, order, strict=True)),
    )
    return brief, {label: key for label, (key, _) in zip(labels, order, strict=True)}
