"""A receipt, worked out anew from the entries: all of it that needs no model.

Pure: the API's documents in, findings out. What cannot be checked is a finding, too, and says why.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from models import dealing
from models.grades import Attached, Brief, Grade, Opinion, Verdict, aggregate, meets, unusable
from models.panel import CONTESTED_BELOW, RAW_MAX
from models.texts import judged
from workers.judge import account, llm, prompt
from workers.judge.dialects import Malformed
from workers.judge.findings import Finding, close, legible, same, unknown
from workers.judge.local import LocalJudge, assess

Json = Mapping[str, Any]

SEALED = "sealed from you"
REMOVED = "removed since: the drop ended without a payout"
FILES = "the judge has read files of text that hang on the entries, and they are not here"


@dataclass(frozen=True)
class Known:
    """An entry that the reader may read: its text and the API's rows of its files.

    `with_texts`: some of its files are text, which the judge may have read and which is not here. `removed`:
    the names of those whose bytes the server no longer has.
    """

    text: str
    files: Sequence[Json] = ()
    with_texts: bool = False
    removed: Sequence[str] = ()

    @property
    def attached(self) -> tuple[Attached, ...]:
        """The files as a judge sees those that are no text."""
        return tuple(Attached(file["name"], file["content_type"], file["size"]) for file in self.files)


def verify(receipt: Json, job: Json, known: Mapping[str, Known]) -> list[Finding]:
    """Everything a receipt says, against what it should say.

    Args:
        receipt: as `GET /api/jobs/<id>/receipt` answers.
        job: as `GET /api/jobs/<id>` answers.
        known: the entries that may be read, by id.
    """
    case = _Case(receipt, job, known)
    return [
        *legible("drop", _drop(case)),
        *legible("texts", _texts(case)),
        *legible("entries", _arrivals(case)),
        *legible("ballots", _ballots(case)),
        *legible("ballots", account.ballots(receipt)),
        *legible("calls", account.calls(receipt)),
        *legible("verdict", _verdict(case)),
        *legible("drop", _outcome(case)),
    ]


def verdict_of(receipt: Json) -> Verdict:
    """The verdict that the ballots of a receipt come to."""
    ballots = [
        {UUID(vote["submission_id"]): _opinion(vote) for vote in ballot["votes"]}
        for ballot in receipt["ballots"]
    ]
    return aggregate(ballots, [UUID(entry["submission_id"]) for entry in _by_arrival(receipt)])


def _opinion(vote: Json) -> Opinion:
    return Opinion(vote["place"], vote["grade"], vote["rationale"] or "")


@dataclass(frozen=True)
class _Case:
    """A receipt beside the drop and the entries it is about."""

    receipt: Json
    job: Json
    known: Mapping[str, Known]

    @cached_property
    def dealt(self) -> list[tuple[str, str]]:
        """Every entry's id and text, in order of arrival; nothing where one may not be read."""
        order = [entry["submission_id"] for entry in _by_arrival(self.receipt)]
        if not all(key in self.known for key in order):
            return []
        return [(key, self.known[key].text) for key in order]

    @cached_property
    def with_texts(self) -> bool:
        return any(entry.with_texts for entry in self.known.values())

    @cached_property
    def entries(self) -> int:
        return len(self.receipt["entries"])

    def brief(self, k: int) -> tuple[Brief, dict[str, str]]:
        """What the k-th ballot is about, and which entry each label stands for."""
        name = dealing.name(self.job["id"], self.receipt.get("deal_secret"))
        seed = dealing.seed(name, self.dealt)
        brief, labels = dealing.deal(seed, k, self.job["prompt"], self.job["pack"], self.dealt)
        return brief.with_files({label: self.known[key].attached for label, key in labels.items()}), labels


def _drop(case: _Case) -> Iterator[Finding]:
    """It is about this drop, as far as it came, and about all of its entries."""
    receipt, status = case.receipt, case.job["status"]
    yield same("drop", "id", receipt["job_id"], case.job["id"])
    if receipt["status"] == "completed" and status == "verified":  # paid since the receipt was read
        status = "completed"
    yield same("drop", "status", receipt["status"], status)
    told = [entry["submission_id"] for entry in receipt["entries"]]
    yield same("entries", "number", len(set(told)), case.job["submissions_count"])
    yield same("entries", "each once", len(told), len(set(told)))
    yield same("entries", "left out", [], sorted(case.known.keys() - set(told)))


