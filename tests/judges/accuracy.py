"""How often a panel of scripted models is right, and how often one call: `python -m tests.judges.accuracy`.

Takes the rated lists of `CLORP_TEST_JUDGE_DATA`, all of them, or invented ones; asserts nothing. A judge is
right where its rank 1 reads as an entry with the best score does: there are ties, and there are twins.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

from models.grades import Brief
from models.packs import Pack
from models.panel import Answer
from tests.judges import lists
from tests.judges.asking import asking
from tests.judges.script import Script
from tests.judges.server import Judge, judging
from workers.judge import llm, prompt
from workers.judge.panelist import Ask, Decision, Panel

_SPACE = UUID("6f1c2f4e-7d0d-4d55-9a52-0d6f3b1c7a10")
AT_ONCE = 8


@dataclass(frozen=True)
class Measured:
    """Of some lists: shares of those judged right, calls for each entry, and which stages it took."""

    lists: int
    single: float  # by the first ballot that came in
    panel: float
    calls: float
    most_calls: float
    contested: float
    offline: float

    def __str__(self) -> str:
        return (
            f"{self.lists:5} lists  one call {self.single:.3f}  panel {self.panel:.3f}  calls/entry "
            f"{self.calls:.2f} (most {self.most_calls:.2f})  contested {self.contested:.0%}  "
            f"offline {self.offline:.0%}"
        )


def measure(rated: Sequence[dict[str, Any]], script: Script, dialect: str = "openai") -> Measured:
    """Have a panel of one scripted model judge all lists."""
    with judged_by(rated, script, dialect):
        decided = _each(rated, drop)
    number = len(rated)
    shares = [len(one.calls) / len(list_["submissions"]) for list_, one in zip(rated, decided, strict=True)]
    pairs = list(zip(rated, decided, strict=True))
    return Measured(
        lists=number,
        single=sum(is_right(list_, _first(one)) for list_, one in pairs) / number,
        panel=sum(is_right(list_, one.verdict.ranking[0].entry) for list_, one in pairs) / number,
        calls=sum(shares) / number,
        most_calls=max(shares),
        contested=sum(one.contested for one in decided) / number,
        offline=sum(one.stage == "local" for one in decided) / number,
    )


@contextmanager
def judged_by(rated: Sequence[dict[str, Any]], script: Script, dialect: str = "openai") -> Iterator[Judge]:
    """A scripted model that knows the lists, and settings to ask it."""
    for list_ in rated:
        script.knows(list_)
    with judging(script) as judge, asking(judge.url, dialect=dialect):
        yield judge


def drop(list_: dict[str, Any], ask: Ask = llm.ask) -> Decision:
    """A list as a drop, decided."""

    def hurried(brief: Brief, model: str, nonce: str, tried: int) -> Answer:
        return replace(ask(brief, model, nonce, tried), pause_seconds=0.0)

    pack: Pack = list_["pack"]
    return Panel(list_["id"], list_["prompt"], pack, entries(list_), ("scripted",), hurried).decide()


def entries(list_: dict[str, Any]) -> list[tuple[UUID, str]]:
    """With an id each, the same in every run."""
    return [
        (uuid5(_SPACE, f"{list_['id']}:{place}"), submitted["text"])
        for place, submitted in enumerate(list_["submissions"])
    ]


def is_right(list_: dict[str, Any], winner: UUID | None) -> bool:
    """Whether this entry reads as one of the best does."""
    best = max(submitted["score"] for submitted in list_["submissions"])
    read = {key: prompt.entry(text, list_["prompt"]) for key, text in entries(list_)}
    scores = [submitted["score"] for submitted in list_["submissions"]]
    return winner is not None and read[winner] in {
        read[key] for key, score in zip(read, scores, strict=True) if score == best
    }


def _first(decision: Decision) -> UUID | None:
    """Whom the first ballot that came in puts first; None where no call brought one."""
    k = next((call.k for call in decision.calls if call.answer.outcome == "answered"), None)
    if k is None:
        return None
    opinions = decision.ballots[k].opinions
    return min(opinions, key=lambda key: opinions[key].place)


def _each(rated: Sequence[dict[str, Any]], of: Callable[[dict[str, Any]], Decision]) -> list[Decision]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(of, rated))


def knowing(brief: Brief, model: str, nonce: str, tried: int) -> Answer:
    """Ask on behalf of attackers who know what nobody can: their label and the fence's number."""
    known = tuple(
        replace(c, text=c.text.replace("{SELF}", c.label).replace("{NONCE}", nonce)) for c in brief.candidates
    )
    return llm.ask(replace(brief, candidates=known), model, nonce, tried)


def attacks(
    rated: Sequence[dict[str, Any]],
    injections: Sequence[dict[str, Any]],
    script: Script,
    dialect: str = "openai",
) -> list[str]:
    """Which injections win: each is tried by the worst entry of one of the lists, in turn."""
    tried = [
        _attacked(rated[place % len(rated)], injection, place) for place, injection in enumerate(injections)
    ]
    with judged_by(rated, script, dialect):
        decided = _each(tried, lambda list_: drop(list_, knowing))
    assert all(call.answer.outcome == "answered" for one in decided for call in one.calls)
    return [
        list_["id"]
        for list_, one in zip(tried, decided, strict=True)
        if one.verdict.ranking[0].entry == entries(list_)[list_["attacker"]][0]
    ]


def _attacked(list_: dict[str, Any], injection: dict[str, Any], place: int) -> dict[str, Any]:
    submissions = [dict(submitted) for submitted in list_["submissions"]]
    attacker = min(range(len(submissions)), key=lambda i: submissions[i]["score"])
    before = submissions[attacker]["text"] + "\n" if injection["mode"] == "append" else ""
    submissions[attacker]["text"] = before + injection["text"]
    return {**list_, "id": f"{place}:{injection['id']}", "submissions": submissions, "attacker": attacker}


CASES = {
    "clean": Script(),
    "noise 1": Script(noise=1),
    "noise 1, bias 3": Script(noise=1, bias=3),
    "noise 1, bias 3, 20 % malformed": Script(noise=1, bias=3, malformed=0.2),
    "by place": Script(mood="first"),
    "the first place first": Script(mood="opener"),
}


def main() -> None:
    """Print a table."""
    sets = {name: lists.rated(name) for name in ("captions", "answers")} | {"invented": lists.invented(300)}
    for name, rated in sets.items():
        for case, script in CASES.items() if rated else ():
            begun = time.monotonic()
            measured = measure(rated, replace(script, rated={}))
            print(f"{name:9} {case:32} {measured}  {time.monotonic() - begun:.1f} s", flush=True)
    rated = sets["captions"] or sets["invented"]
    for name, injections in (("others'", lists.rated("injections")), ("our own", lists.INJECTIONS)):
        for mood in ("credulous", "gullible"):
            won = attacks(rated, injections, Script(mood=mood))
            print(f"injections, {name}, {mood}: {len(won)} of {len(injections)} win {won}")


if __name__ == "__main__":
    main()
