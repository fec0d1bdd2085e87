"""How answers look in a terminal. What strangers wrote is shown as text, never as markup."""

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.money import dollars
from web.cli.client.texts import clean, counted, relative, span
from web.client import Json

_STATUS_STYLES = {
    "open": "cyan", "ranking": "yellow", "completed": "green", "verified": "green", "failed": "red",
    "cancelled": "dim", "pending_payment": "magenta",
}  # fmt: skip
_GRADE_STYLES = {
    "S": "bold magenta",
    "A": "bold green",
    "B": "green",
    "C": "yellow",
    "D": "red",
    "F": "bold red",
}

_NOTHING: tuple[Any, ...] = (None, "", "–", [], {})
TITLE_WIDTH_MIN = 8

Column = tuple[str, Callable[[Json], Any]]


def board(document: Json, elapsed: float = 0) -> RenderableType:
    """What can be joined; `elapsed` seconds after it was told."""
    return _table(
        document["board"],
        ("closes", lambda drop: span(drop["seconds_left"] - elapsed)),
        ("bounty", lambda drop: dollars(drop["payout_cents"])),
        ("pack", lambda drop: drop["pack"]),
        ("left", lambda drop: f"{drop['slots_left']}/{drop['max_claims']}"),
        ("at least", lambda drop: _grade(drop["min_grade"])),
        ("title", lambda drop: drop["title"]),
        ("id", lambda drop: drop["id"]),
        nothing="The board is empty.",
    )


def feed(document: Json) -> RenderableType:
    """What was decided."""
    return _table(
        document["feed"],
        ("ended", lambda drop: relative(drop["ended_at"])),
        ("grade", lambda drop: _grade(drop["grade"])),
        ("winner", lambda drop: drop["winner"]),
        ("payout", lambda drop: dollars(drop["payout_cents"])),
        ("entries", lambda drop: drop["submissions_count"]),
        ("pack", lambda drop: drop["pack"]),
        ("title", lambda drop: drop["title"]),
        ("id", lambda drop: drop["id"]),
        nothing="Nothing was decided yet.",
    )


def leaderboard(document: Json, above: int = 0) -> RenderableType:
    """The agents by rating; so many stand above them."""
    agents = [{**agent, "rank": rank} for rank, agent in enumerate(document["leaderboard"], above + 1)]
    return _table(
        agents,
        ("rank", lambda agent: agent["rank"]),
        ("agent", lambda agent: agent["name"]),
        ("rating", lambda agent: f"{agent['rating']:.2f}"),
        ("drops", lambda agent: agent["drops"]),
        ("wins", lambda agent: agent["wins"]),
        ("earned", lambda agent: dollars(agent["earned_cents"])),
        ("grades", _grade_mix),
        nothing="Nobody has a rating yet.",
    )


def jobs(rows: list[Json]) -> RenderableType:
    """The drops of a sender."""
    return _table(
        rows,
        ("posted", lambda job: relative(job["created_at"])),
        ("status", lambda job: _status(job["status"])),
        ("bounty", lambda job: dollars(job["price_cents"])),
        ("entries", lambda job: job["submissions_count"]),
        ("grade", lambda job: _grade(job["grade"])),
        ("title", lambda job: job["title"]),
        ("id", lambda job: job["id"]),
        nothing='You have sent no drops. Post one: clorp drop "…"',
    )


def standings(rows: list[Json]) -> RenderableType:
    """Where a competitor stands."""
    return _table(
        rows,
        ("status", lambda row: _status(row["status"])),
        ("entry", _entry_state),
        ("bounty", lambda row: dollars(row["price_cents"])),
        ("rank", lambda row: row["rank"]),
        ("grade", lambda row: _grade(row["grade"])),
        ("paid", lambda row: dollars(row["payout_cents"]) if row["payout_cents"] else None),
        ("title", lambda row: row["title"]),
        ("id", lambda row: row["job_id"]),
        nothing="You are in no drop. See what there is: clorp board",
    )


def entries(rows: list[Json]) -> RenderableType:
    """The entries of a drop, with as much of them as may be read."""
    parts: list[RenderableType] = []
    for row in rows:
        head = {
            "rank": row["rank"],
            "grade": _grade(row["grade"]),
            "agent": row["agent_name"],
            "judge": row["rationale"],
            "entry": row["id"],
        }
        parts += [facts(head), _body(row), Text()]
    return Group(*parts) if parts else Text("No entries yet.")


def estimate(document: Json) -> RenderableType:
    """What a drop would cost."""
    fee = f", of it {dollars(document['fee_cents'])} fee" if document["fee_cents"] else ""
    return facts(
        {
            "drop": document["title"],
            "pack": document["pack"],
            "bounty": f"{dollars(document['estimated_price_cents'])}{fee}",
            "at least": _grade(document["min_grade"]),
            "open for": span(document["estimated_time_limit_seconds"]),
            "slots": document["max_claims"],
            "note": Text("\n".join(document["warnings"]), "yellow"),
        }
    )


def job(row: Json) -> RenderableType:
    """A drop, whole."""
    parts = [facts(_drop_facts(row)), *_prompt(row)]
    if row["winning_submission_id"]:
        parts += [Text("\nwinning entry", "bold"), _body(row)]
    return Group(*parts)


def public_drop(row: Json) -> RenderableType:
    """A drop as everybody may see it."""
    parts = [facts(_drop_facts(row)), *_prompt(row)]
    if row["ranking"]:
        places = [Text("  ").join(_place(place)) for place in row["ranking"]]
        parts += [Text("\nranking", "bold"), *places]
    elif arena := [slot for slot in row["slots"] if slot["state"] != "free"]:
        parts += [Text("\narena", "bold"), *(Text(clean(_slot(slot))) for slot in arena)]
    return Group(*parts)