def _texts(case: _Case) -> Iterator[Finding]:
    """The hashes of what was read."""
    yield same("prompt", "hash", case.receipt["prompt_sha256"], _sha256(case.job["prompt"]))
    for entry in case.receipt["entries"]:
        about, key = f"entry {entry['rank']}", entry["submission_id"]
        if key in case.known:
            yield same(about, "hash", entry["sha256"], _sha256(case.known[key].text))
            yield from (unknown(about, f"file {name}", REMOVED) for name in case.known[key].removed)
        else:
            yield unknown(about, "hash", SEALED)


def _arrivals(case: _Case) -> Iterator[Finding]:
    """Who came first: numbered without a gap, as the times of the last revisions say."""
    order = _by_arrival(case.receipt)
    numbers, times = ([entry[field] for entry in order] for field in ("arrival", "revised_at"))
    yield same("entries", "arrival", numbers, list(range(1, case.entries + 1)))
    yield same("entries", "last revisions in that order", times, sorted(times))


def _ballots(case: _Case) -> Iterator[Finding]:
    for place, ballot in enumerate(case.receipt["ballots"]):
        yield from legible(f"ballot {place}", _ballot(case, ballot))


def _ballot(case: _Case, ballot: Json) -> Iterator[Finding]:
    about = f"ballot {ballot['k']}"
    told = {vote["label"]: vote["submission_id"] for vote in ballot["votes"]}
    opinions = {vote["submission_id"]: _opinion(vote) for vote in ballot["votes"]}
    wrong = unusable(opinions, [entry["submission_id"] for entry in case.receipt["entries"]])
    yield same(about, "one vote on every entry", wrong, None)
    yield same(about, "votes and labels", [len(ballot["votes"]), len(told)], [case.entries] * 2)
    if not case.dealt:
        yield same(about, "order", list(told.values()), _ordered(case.receipt, ballot["k"]))
        yield from (unknown(about, what, SEALED) for what in ("labels", "input"))
        yield from _opinions_apart(case, ballot, about)
        return
    brief, labels = case.brief(ballot["k"])
    yield same(about, "order", list(told.values()), list(labels.values()))
    yield same(about, "labels", list(told), list(labels))
    yield same(about, "input", ballot["input_sha256"], _input_hash(case, brief, labels))
    yield from _by_model(case, ballot, brief) if ballot["model"] else _by_local(case, ballot, brief)


def _by_model(case: _Case, ballot: Json, brief: Brief) -> Iterator[Finding]:
    """The request as it must have been, and the ballot as it was said."""
    about = f"ballot {ballot['k']}"
    if ballot["judge"] != llm.NAME:
        yield unknown(about, "request", f"it was written by {ballot['judge']}, this is {llm.NAME}")
    elif case.with_texts:
        yield unknown(about, "request", FILES)
    elif not ballot["call_id"]:
        yield Finding(about, "request", "differs", None, "the number in it, which is yours to read")
    else:
        written = prompt.write(brief, UUID(ballot["call_id"]).hex)
        yield same(about, "request", ballot["prompt_sha256"], written.hash)
    yield from _said(case, ballot, brief)
    yield unknown(about, "what the model said", f"needs the model {ballot['model']}")


def _said(case: _Case, ballot: Json, brief: Brief) -> Iterator[Finding]:
    """The votes, out of what the model said. Whether a reason quotes a file cannot be seen from here."""
    about, raw = f"ballot {ballot['k']}", ballot["raw"] or ""
    try:
        opinions = llm.opinions_of(raw, brief)
        if case.with_texts:
            told = {label: vote[:2] for label, vote in _votes(ballot).items()}
            found = {label: [o.place, o.grade] for label, o in sorted(opinions.items())}
            yield same(about, "places and grades", told, found)
            yield unknown(about, "reasons", FILES)
        else:
            yield from _opinions(ballot, opinions)
    except Malformed as wrong:
        if len(raw) == RAW_MAX:
            yield unknown(about, "votes", f"only {RAW_MAX} characters of what the model said were kept")
        else:
            yield Finding(about, "votes", "differs", _votes(ballot), f"no ballot: {wrong}")


