"""`clorp rejudge`: a second verdict on a decided drop, beside the first."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from models import calls, db, rejudgements
from models.grades import Brief, Candidate
from models.panel import CONTESTED_BELOW
from models.rejudgements import Case, Place, Second
from models.schema import Rejudgement
from models.settings import settings
from web.cli.client.texts import clean, counted
from web.cli.client.values import ID
from web.cli.commands import Command
from web.cli.servers import connect, data_option, folder, use
from workers import attached
from workers.judge.panelist import Call, Cast, Decision, Panel

if TYPE_CHECKING:
    from rich.table import Table

MICROCENTS_PER_DOLLAR = 100_000_000


@click.command(
    cls=Command,
    examples=("clorp rejudge 01a22147-8f6b --dry-run", "clorp rejudge 01a22147-8f6b --dry-run --judge llm"),
)
@click.argument("job_id", metavar="ID", type=ID)
@click.option("--dry-run", is_flag=True, help="Move nothing. There is no other way.")
@click.option(
    "--judge", type=click.Choice(["local", "llm"]), help="Who judges; default the judge of the settings."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@data_option
def rejudge(job_id: str, dry_run: bool, judge: str | None, as_json: bool, data: Path | None) -> None:
    """Have a decided drop judged again, and show both verdicts. The first one stands: it has paid."""
    if not dry_run:
        raise click.UsageError(
            "A verdict that has paid stands: a second one can only be looked at. Repeat it with --dry-run."
        )
    if judge:
        use(CLORP_JUDGE=judge)
    connect(data)
    if data:
        use(CLORP_DATA=str(folder(data)))  # where the entries' files are
    with db.transaction() as session:
        case = rejudgements.case(session, UUID(job_id))
    second = judged(case)  # slow: no transaction is open here
    row = db.retried(lambda session: rejudgements.keep(session, case.job_id, second))
    if as_json:
        click.echo(json.dumps(_document(case, second, row), default=str))
    else:
        _print(case, second)


def judged(case: Case) -> Second:
    """Ask the judge of the settings. Slow: no transaction may be open here."""
    files = {key: attached.read(uploads) for key, uploads in case.files.items()}
    with ThreadPoolExecutor(max(1, len(case.entries))) as pool:  # a wave is one call for each ballot
        made = Panel(
            name=case.name,  # so that orders and labels are those of the first verdict
            prompt=case.prompt,
            pack=case.pack,
            entries=case.entries,
            models=settings().models,
            pool=pool,
            files=files,
        ).decide()
    candidates = tuple(Candidate("", text, files.get(key, ())) for key, text in case.entries)
    estimate = calls.estimate(Brief(case.prompt, case.pack, candidates))
    asked = [_call(call, estimate) for call in made.calls]
    ballots = [made.ballots[k] for k in sorted(made.ballots)]
    return Second(
        verdict=made.verdict,
        judge=", ".join(sorted({ballot.judge for ballot in ballots})),
        models=list(dict.fromkeys(call.model for call in made.calls)),
        ballots=[_ballot(ballot) for ballot in ballots],
        calls=asked,
        contested=_contested(made, len(case.entries)),
        input_tokens=sum(call["input_tokens"] for call in asked),
        output_tokens=sum(call["output_tokens"] for call in asked),
        microcents=sum(call["cost_microcents"] for call in asked),
    )


def _contested(made: Decision, entries: int) -> bool:
    """As a receipt says it: after one round, or in the end."""
    return made.contested or (entries > 1 and made.verdict.agreement < CONTESTED_BELOW)


def _ballot(ballot: Cast) -> dict[str, Any]:
    return {
        "k": ballot.k,
        "judge": ballot.judge,
        "model": ballot.model,
        "votes": [
            {"label": label, "submission_id": str(entry), **asdict(ballot.opinions[entry])}
            for label, entry in ballot.labels.items()
        ],
    }


def _call(call: Call, estimate: int) -> dict[str, Any]:
    answer = call.answer
    return {
        "k": call.k,
        "model": call.model,
        "outcome": answer.outcome,
        "trouble": answer.trouble,
        "prompt_sha256": answer.prompt_hash,
        "raw": answer.raw,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "cost_microcents": _cost(call, estimate),
        "milliseconds": answer.milliseconds,
    }


def _cost(call: Call, estimate: int) -> int:
    """In millionths of a cent. Where nothing tells what a call has cost, the estimate, as in `calls`."""
    if not call.answer.charged:
        return 0
    return calls.microcents(call.answer.input_tokens, call.answer.output_tokens) or estimate


def _document(case: Case, second: Second, row: Rejudgement) -> dict[str, Any]:
    places = case.places(second.verdict)
    return {
        "id": row.id,
        "job_id": case.job_id,
        "dry_run": True,
        "judge": second.judge,
        "models": second.models,
        "first": {"agreement": case.agreement, "ranking": [asdict(place) for place in case.first]},
        "second": {
            "agreement": second.verdict.agreement,
            "ranking": [asdict(place) for place in places],
        },
        "same_winner": places[0].submission_id == case.first[0].submission_id,
        "moved": sum(before.submission_id != after.submission_id for before, after in _pairs(case, places)),
        "contested": second.contested,
        "ballots": len(second.ballots),
        "calls": len(second.calls),
        "input_tokens": second.input_tokens,
        "output_tokens": second.output_tokens,
        "cost_microcents": second.microcents,
    }


def _print(case: Case, second: Second) -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    console.print(_table(case, second))
    models = f" ({', '.join(second.models)})" if second.models else ""
    dollars = second.microcents / MICROCENTS_PER_DOLLAR
    tokens = f"{second.input_tokens} + {second.output_tokens} tokens, ${dollars:.4f}"
    ballots = counted(len(second.ballots), "ballot", "ballots")
    calls = counted(len(second.calls), "call", "calls")
    console.print(clean(f"{second.judge}{models}: {ballots}, {calls}, {tokens}"), markup=False)
    console.print("Nothing moved: the first verdict stands.")


def _table(case: Case, second: Second) -> "Table":
    """Both verdicts, place by place; in the second, how far each has moved."""
    from rich.table import Table
    from rich.text import Text

    first_rank = {place.submission_id: place.rank for place in case.first}
    table = Table("place", "first verdict", "second verdict", "", title=f"drop {case.job_id}")
    for before, after in _pairs(case, case.places(second.verdict)):
        moved = first_rank[after.submission_id] - after.rank
        arrow = f"{'↑' if moved > 0 else '↓'} {abs(moved)}" if moved else "="
        table.add_row(str(before.rank), *(Text(_told(place)) for place in (before, after)), arrow)
    table.add_section()
    doubts = " (contested)" if second.contested else ""
    table.add_row("", f"agreement {case.agreement:.2f}", f"agreement {second.verdict.agreement:.2f}{doubts}")
    return table


def _pairs(case: Case, places: list[Place]) -> list[tuple[Place, Place]]:
    return list(zip(case.first, places, strict=True))


def _told(place: Place) -> str:
    return clean(f"{place.grade} {place.agent} {place.score:.2f} …{str(place.submission_id)[-6:]}")
