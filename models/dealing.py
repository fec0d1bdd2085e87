"""How entries are dealt to a judge: in which order, under which labels. Pure, and the same each time.

The first n ballots show every entry once in every place, and the second n do so in other orders. That leaves
who stands before whom. So they are no mere shifts of one shuffle, in which an entry would come before its
neighbour almost always, but a Williams design, in which it does so in about half of them.
"""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

from models.grades import Brief, Candidate
from models.packs import Pack
from models.texts import judged

Key = TypeVar("Key")

_LABELS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no letters that look alike
_PAIRS = [a + b for a in _LABELS for b in _LABELS]


def name(job_id: object, secret: str | None) -> str:
    """What a drop is dealt as: its id and its secret; the id alone from before there were secrets.

    Without a secret, labels would tell a competitor whether they guessed the text of another entry right.
    """
    return f"{job_id}\0{secret}" if secret else str(job_id)


def seed(name: str, entries: Sequence[tuple[object, str]]) -> str:
    """What shuffle and labels derive from: a name and the entries, each an id and its text.

    The same when a message is redelivered.
    """
    told = [name, *(f"{key}:{text}" for key, text in entries)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def places(entries: int, k: int) -> list[int]:
    """The k-th order, as places in the shuffle: from the k-th on 0, 1, -1, 2 …, later 0, -1, 1 …."""
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(entries)]
    way = 1 if k < entries else -1
    return [(k + way * step) % entries for step in zigzag]


def deal(
    seed: str, k: int, prompt: str, pack: Pack, entries: Sequence[tuple[Key, str]]
) -> tuple[Brief, dict[str, Key]]:
    """The brief of the k-th ballot, and which entry each label stands for, in the order to be read.

    The judge reads NFC, so that texts that differ only in their normal form are equal. The seed comes from
    the texts as they were sent.
    """
    # Not drawn from entropy: reproducible on purpose, so that a receipt can be checked.
    shuffled = Random(seed).sample(list(entries), len(entries))  # noqa: S311
    order = [shuffled[place] for place in places(len(entries), k)]
    labels = Random(f"{seed}:{k}").sample(_PAIRS, len(order))  # noqa: S311
    brief = Brief(
        prompt=judged(prompt),
        pack=pack,
        candidates=tuple(
            Candidate(label, judged(text)) for label, (_, text) in zip(labels, order, strict=True)
        ),
    )
    return brief, {label: key for label, (key, _) in zip(labels, order, strict=True)}
