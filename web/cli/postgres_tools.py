"""PostgreSQL's own programs for dumps, of the wheel or in the PATH. No password stands in an argument."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click
from psycopg2.extensions import make_dsn, parse_dsn
from sqlalchemy import make_url

from workers import embedded

# What is true of now alone: a restored market is neither served nor audited.
_PASSING = ("heartbeats", "audits")
_BEFORE, _AFTER = (files("web.cli").joinpath(f"restore_{when}.sql") for when in ("before", "after"))
_COPY, _COPY_END = re.compile(r"COPY public\.\w+ \((.+)\) FROM stdin;\n"), "\\.\n"
_LAST_WORDS = 5  # lines of what a program complains of


@dataclass(frozen=True)
class Tools:
    """A folder with pg_dump, pg_restore and psql, and their major version."""

    folder: Path
    major: int

    def dump(self, url: str, snapshot: str, target: Path) -> None:
        """Everything that this snapshot sees, in PostgreSQL's custom format."""
        database, env = _connection(url)
        passing = [f"--exclude-table-data=public.{table}" for table in _PASSING]
        options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", *passing]
        self._run("pg_dump", [*options, f"--file={target}", f"--dbname={database}"], env)

    def restore(self, url: str, dump: Path, folder: Path) -> None:
        """Put what the dump holds in the place of all there is, in one transaction.

        As a script, so that what this version would not know to drop goes as well; read whole before
        anything is touched, so that a dump that ends early changes nothing.
        """
        database, env = _connection(url)
        before, script, after = (folder / f"{name}.sql" for name in ("before", "script", "after"))
        before.write_text(_BEFORE.read_text())
        after.write_text(_AFTER.read_text())
        self._run("pg_restore", ["--no-owner", "--no-privileges", f"--file={script}", str(dump)], {})
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        scripts = [f"--file={path}" for path in (before, script, after)]
        self._run("psql", [*options, *scripts, f"--dbname={database}"], env)

    def rows(self, dump: Path, table: str, folder: Path) -> Iterator[dict[str, str]]:
        """A table's rows as a dump has them: by column, in the text format of COPY."""
        script = folder / f"{table}.sql"
        chosen = ["--data-only", "--schema=public", f"--table={table}", f"--file={script}"]
        self._run("pg_restore", [*chosen, str(dump)], {})
        columns: list[str] = []
        with script.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                if begun := _COPY.match(line):
                    columns = [name.strip('"') for name in begun[1].split(", ")]
                elif line == _COPY_END:
                    columns = []
                elif columns:
                    yield dict(zip(columns, line.removesuffix("\n").split("\t"), strict=True))

    def _run(self, program: str, arguments: list[str], env: dict[str, str]) -> None:
        done = subprocess.run(
            [str(self.folder / program), *arguments],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            words = "\n".join(done.stderr.strip().splitlines()[-_LAST_WORDS:])
            raise click.ClickException(f"{program} failed, and nothing was changed:\n{words}")


def tools_for(server: int) -> Tools:
    """Programs that can speak to a server of this major version; the closest to it.

    Raises:
        ClickException: there are none, or only older ones.
    """
    found = list(_installed())
    fit = sorted((tools for tools in found if tools.major >= server), key=lambda tools: tools.major)
    if fit:
        return fit[0]
    there = ", ".join(f"{tools.major} in {tools.folder}" for tools in found) or "none"
    raise click.ClickException(
        f"PostgreSQL {server} needs pg_dump, pg_restore and psql of version {server} or newer in the PATH; "
        f"found: {there}. Install its client programs."
    )


def _installed() -> Iterator[Tools]:
    in_path = shutil.which("pg_dump")
    for folder in (embedded.client_binaries(), Path(in_path).parent if in_path else None):
        if folder and all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql")):
            told = subprocess.run(
                [folder / "pg_dump", "--version"], capture_output=True, text=True, check=False
            )
            if version := re.search(r"\b(\d+)(?:\.|devel|beta|rc|$)", told.stdout):
                yield Tools(folder, int(version[1]))


def _connection(url: str) -> tuple[str, dict[str, str]]:
    """Where to, without the password; and the environment that holds it, which others cannot read."""
    parts = parse_dsn(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    password = parts.pop("password", None)
    return make_dsn(**parts), {"PGPASSWORD": password} if password else {}
