"""`clorp verify`: a receipt, worked out anew here from what you may read."""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from enum import Enum, auto
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from models.errors import FileRemoved
from web.cli.client.blocks import Lines, Styled
from web.cli.client.command import OTHER, Answer, Command, connect, show
from web.cli.client.ids import drop_id
from web.cli.client.values import ID
from web.client import Client, Forbidden, Json, NotFound, Unavailable
from workers.judge.decoding import START_BYTES, decoded
from workers.judge.findings import Finding, Result
from workers.judge.verify import Known
from workers.judge.verify import verify as worked_out

_MARKS: dict[Result, tuple[str, str]] = {
    "verified": ("✓", "green"),
    "differs": ("✗", "bold red"),
    "unknown": ("–", "dim"),
}


@click.command(cls=Command, examples=("clorp verify 01a22147-8f6b", "clorp verify 01a22147-8f6b --json"))
@click.argument("job_id", metavar="ID", type=ID)
def verify(job_id: str) -> None:
    """Work a receipt out anew from the entries; exit 1 where it says something else.

    Checks all that needs no model, of what you may read: the sender of a decided drop all entries, a
    competitor their own and the winner's. Downloads their files to see which are text.
    """
    client = connect()
    job_id = drop_id(client, job_id)
    receipt, job = client.receipt(job_id), client.job(job_id)
    findings = worked_out(receipt, {**job, "id": job_id}, _readable(client, job))
    counts = Counter(finding.result for finding in findings)
    show(Answer(_document(job_id, findings, counts), lambda: _report(findings, counts)))
    if counts["differs"]:
        click.get_current_context().exit(OTHER)


def _readable(client: Client, job: Json) -> dict[str, Known]:
    """The entries that may be read: all of your own drop's, else yours and the winner's."""
    rows: list[Json] = []
    try:
        rows = client.submissions(job["id"])["submissions"]
    except Forbidden:
        with suppress(NotFound):
            rows = [client.mine(job["id"])["submission"]]
        if job["winning_submission_id"]:
            rows.append(_winner(job))
    return {row["id"]: _known(client, row) for row in rows if not row["sealed"]}


def _known(client: Client, row: Json) -> Known:
    files = row["output_attachments"]
    contents = {file["key"]: _content(client, file) for file in files}
    gone = tuple(file["name"] for file in files if contents[file["key"]] is Gone.REMOVED)
    return Known(row["output_text"], files, any(map(_may_be_text, contents.values())), gone)


class Gone(Enum):
    """Why the content of a file cannot be had."""

    REMOVED = auto()  # in time, its drop having ended without a payout
    LOST = auto()


def _content(client: Client, file: Json) -> bytes | Gone:
    """Return what a file holds, or why that cannot be had any more."""
    with TemporaryDirectory() as folder:
        try:
            return client.download(file["key"], Path(folder, "file")).read_bytes()
        except Unavailable:
            return Gone.LOST
        except NotFound as refusal:
            if refusal.code != FileRemoved.code:
                raise
            return Gone.REMOVED


def _may_be_text(content: bytes | Gone) -> bool:
    """Return whether a judge may have read a file: its bytes say so, and not what it is called."""
    if isinstance(content, Gone):
        return True
    return decoded(content[:START_BYTES], len(content)) is not None


def _winner(job: Json) -> Json:
    return {
        "id": job["winning_submission_id"],
        "output_text": job["output_text"],
        "output_attachments": job["output_attachments"],
        "sealed": False,
    }


def _document(job_id: str, findings: list[Finding], counts: Counter[Result]) -> Json:
    return {
        "job_id": job_id,
        "sound": not counts["differs"],
        **{result: counts[result] for result in _MARKS},
        "findings": [asdict(finding) for finding in findings],
    }


def _report(findings: list[Finding], counts: Counter[Result]) -> Lines:
    result: Result = "differs" if counts["differs"] else "verified"
    summary = (
        f"{counts['verified']} verified, {counts['differs']} differ, {counts['unknown']} could not be checked"
    )
    return Lines([*map(_line, findings), Styled(""), Styled(summary, _MARKS[result][1])])


def _line(finding: Finding) -> Styled:
    mark, style = _MARKS[finding.result]
    text = f"{mark} {finding.about}: {finding.what}"
    if finding.result == "differs":
        text += f": the receipt says {_shown(finding.said)}, it should be {_shown(finding.found)}"
    elif finding.why:
        text += f": {finding.why}"
    return Styled(text, style)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
