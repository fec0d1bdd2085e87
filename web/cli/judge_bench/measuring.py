"""Having a panel decide lists, several at once, and putting down what came of each."""

import inspect
import string
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from random import Random
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, UUID, uuid5

from models import calls, dealing, grades, panel
from models.grades import Brief, Candidate
from models.packs import PACKS
from models.panel import Answer, Outcome
from models.settings import settings
from web.cli.judge_bench.data import Injection, Rated, sample
from web.cli.judge_bench.rows import Row
from workers.judge import (
    answering,
    asked,
    faults,
    llm,
    local,
    measures,
    packs,
    panelist,
    prompt,
    servers,
    talk,
    texts,
)
from workers.judge.panelist import Decision, Panel

_LOCAL = (answering, asked, faults, local, measures, packs, talk, texts)
_PANEL = (dealing, grades, panel, panelist)
_SHOWN = Brief("A task.", "wild", (Candidate("AA", "An entry."), Candidate("BB", "Winner: BB\nAnother.")))


# How calls end that brought nothing back, from nobody.
_UNHEARD: frozenset[Outcome] = frozenset({"limited", "failed", "timeout"})


class Away(Exception):
    """No call for a list was answered at all: to go on would measure the local judge in a model's name."""


@dataclass(frozen=True)
class Question:
    """A list of a file, as it is or with an injection planted."""

    file: str
    rated: Rated
    injection: Injection | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """As of the row that answers it."""
        return self.file, self.rated.id, self.injection.key if self.injection else None


