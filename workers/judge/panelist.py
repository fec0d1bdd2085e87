"""A panel without a database: the rules of `models.panel` for one list of entries, in this process.

What `clorp judge-bench` measures and a rejudgement asks; a drop's own ballots are cast by the tasks. Calls
are made in waves: one for each ballot that is open, all at once, then the next.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from models import dealing, panel
from models.grades import Attached, Brief, Opinion, Verdict, aggregate, quorum
from models.packs import Pack
from models.panel import Answer, Asked, Stage
from workers.judge import llm
from workers.judge.local import LocalJudge

Ask = Callable[[Brief, str, str, int], Answer]  # as `llm.ask`


@dataclass(frozen=True)
class Cast:
    """A ballot. `model`: None where none was asked; `labels`: in the order that was read."""

    k: int
    judge: str
    model: str | None
    labels: Mapping[str, UUID]
    opinions: Mapping[UUID, Opinion]


@dataclass(frozen=True)
class Call:
    """A call, and how it ended."""

    k: int
    model: str
    answer: Answer


@dataclass
class Decision:
    """What a panel says, and how it came to that."""

    verdict: Verdict = field(default_factory=lambda: Verdict((), 0.0))
    stage: Stage = "first"
    contested: bool = False
    ballots: dict[int, Cast] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    @property
    def asked(self) -> list[Asked]:
        """The calls as the panel's rules count them."""
        return [Asked(call.k, call.model, call.answer.outcome) for call in self.calls]


@dataclass(frozen=True)
class Panel:
    """Who is to judge what.

    Args:
        name: of the list; its orders and labels derive from it and the entries.
        prompt: what was asked for.
        pack: which rubric counts.
        entries: each an id and its text, the earliest first.
        models: who is asked: none for the local judge, else a first and perhaps a second one.
        ask: how a model is asked.
        pool: what asks several at once; None: one after the other.
        files: of the entries that have any, as a judge sees them.
    """

    name: str
    prompt: str
    pack: Pack
    entries: Sequence[tuple[UUID, str]]
    models: Sequence[str] = ()
    ask: Ask = llm.ask
    pool: Executor | None = None
    files: Mapping[UUID, tuple[Attached, ...]] = field(default_factory=dict)

    def decide(self) -> Decision:
        """Ask until it is decided."""
        made: Decision = Decision()
        while stage := self._work(made):
            made.stage, made.contested = stage, made.contested or stage == "contested"
        return made

    def _work(self, made: Decision) -> Stage | None:
        """Ask all that this stage asks; the next stage, or None with the verdict."""
        n = len(self.entries)
        while self._wave(made):
            pass
        for k in self._missing(made):
            if k < n and panel.model(made.stage, k, n, self.models) is None:
                made.ballots[k] = self._locally(k)
        enough = len(made.ballots) >= quorum(n)
        if enough:
            opinions = [made.ballots[k].opinions for k in sorted(made.ballots)]
            made.verdict = aggregate(opinions, [key for key, _ in self.entries])
        agreement = made.verdict.agreement if enough else None
        if not self.models or made.stage == "local":
            return None
        askable = panel.has_calls("second", n, self.models, made.asked)
        return panel.following(made.stage, n, self.models, agreement, askable)

    def _missing(self, made: Decision) -> list[int]:
        return [k for k in panel.ballots(made.stage, len(self.entries)) if k not in made.ballots]

    def _wave(self, made: Decision) -> bool:
        """One call for each open ballot, as far as the drop may have them; whether any was made."""
        n = len(self.entries)
        begun, wave = made.asked, []
        for k in self._missing(made):
            who = panel.model(made.stage, k, n, self.models)
            if who and panel.is_open(made.stage, k, n, self.models, begun):
                tried = sum(call.k == k and call.model == who for call in begun)
                begun.append(Asked(k, who, running=True))  # it may be charged for
                wave.append((k, who, tried))
        mapped = self.pool.map if self.pool else map
        answers = list(mapped(self._asked, wave))
        for (k, who, _), answer in zip(wave, answers, strict=True):
            made.calls.append(Call(k, who, answer))
            if answer.outcome == "answered":
                made.ballots[k] = self._cast(k, llm.NAME, who, answer.opinions)
        time.sleep(max((answer.pause_seconds for answer in answers), default=0))
        return bool(wave)

    def _asked(self, turn: tuple[int, str, int]) -> Answer:
        k, who, tried = turn
        return self.ask(self._deal(k)[0], who, uuid4().hex, tried)

    def _locally(self, k: int) -> Cast:
        return self._cast(k, LocalJudge.name, None, LocalJudge().ballot(self._deal(k)[0]))

    def _cast(self, k: int, judge: str, who: str | None, opinions: Mapping[str, Opinion]) -> Cast:
        labels = self._deal(k)[1]
        return Cast(k, judge, who, labels, {labels[label]: opinion for label, opinion in opinions.items()})

    def _deal(self, k: int) -> tuple[Brief, dict[str, UUID]]:
        seed = dealing.seed(self.name, self.entries)
        brief, labels = dealing.deal(seed, k, self.prompt, self.pack, self.entries)
        return brief.with_files({label: self.files.get(key, ()) for label, key in labels.items()}), labels