def _by_local(case: _Case, ballot: Json, brief: Brief) -> Iterator[Finding]:
    """The ballot of the judge that answers the same each time."""
    about, judge = f"ballot {ballot['k']}", LocalJudge()
    if ballot["judge"] != judge.name:
        yield unknown(about, "votes", f"needs the judge {ballot['judge']}, this is {judge.name}")
    elif case.with_texts:
        yield unknown(about, "votes", FILES)
    else:
        yield from _opinions(ballot, judge.ballot(brief))


def _opinions_apart(case: _Case, ballot: Json, about: str) -> Iterator[Finding]:
    """Where not all may be read: what the local judge says of each entry by itself."""
    if ballot["model"] or ballot["judge"] != LocalJudge.name:
        yield unknown(about, "votes", SEALED)
        return
    yield unknown(about, "places", SEALED)
    for vote in ballot["votes"]:
        entry, of = case.known.get(vote["submission_id"]), f"{about}, {vote['label']}"
        if entry is None:
            yield unknown(of, "grade and reason", SEALED)
        elif entry.with_texts:
            yield unknown(of, "grade and reason", FILES)
        else:
            worth = assess(judged(case.job["prompt"]), case.job["pack"], judged(entry.text))
            said = [vote["grade"], vote["rationale"]]
            yield same(of, "grade and reason", said, [worth.grade, worth.rationale])


def _opinions(ballot: Json, opinions: Mapping[str, Opinion]) -> Iterator[Finding]:
    found = {label: [o.place, o.grade, o.rationale] for label, o in sorted(opinions.items())}
    yield same(f"ballot {ballot['k']}", "votes", _votes(ballot), found)


def _votes(ballot: Json) -> dict[str, list[Any]]:
    told = {vote["label"]: [vote["place"], vote["grade"], vote["rationale"]] for vote in ballot["votes"]}
    return dict(sorted(told.items()))


def _verdict(case: _Case) -> Iterator[Finding]:
    """Ranks, grades, scores and reasons, as the ballots give them."""
    verdict = verdict_of(case.receipt)
    entries = {entry["submission_id"]: entry for entry in case.receipt["entries"]}
    for ranked in verdict.ranking:
        said, about = entries[str(ranked.entry)], f"entry {entries[str(ranked.entry)]['rank']}"
        yield same(about, "rank", said["rank"], ranked.rank)
        yield same(about, "grade", said["grade"], ranked.grade)
        yield close(about, "score", said["score"], ranked.score)
        if said["rationale"] is None and str(ranked.entry) not in case.known:
            yield unknown(about, "reason", SEALED)
        else:
            yield same(about, "reason", said["rationale"], ranked.rationale)
    yield close("verdict", "agreement", case.receipt["agreement"], verdict.agreement)
    doubted = case.entries > 1 and verdict.agreement < CONTESTED_BELOW
    contested = doubted or case.receipt["stage"] == "contested"
    yield same("verdict", "contested", case.receipt["contested"], contested)


def _outcome(case: _Case) -> Iterator[Finding]:
    """The drop, as the best entry makes it end."""
    best = min(case.receipt["entries"], key=lambda entry: entry["rank"])
    yield same("drop", "best rank", best["rank"], 1)
    least: Grade | None = case.job["min_grade"]
    if least and not meets(best["grade"], least):
        yield same("drop", "ended", case.job["failure_reason"], "below_min_grade")
        yield same("drop", "winner", case.job["winning_submission_id"], None)
        return
    yield same("drop", "winner", case.job["winning_submission_id"], best["submission_id"])
    yield same("drop", "grade", case.job["grade"], best["grade"])


def _by_arrival(receipt: Json) -> list[Any]:
    return sorted(receipt["entries"], key=lambda entry: entry["arrival"])


def _ordered(receipt: Json, k: int) -> list[str]:
    """The order of the k-th ballot, if that of the first one told is right."""
    first = receipt["ballots"][0]
    size = len(first["votes"])
    told = (vote["submission_id"] for vote in first["votes"])
    shuffled = dict(zip(dealing.places(size, first["k"]), told, strict=True))
    return [shuffled[place] for place in dealing.places(size, k)]


def _input_hash(case: _Case, brief: Brief, labels: Mapping[str, str]) -> str:
    """Of all that goes in, as `settlement` takes it: the brief, and what each file is."""
    hanging = {
        label: [[file["name"], file["content_type"], file["sha256"]] for file in case.known[entry].files]
        for label, entry in labels.items()
        if case.known[entry].files
    }
    return brief.digest(files=hanging) if hanging else brief.digest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