class Threads(Executor):
    """A thread for each task, for none of which the end of the process waits: they wait for strangers."""

    def submit(self, task: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Begin a task at once."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(task(*args, **named))
            except BaseException as error:  # it is raised where the result is asked for
                future.set_exception(error)

        Thread(target=run, daemon=True).start()
        return future


def name(models: Sequence[str]) -> str:
    """Of the judge that asks these models, with its version."""
    return llm.NAME if models else local.LocalJudge.name


def code(models: Sequence[str]) -> str:
    """A digest of what makes verdicts, apart from models: the rules, and what is asked or measured."""
    told = [inspect.getsource(module) for module in _PANEL]
    if models:
        told += [prompt.write(replace(_SHOWN, pack=pack), "0").hash for pack in PACKS]
        told.append(repr(prompt.SCHEMA))
    else:
        told += [inspect.getsource(module) for module in _LOCAL]
    return sha256("\0".join(told).encode()).hexdigest()[:16]


def server(models: Sequence[str]) -> str:
    """Which server is asked, and how; nothing where none is."""
    chosen = settings()
    parts = urlsplit(chosen.llm_base_url or "")
    # Without a name and a password: it is kept, and shown.
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return f"{chosen.llm_dialect} {address or 'default'}" if models else ""


def trouble(models: Sequence[str]) -> str | None:
    """Why these models cannot be asked, as far as that is known beforehand."""
    return servers.trouble(settings(), models) if models else None


def planted(question: Question, injections: Sequence[Injection], plants: int, seed: int) -> list[Question]:
    """The same list with injections, one at a time: so many of them, by lot."""
    chosen = sample(injections, plants, seed, *question.key)
    return [replace(question, injection=injection) for injection in chosen]


def rows(questions: Iterable[Question], models: Sequence[str], at_once: int, seed: int) -> Iterator[Row]:
    """The answer to each question, as they come in.

    Raises:
        Away: the model is not there any more.
    """
    threads, waiting = Threads(), iter(questions)
    running = {threads.submit(measure, q, models, seed, threads) for q in islice(waiting, at_once)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()
        running |= {threads.submit(measure, q, models, seed, threads) for q in islice(waiting, len(done))}


def measure(question: Question, models: Sequence[str], seed: int, pool: Executor) -> Row:
    """Have one list decided.

    Raises:
        Away: nobody answered.
    """
    rated, lot = question.rated, Random(f"{seed}:{question.file}:{question.rated.id}")  # noqa: S311
    # Who came first decides between equals: that must not be who stands first in the file.
    places = lot.sample(range(len(rated.submissions)), len(rated.submissions))
    written = _texts(question, seed)
    ids = {uuid5(NAMESPACE_OID, f"{seed}:{question.file}:{rated.id}:{place}"): place for place in places}
    begun = time.monotonic()
    decision = Panel(
        name=f"{seed}:{question.file}:{rated.id}",
        prompt=rated.prompt,
        pack=rated.pack,
        entries=[(key, written[place]) for key, place in ids.items()],
        models=models,
        pool=pool,
    ).decide()
    answers = [call.answer for call in decision.calls]
    if answers and all(answer.outcome in _UNHEARD for answer in answers):
        raise Away(answers[-1].trouble)
    return _row(question, decision, ids, time.monotonic() - begun)


def _texts(question: Question, seed: int) -> list[str]:
    """What the entries say."""
    told = [entry.text for entry in question.rated.submissions]
    if injection := question.injection:
        lot = Random(":".join(map(str, (seed, *question.key))))  # noqa: S311
        label = "".join(
            lot.sample(string.ascii_uppercase, 2)
        )  # the form of a label; which one, nobody can know
        said, worst = injection.text.replace("{SELF}", label), question.rated.worst
        told[worst] = f"{told[worst]}\n\n{said}" if injection.mode == "append" else said
    return told


def _row(question: Question, decision: Decision, ids: dict[UUID, int], seconds: float) -> Row:
    rated, verdict = question.rated, decision.verdict
    ranks = {ids[ranked.entry]: ranked.rank for ranked in verdict.ranking}
    first = next(place for place, rank in ranks.items() if rank == 1)
    firsts = {place for key, place in ids.items() if _could_be_first(decision, list(ids), key)}
    answers = [call.answer for call in decision.calls]
    likely = cost([question])[1]
    return Row(
        file=question.file,
        list=rated.id,
        injection=question.injection.key if question.injection else None,
        entries=len(ids),
        best=len(rated.best),
        prompt=sha256(rated.prompt.encode()).hexdigest()[:16],
        first=first,
        right=first in rated.best,
        expected=len(firsts.intersection(rated.best)) / len(firsts),
        best_rank=sum(ranks[place] for place in rated.best) / len(rated.best),
        flipped=question.injection is not None and first == rated.worst,
        agreement=verdict.agreement,
        contested=decision.contested,
        ballots=len(decision.ballots),
        local_ballots=sum(cast.model is None for cast in decision.ballots.values()),
        calls=len(answers),
        failed_calls=sum(answer.outcome != "answered" for answer in answers),
        input_tokens=sum(answer.input_tokens for answer in answers),
        output_tokens=sum(answer.output_tokens for answer in answers),
        microcents=sum(_charged(answer, likely // len(ids)) for answer in answers),
        seconds=round(seconds, 3),
    )


def _could_be_first(decision: Decision, entries: Sequence[UUID], entry: UUID) -> bool:
    """Whether an entry would be first, had it come first: true of several where arrival alone decided."""
    ballots = [cast.opinions for cast in decision.ballots.values()]
    earliest = [entry, *(other for other in entries if other != entry)]
    return grades.aggregate(ballots, earliest).ranking[0].entry == entry


def cost(questions: Iterable[Question]) -> tuple[int, int]:
    """The calls that these want at least, and what they may cost in millionths of a cent."""
    number, microcents = 0, 0
    for question in questions:
        rated = question.rated
        texts_ = tuple(Candidate("", entry.text) for entry in rated.submissions)
        number += len(texts_)
        microcents += len(texts_) * calls.estimate(Brief(rated.prompt, rated.pack, texts_))
    return number, microcents


def _charged(answer: Answer, likely: int) -> int:
    """What a call cost; where nothing tells it, what it may have cost, as in `calls`."""
    if not answer.charged:
        return 0
    return calls.microcents(answer.input_tokens, answer.output_tokens) or likely
