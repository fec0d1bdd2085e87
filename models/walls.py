"""Whether the walls stand: all that schema.py and guards.sql have PostgreSQL refuse, as it has it now.

Looks at the catalogues only. A trigger that is there but off, or an index that is there but not valid, is a
wall that is down.
"""

import re
from collections.abc import Iterator

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from models.schema import GUARDS, Base
from models.states import TRANSITIONS

_TRIGGER = re.compile(r"TRIGGER (\w+) (?:BEFORE|AFTER) .*? ON (\w+).*?EXECUTE FUNCTION (\w+)\(", re.S)
_FUNCTION = re.compile(r"CREATE FUNCTION (\w+)\(.*?AS \$\$(.*?)\$\$;", re.S)
_VIEW = re.compile(r"CREATE VIEW (\w+)")
_RULE = re.compile(r"SELECT '(\w+)', format\(")
_NAMES = postgresql.dialect().identifier_preparer

# By kind, what is there and holds, in the form of `_wanted`. All of it in the schema of the tables.
_FOUND = {
    "trigger": """SELECT t.tgname, c.relname, p.proname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE c.relnamespace = CAST('public' AS regnamespace) AND NOT t.tgisinternal
            AND t.tgenabled IN ('O', 'A')""",
    "function": """SELECT proname, prosrc FROM pg_proc
        WHERE pronamespace = CAST('public' AS regnamespace)""",
    "constraint": """SELECT r.conname, c.relname FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid
        WHERE r.connamespace = CAST('public' AS regnamespace) AND r.convalidated""",
    "index": """SELECT c.relname, i.indisunique FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = CAST('public' AS regnamespace) AND i.indisvalid""",
    "view": """SELECT viewname FROM pg_views WHERE schemaname = 'public'""",
    "move": "SELECT from_status, to_status FROM job_transitions",
}
_INTERNAL = """SELECT r.conname FROM pg_trigger t JOIN pg_constraint r ON r.oid = t.tgconstraint
    WHERE t.tgisinternal AND t.tgenabled NOT IN ('O', 'A')
        AND r.connamespace = CAST('public' AS regnamespace)"""


def down(session: Session) -> list[str]:
    """What is missing, off or changed, each as its kind and name; an empty list is the good news."""
    there = {kind: {tuple(row) for row in session.execute(text(asked))} for kind, asked in _FOUND.items()}
    missing = {_name(kind, row) for kind, row in _wanted() if row not in there[kind]}
    # A foreign key is kept by triggers of PostgreSQL's own, which can be turned off with all others.
    missing |= {f"constraint {name}" for name in session.scalars(text(_INTERNAL))}
    missing |= {_name("move", move) for move in there["move"] - _moves()}  # one too many
    return sorted(missing | set(_rules_gone(session)))


def _name(kind: str, row: tuple[object, ...]) -> str:
    return f"move {row[0]} to {row[1]}" if kind == "move" else f"{kind} {row[0]}"


def _wanted() -> Iterator[tuple[str, tuple[object, ...]]]:
    yield from (("trigger", found) for found in _TRIGGER.findall(GUARDS))
    yield from (("function", found) for found in _FUNCTION.findall(GUARDS))
    yield from (("view", (name,)) for name in _VIEW.findall(GUARDS))
    yield from (("move", move) for move in _moves())
    for table in Base.metadata.sorted_tables:
        yield from _of_table(table)


def _of_table(table: Table) -> Iterator[tuple[str, tuple[object, ...]]]:
    for constraint in table.constraints:
        yield "constraint", (_NAMES.format_constraint(constraint), table.name)
    for index in table.indexes:
        yield "index", (index.name, bool(index.unique))


def _moves() -> set[tuple[object, ...]]:
    return {(str(before), str(after)) for before, following in TRANSITIONS.items() for after in following}


def _rules_gone(session: Session) -> Iterator[str]:
    """PostgreSQL writes a view down in its own words, but the names of the rules are in it."""
    asked = "SELECT definition FROM pg_views WHERE schemaname = 'public' AND viewname = 'audit_violations'"
    view = session.scalar(text(asked)) or ""
    return (f"rule {rule}" for rule in set(_RULE.findall(GUARDS)) if f"'{rule}'" not in view)
