"""The `local` judge: a heuristic, and it says so. Deterministic, no network.

It measures what can be measured without understanding: whether an entry answers at all, whether it
speaks of what the prompt speaks of, gives as many things as were asked for, has substance and the
form that its pack calls for. It is blind to wit, taste and truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from models.grades import GRADES, Brief, Candidate, Grade, Opinion
from models.packs import Pack
from models.texts import blank
from workers.judge import answering, asked, measures, packs, texts
from workers.judge.answering import READ_CHARACTERS
from workers.judge.asked import Ask
from workers.judge.faults import Fault, faults
from workers.judge.measures import Finding
from workers.judge.talk import without_judge_talk

RATIONALE_MAX = 240  # characters

# The least score of each grade, best first; below the last it is an F.
THRESHOLDS = (0.9, 0.76, 0.6, 0.45, 0.25)


@dataclass(frozen=True)
class Assessment:
    """What one entry is worth by itself, whoever else competes: 0 to 1, and why."""

    score: float
    rationale: str

    @property
    def grade(self) -> Grade:
        """The letter of the score."""
        return GRADES[sum(self.score < threshold for threshold in THRESHOLDS)]


class LocalJudge:
    """Ranks by `assess`; equal scores share a place."""

    name = "local/2"

    def ballot(self, brief: Brief) -> dict[str, Opinion]:
        """One opinion for each label. Labels and order make no difference."""
        assessed = {c.label: _assess(brief, c) for c in brief.candidates}
        scores = [assessment.score for assessment in assessed.values()]
        return {
            label: Opinion(1 + sum(score > a.score for score in scores), a.grade, a.rationale)
            for label, a in assessed.items()
        }


def _assess(brief: Brief, candidate: Candidate) -> Assessment:
    contents = [file.text for file in candidate.files if file.text]
    return assess(brief.prompt, brief.pack, candidate.text, contents)


def assess(prompt: str, pack: Pack, entry: str, files: Sequence[str] = ()) -> Assessment:
    """What an entry is worth as an answer to a prompt.

    Args:
        prompt: what was asked for.
        pack: which form its entries have.
        entry: the text.
        files: what those of its files say that are text.
    """
    ask = asked.ask(prompt)
    worth = [_measured(ask, pack, reading) for reading in answering.readings(ask, pack, entry, files)]
    return max(worth, key=lambda assessment: assessment.score)


def _measured(ask: Ask, pack: Pack, entry: str) -> Assessment:
    text = without_judge_talk(entry.strip()[:READ_CHARACTERS], ask.prompt).strip()
    if blank(text) or not texts.words(text):
        return Assessment(0.0, "Nothing in it answers the prompt (heuristic).")
    findings = _findings(ask, pack, text)
    spoilt = faults(ask.prompt, pack, text, whole=len(entry) <= READ_CHARACTERS)
    score = sum(f.value * f.weight for f in findings) / sum(f.weight for f in findings)
    for fault in spoilt:
        score *= fault.left
    return Assessment(round(score, 4), _rationale(findings, spoilt))


def _findings(ask: Ask, pack: Pack, text: str) -> list[Finding]:
    stems = frozenset(texts.meaning(texts.words(text)))
    measured = (
        measures.coverage(ask, stems, pack),
        measures.substance(ask, stems, pack),
        measures.number(ask, text),
        measures.length(ask, text),
        measures.form(ask, text),
        packs.signal(ask, pack, text),
    )
    return [finding for finding in measured if finding]


def _rationale(findings: list[Finding], spoilt: list[Fault]) -> str:
    """The gravest fault, what earned most, what cost most; what the prompt demanded comes first."""
    best = max(findings, key=lambda f: f.value * f.weight)
    worst = max(findings, key=lambda f: (f.demanded and f.value < 1, (1 - f.value) * f.weight))
    said = [min(spoilt).words] if spoilt else []
    if best.value > 0.5:
        said.append(best.words)
    if not said or (worst is not best and not spoilt):
        said.append(f"weakest point: {worst.words}")
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}"[: RATIONALE_MAX - 13].rstrip() + " (heuristic)."
