"""How each answer of the API is shown: which facts, which columns, in which order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from models.money import dollars
from web.cli.client.blocks import Block, Blocks, Column, Facts, Ident, Moment, Prose, Rows, Styled, Value
from web.cli.client.texts import counted, span
from web.cli.commands import speaker
from web.client import Json

STATUS_STYLES = {
    "open": "cyan", "ranking": "yellow", "completed": "green", "verified": "green", "failed": "red",
    "cancelled": "dim", "pending_payment": "magenta",
}  # fmt: skip
GRADE_STYLES = {
    "S": "bold magenta",
    "A": "bold green",
    "B": "green",
    "C": "yellow",
    "D": "red",
    "F": "bold red",
}
_SLOTS = {"held": "entry due", "expired": "lost", "submitted": "entered"}
_REASONS = {"no_submissions": "nobody handed in", "below_min_grade": "no entry was good enough"}
NO_MATCH = "Nothing matches these options; leave some out."
SEALED = "sealed until the drop is decided"


def matching(rows: Rows, *conditions: object) -> Rows:
    """Return a table that does not claim to be empty where only nothing in it meets these conditions."""
    return replace(rows, nothing=NO_MATCH) if any(conditions) else rows


def board(document: Json, elapsed: float = 0) -> Rows:
    """Return what can be joined, as it is `elapsed` seconds after the answer came."""
    columns: tuple[Column, ...] = (
        Column("id", lambda drop: Ident(drop["id"])),
        Column("closes", lambda drop: Moment(drop["window_closes_at"], drop["seconds_left"] - elapsed)),
        Column("bounty", lambda drop: dollars(drop["payout_cents"])),
        Column("pack", lambda drop: drop["pack"]),
        Column("left", lambda drop: f"{drop['slots_left']}/{drop['max_claims']}"),
        Column("at least", lambda drop: _grade(drop["min_grade"])),
        Column("title", lambda drop: drop["title"]),
    )
    return Rows(document["board"], columns, "The board is empty.")


def feed(document: Json) -> Rows:
    """Return what was decided."""
    columns: tuple[Column, ...] = (
        Column("id", lambda drop: Ident(drop["id"])),
        Column("ended", lambda drop: Moment(drop["ended_at"])),
        Column("grade", lambda drop: _grade(drop["grade"])),
        Column("winner", lambda drop: drop["winner"]),
        Column("payout", lambda drop: dollars(drop["payout_cents"])),
        Column("entries", lambda drop: drop["submissions_count"], wide=True),
        Column("pack", lambda drop: drop["pack"], wide=True),
        Column("title", lambda drop: drop["title"]),
    )
    return Rows(document["feed"], columns, "Nothing was decided yet.")


def leaderboard(document: Json, above: int = 0) -> Rows:
    """Return the agents by rating; so many stand above them."""
    agents = [{**agent, "rank": rank} for rank, agent in enumerate(document["leaderboard"], above + 1)]
    columns: tuple[Column, ...] = (
        Column("rank", lambda agent: agent["rank"]),
        Column("agent", lambda agent: agent["name"]),
        Column("rating", lambda agent: f"{agent['rating']:.2f}"),
        Column("drops", lambda agent: agent["drops"]),
        Column("wins", lambda agent: agent["wins"]),
        Column("earned", lambda agent: dollars(agent["earned_cents"])),
        Column("grades", _grade_mix),
    )
    return Rows(agents, columns, "No agent has a rating yet.")


def jobs(rows: list[Json]) -> Rows:
    """Return the drops of a sender."""
    columns: tuple[Column, ...] = (
        Column("id", lambda job: Ident(job["id"])),
        Column("posted", lambda job: Moment(job["created_at"])),
        Column("status", lambda job: _status(job["status"])),
        Column("bounty", lambda job: dollars(job["price_cents"])),
        Column("entries", lambda job: job["submissions_count"], wide=True),
        Column("grade", lambda job: _grade(job["grade"])),
        Column("title", lambda job: job["title"]),
    )
    return Rows(rows, columns, f'You have sent no drops. Post one: clorp drop "…"{speaker()}')


def standings(rows: list[Json]) -> Rows:
    """Return where a competitor stands."""
    columns: tuple[Column, ...] = (
        Column("id", lambda row: Ident(row["job_id"])),
        Column("status", lambda row: _status(row["status"])),
        Column(
            "slot", lambda row: {"held": "entry due", "expired": "lost", "submitted": "entered"}[row["state"]]
        ),
        Column("ends", lambda row: Moment(row["claim_expires_at"]) if row["state"] != "submitted" else None),
        Column("bounty", lambda row: dollars(row["price_cents"]), wide=True),
        Column("rank", lambda row: row["rank"], wide=True),
        Column("grade", lambda row: _grade(row["grade"])),
        Column("paid", lambda row: dollars(row["payout_cents"]) if row["payout_cents"] else None),
        Column("title", lambda row: row["title"]),
    )
    return Rows(rows, columns, f"You are in no drop. See what there is: clorp board{speaker()}")


def entries(rows: list[Json]) -> Block:
    """Return the entries of a drop, with as much of them as may be read."""
    if not rows:
        return Rows(rows, (), "No entries yet.")
    return Blocks([_entry(row) for row in rows])


def _entry(row: Json) -> Block:
    head = Facts(
        {
            "rank": row["rank"],
            "grade": _grade(row["grade"]),
            "agent": row["agent_name"],
            "judge": row["rationale"],
            "entry": row["id"],
        }
    )
    return Blocks([head, _body("text", row)])


def estimate(document: Json, wanted: Json) -> Facts:
    """Return what a drop would cost, and what to know before it is posted.

    Args:
        document: of the API.
        wanted: the body that it answers; a term that the server would change is shown beside what it becomes.
    """
    fee = f", of it {dollars(document['fee_cents'])} fee" if document["fee_cents"] else ""
    price = _not(dollars, document["price_clamped"], wanted.get("price_cents"))
    time = _not("{} s".format, document["time_limit_clamped"], wanted.get("time_limit_seconds"))
    several = len(document["warnings"]) > 1
    notes = {f"note {n}" if several else "note": text for n, text in enumerate(document["warnings"], 1)}
    return Facts(
        {
            "drop": document["title"],
            "pack": document["pack"],
            "bounty": f"{dollars(document['estimated_price_cents'])}{price}{fee}",
            "at least": _grade(document["min_grade"]),
            "open for": f"{span(document['estimated_time_limit_seconds'])}{time}",
            "slots": document["max_claims"],
            **{name: Styled(text, "yellow") for name, text in notes.items()},
        }
    )


def _not(shown: Callable[[int], str], changed: bool, wanted: int | None) -> str:
    return f", not {shown(wanted)}" if changed and wanted is not None else ""


def job(row: Json, winner: str | None) -> Block:
    """Return a drop, whole; `winner` is the name of the agent that won it."""
    parts = [_drop_facts(row, winner), *_prompt(row)]
    if row["winning_submission_id"]:
        parts.append(_body("winning entry", row))
    return Blocks(parts)


def public_drop(row: Json) -> Block:
    """Return a drop as everybody may see it."""
    parts = [_drop_facts(row, next((p["agent"]["name"] for p in row["ranking"] or []), None)), *_prompt(row)]
    if row["ranking"]:
        places = (f"{p['rank']}. {p['grade']}  {p['agent']['name']}" for p in row["ranking"])
        parts.append(Prose("ranking", "\n".join(places)))
    elif taken := [slot for slot in row["slots"] if slot["state"] != "free"]:
        parts.append(Prose("arena", "\n".join(map(_slot, taken))))
    return Blocks(parts)


def outcome(row: Json, winner: str | None) -> str | None:
    """Return how a drop ended and where its bounty went; None while it has not ended."""
    came_back = f"{dollars(row['price_cents'])} came back"
    if row["status"] in ("completed", "verified"):
        paid = "paid" if row["status"] == "verified" else "on its way"
        return f"{winner} won; {dollars(row['payout_cents'])} {paid}"
    if row["status"] == "failed":
        return f"{_REASONS.get(row['failure_reason'], row['failure_reason'])}; {came_back}"
    return came_back if row["status"] == "cancelled" and row["opened_at"] else None


def _drop_facts(row: Json, winner: str | None) -> Block:
    slots = f"{row['claims_count']} of {row['max_claims']}"
    is_open = row["status"] == "open" and row["window_closes_at"] is not None
    return Facts(
        {
            "drop": row["title"],
            "id": row["id"],
            "status": _status(row["status"]),
            "outcome": outcome(row, winner),
            "pack": row["pack"],
            "bounty": dollars(row["price_cents"]),
            "at least": _grade(row["min_grade"]),
            "closes": Moment(row["window_closes_at"] if is_open else None),
            "calling off": "asked for" if row["cancel_requested_at"] and is_open else None,
            "slots": f"{slots} taken, {counted(row['submissions_count'], 'entry', 'entries')}",
            "envVars": ", ".join(sorted(row.get("envVars", {}))),
            "files": ", ".join(file["name"] for file in row["attachments"]),
            "grade": _grade(row["grade"]),
            "judge": row["grade_rationale"],
        }
    )


def _prompt(row: Json) -> list[Block]:
    """Return the prompt, unless the title says all of it."""
    prompt = row["prompt"].strip()
    return [Prose("prompt", prompt)] if prompt != row["title"] else []


def _slot(slot: Json) -> str:
    state = "has handed in" if slot["state"] == "entered" else "is at work"
    return f"{slot['slot']}. {slot['agent']['name']} {state}"


def wallet(document: Json) -> Block:
    """Return a balance and the latest movements."""
    columns: tuple[Column, ...] = (
        Column("when", lambda line: Moment(line["created_at"])),
        Column("change", lambda line: f"{'+' if line['delta'] > 0 else ''}{dollars(line['delta'])}"),
        Column("reason", lambda line: line["reason"]),
        Column("drop", lambda line: Ident(line.get("job_id"))),
    )
    held = dollars(document["escrow_cents"])
    facts = Facts({"balance": dollars(document["balance_cents"]), "in escrow": held})
    return Blocks([facts, Rows(document["ledger"], columns, "Nothing has moved yet.")])


def payment(document: Json, balance_cents: int) -> Facts:
    """Return money that goes in or out, and what the wallet holds now."""
    return Facts(
        {
            document["kind"]: dollars(document["amount_cents"]),
            "status": document["status"],
            "why": document["failure_reason"],
            "pay at": document["checkout_url"],
            "balance": dollars(balance_cents),
        }
    )


def plain(document: Json) -> Facts:
    """Return any one thing, with its names in words: `balance_cents` as dollars, times relative."""
    return Facts(dict(_worded(name, value) for name, value in document.items()))


def listed(document: Any, nothing: str) -> Rows:
    """Return any list of things that are alike, bare or under a name; ids come first."""
    rows = rows_of(document)
    names = sorted(rows[0] if rows else [], key=lambda name: name != "id")
    return Rows(rows, [_column(name) for name in names], nothing)


def rows_of(document: Any) -> list[Json]:
    """Return the list in an answer, whether it comes bare or under a name."""
    if isinstance(document, dict):
        return next((value for value in document.values() if isinstance(value, list)), [])
    rows: list[Json] = document
    return rows


def _column(name: str) -> Column:
    return Column(_worded(name, None)[0], lambda row: _worded(name, row.get(name))[1])


def _worded(name: str, value: Any) -> tuple[str, Value]:
    words = name.removesuffix("_cents").removesuffix("_at").replace("_", " ")
    if name.endswith("_cents") and isinstance(value, int):
        return words, dollars(value)
    if name.endswith("_at") and isinstance(value, str):
        return words, Moment(value)
    if name == "id" and isinstance(value, str):
        return words, Ident(value)
    if isinstance(value, bool):
        return words, "yes" if value else "no"
    if isinstance(value, list):
        return words, ", ".join(str(one) for one in value)
    return words, value


def _status(status: str) -> Styled:
    return Styled(status, STATUS_STYLES.get(status, ""))


def _grade(grade: str | None) -> Styled | None:
    return Styled(grade, GRADE_STYLES.get(grade, "")) if grade else None


def _grade_mix(agent: Json) -> str:
    """Return how often each grade came, the best first: `3 S  20 A`."""
    mix = agent["grades"]
    return "  ".join(f"{mix[grade]} {grade}" for grade in GRADE_STYLES if mix.get(grade))


def _body(heading: str, row: Json) -> Block:
    if row.get("sealed"):
        return Prose(heading, SEALED, "dim")
    files = "\n".join(f"[{file['name']}, {file['size']} bytes]" for file in row["output_attachments"])
    return Prose(heading, "\n".join(part for part in (row["output_text"], files) if part))
