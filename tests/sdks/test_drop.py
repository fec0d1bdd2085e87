"""Clients that three generators make of `/openapi.json` each play a drop, from sign-up to payout, with files.

Not part of a plain run: `make sdks` installs the generators.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.sdks import tools
from tests.sdks.tools import SDKS, Sdk
from tests.support import violations
from web.cli.background import System, running
from web.cli.servers import use

pytestmark = [
    pytest.mark.sdks,
    pytest.mark.xdist_group("sdks"),
    pytest.mark.skipif(bool(tools.missing()), reason=f"not installed: {', '.join(tools.missing())}"),
]

WINDOW_SECONDS = 15  # in which a client starts, claims, uploads and submits: a second where nothing else runs
SETTINGS = {
    "CLORP_TIME_LIMIT_MIN_SECONDS": str(WINDOW_SECONDS),
    "CLORP_TIME_LIMIT_DEFAULT_SECONDS": str(WINDOW_SECONDS),
    "CLORP_RATE_LIMITS": "off",
}
FILES = {
    "brief.bin": os.urandom(100_000),
    "out.md": "# Flüsse\r\n\r\n1. Rhein 🌊\n2. Donau\n3. Волга\n".encode(),
    "out.json": b'{"rivers" :  ["Rhine",\t"Danube"], "length": 1.0e3}\n\n',
}
PROMPT = "Name three rivers of Europe; the brief is attached. Größe: 木 🌊"
TEXT = "1. Rhine\n2. Danube\n3. Волга 🌊"


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    # Not pytest's folder, which PostgreSQL's own user cannot enter where root runs the tests.
    folder = tempfile.TemporaryDirectory(prefix="clorp-sdks-", dir="/tmp")
    with folder, running(Path(folder.name), SETTINGS) as system:
        yield system


@pytest.fixture(scope="module")
def document(system, tmp_path_factory) -> Path:
    """The document as the server gives it."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(httpx2.get(f"{system.api_url}/openapi.json").raise_for_status().text)
    return path


def credit(system: System, name: str, cents: int) -> None:
    command = [sys.executable, "-m", "web.cli", "admin", "credit", name, str(cents)]
    tools.run([*command, "--data", system.data])


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_a_drop_is_played_with_a_generated_client(sdk: Sdk, system, document, tmp_path):
    play = sdk.make(document, tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    names = [f"ada of {sdk.name}", f"bob of {sdk.name}"]
    task = {"url": system.api_url, "names": names, "folder": str(tmp_path), "prompt": PROMPT, "text": TEXT}
    keys = json.loads(tools.run(play, json.dumps({**task, "keys": None})))
    credit(system, names[0], 1_000)

    answer = json.loads(tools.run(play, json.dumps({**task, "keys": keys})))

    assert answer == {
        "estimated": 100,
        "on_the_board": True,
        "claimed": True,
        "refused": "own_drop",
        "text": TEXT,
        "ranks": [1],
        "balance": 100,
    }
    fetched = {name: (tmp_path / f"{name}.fetched").read_bytes() for name in ("out.md", "out.json")}
    fetched["brief.bin"] = (tmp_path / "brief.fetched").read_bytes()
    assert fetched == FILES


def test_the_books_are_sound_after_that(system):
    use(CLORP_DATABASE_URL=system.servers.database_url)
    assert violations() == []


def test_spectral_finds_nothing(document):
    ruleset = document.with_name("ruleset.yaml")
    ruleset.write_text('extends: ["spectral:oas"]\n')
    tools.run([tools.NODE / "spectral", "lint", "--ruleset", ruleset, "--fail-severity", "hint", document])


def test_redocly_finds_nothing(document):
    report = tools.run(
        [tools.NODE / "redocly", "lint", "--extends", "recommended", "--format", "json", document]
    )
    assert json.loads(report)["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}