def _drop_facts(row: Json) -> Json:
    slots = f"{row['claims_count']} of {row['max_claims']}"
    closes = row["status"] == "open" and row["window_closes_at"]
    return {
        "drop": row["title"],
        "id": row["id"],
        "status": _status(row["status"]),
        "why": row["failure_reason"],
        "pack": row["pack"],
        "bounty": dollars(row["price_cents"]),
        "at least": _grade(row["min_grade"]),
        "closes": relative(closes) if closes else None,
        "calling off": "asked for" if row["cancel_requested_at"] and closes else None,
        "slots": f"{slots} taken, {counted(row['submissions_count'], 'entry', 'entries')}",
        "envVars": ", ".join(sorted(row.get("envVars", {}))),
        "files": ", ".join(file["name"] for file in row["attachments"]),
        "grade": _grade(row["grade"]),
        "judge": row["grade_rationale"],
    }


def _prompt(row: Json) -> list[RenderableType]:
    """The prompt, unless the title says all of it."""
    prompt = row["prompt"].strip()
    return [Text("\nprompt", "bold"), Text(clean(prompt))] if prompt != row["title"] else []


def _place(place: Json) -> tuple[Text, ...]:
    return Text(f"{place['rank']}."), _grade(place["grade"]) or Text("–"), Text(clean(place["agent"]["name"]))


def _slot(slot: Json) -> str:
    doing = "has handed in" if slot["state"] == "entered" else f"works, {relative(slot['expires_at'])}"
    return f"{slot['slot']}. {slot['agent']['name']} {doing}"


def wallet(document: Json) -> RenderableType:
    """A balance and the latest movements."""
    history = _table(
        document["ledger"],
        ("when", lambda line: relative(line["created_at"])),
        ("change", lambda line: f"{'+' if line['delta'] > 0 else ''}{dollars(line['delta'])}"),
        ("reason", lambda line: line["reason"]),
        ("drop", lambda line: line.get("job_id")),
        nothing="Nothing has moved yet.",
    )
    held = dollars(document["escrow_cents"])
    return Group(facts({"balance": dollars(document["balance_cents"]), "in escrow": held}), Text(), history)


def facts(values: Json) -> RenderableType:
    """Names and values, one a line; what there is not is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    for name, value in values.items():
        if value not in _NOTHING:
            grid.add_row(Text(clean(name)), _cell(value))
    return grid


def plain(document: Json) -> RenderableType:
    """Any one thing, with its names in words: `balance_cents` as dollars, times relative."""
    return facts(dict(_worded(name, value) for name, value in document.items()))


def listed(document: Any, nothing: str) -> RenderableType:
    """Any list of things that are alike, whether it comes bare or under a name."""
    rows = rows_of(document)
    names = sorted(rows[0] if rows else [], key=lambda name: name == "id")  # ids are long: last
    return _table(rows, *(_column(name) for name in names), nothing=nothing)


def rows_of(document: Any) -> list[Json]:
    """The list in an answer, whether it comes bare or under a name."""
    if isinstance(document, dict):
        return next((value for value in document.values() if isinstance(value, list)), [])
    rows: list[Json] = document
    return rows


def _column(name: str) -> Column:
    return _worded(name, None)[0], lambda row: _worded(name, row.get(name))[1]


def _worded(name: str, value: Any) -> tuple[str, Any]:
    words = name.removesuffix("_cents").removesuffix("_at").replace("_", " ")
    if name.endswith("_cents") and isinstance(value, int):
        return words, dollars(value)
    if name.endswith("_at") and isinstance(value, str):
        return words, relative(value)
    if isinstance(value, bool):
        return words, "yes" if value else "no"
    if isinstance(value, list):
        return words, ", ".join(str(one) for one in value)
    return words, value


def _table(rows: Iterable[Json], *columns: Column, nothing: str) -> RenderableType:
    """Rows in columns, but those in which there is nothing: ids are long, and terminals narrow."""
    found = [[value(row) for _, value in columns] for row in rows]
    if not found:
        return Text(nothing)
    told = [number for number in range(len(columns)) if any(row[number] not in _NOTHING for row in found)]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number in told:
        name = columns[number][0]
        table.add_column(
            name,
            no_wrap=name not in ("title", "personality"),
            overflow="fold",
            min_width=TITLE_WIDTH_MIN if name == "title" else None,
        )
    for row in found:
        table.add_row(*(_cell(row[number]) for number in told))
    return table


def _cell(value: Any) -> RenderableType:
    if isinstance(value, Text):
        return value
    return Text("–" if value is None or value == "" else clean(value))


def _status(status: str) -> Text:
    return Text(clean(status), _STATUS_STYLES.get(status, ""))


def _grade(grade: str | None) -> Text | None:
    return Text(clean(grade), _GRADE_STYLES.get(grade, "")) if grade else None


def _grade_mix(agent: Json) -> Text:
    """How often each grade, the best first: `3 S  20 A`."""
    mix = agent["grades"]
    counts = ((grade, mix[grade]) for grade in _GRADE_STYLES if mix.get(grade))
    return Text("  ").join(Text(f"{count} {grade}", _GRADE_STYLES[grade]) for grade, count in counts)


def _entry_state(row: Json) -> str:
    if row["state"] == "submitted":
        return "handed in"
    if row["state"] == "expired":
        return f"lost {relative(row['claim_expires_at'])}"
    return f"due {relative(row['claim_expires_at'])}"


def _body(row: Json) -> RenderableType:
    if row.get("sealed"):
        return Text("sealed until the drop is decided", "dim")
    files = "\n".join(f"[{file['name']}, {file['size']} bytes]" for file in row["output_attachments"])
    return Text(clean("\n".join(part for part in (row["output_text"], files) if part)))
