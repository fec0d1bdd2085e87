"""Three generators of clients and two linters, as `make sdks` installs them, and how each is run.

The versions stand in python.lock and package-lock.json. The Node.js is the machine's: 20.19 or later.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.rules.source import ROOT

HERE = Path(__file__).parent
TOOLS = ROOT / ".venv/sdks"
PYTHON, NODE = TOOLS / "bin", TOOLS / "node_modules/.bin"
NEEDED = [
    PYTHON / "openapi-python-client",
    PYTHON / "openapi-generator-cli",
    NODE / "openapi-ts",
    NODE / "tsc",
    NODE / "spectral",
    NODE / "redocly",
]
RUN_SECONDS = 300  # the slowest of them took 18 on a busy machine
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}

_ELSEWHERE = re.compile("^CLORP_|_proxy$", re.IGNORECASE)

Command = list[str | Path]


@dataclass(frozen=True)
class Sdk:
    """A kind of client. `make` generates it into an empty folder and gives the program that plays with it."""

    name: str
    make: Callable[[Path, Path], Command]


def missing() -> list[str]:
    """Return the names of the tools that are not installed."""
    names = [tool.name for tool in NEEDED if not tool.exists()]
    return names if shutil.which("node") else ["node", *names]


def run(command: Command, stdin: str = "") -> str:
    """Run a program and return what it printed; it must not fail.

    Without proxies, for everything is on this machine, and without the settings of the tests' own servers.
    """
    ours = {name: value for name, value in os.environ.items() if not _ELSEWHERE.search(name)}
    path = f"{PYTHON}{os.pathsep}{NODE}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
        env={**ours, **QUIET, "PATH": path},
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def _openapi_python_client(document: Path, folder: Path) -> Command:
    settings = folder / "settings.yaml"
    settings.write_text("post_hooks: []\n")  # formatting alone
    command: Command = [PYTHON / "openapi-python-client", "generate", "--path", document, "--meta", "none"]
    run([*command, "--config", settings, "--output-path", folder / "clorp_sdk", "--fail-on-warning"])
    return _python("play_openapi_python_client.py", folder)


def _openapi_generator(document: Path, folder: Path) -> Command:
    options = "packageName=clorp_sdk,generateSourceCodeOnly=true"
    command: Command = [PYTHON / "openapi-generator-cli", "generate", "-g", "python", "-i", document]
    run([*command, "-o", folder, "--additional-properties", options])
    return _python("play_openapi_generator.py", folder)


def _python(play: str, folder: Path) -> Command:
    shutil.copy(HERE / play, folder / play)
    return [PYTHON / "python", "-W", "error", folder / play]


def _openapi_ts(document: Path, folder: Path) -> Command:
    client = ["-c", "@hey-api/client-fetch", "--no-log-file"]
    run([NODE / "openapi-ts", "-i", document, "-o", folder / "clorp_sdk", *client])
    play = folder / "play.ts"
    shutil.copy(HERE / "play_openapi_ts.ts", play)
    (folder / "tsconfig.json").write_text(json.dumps(_strict()))
    run([NODE / "tsc", "--project", folder])
    return ["node", folder / "compiled/play.js"]


def _strict() -> dict[str, object]:
    """Settings of the compiler under which nothing goes unchecked."""
    options = {
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "noImplicitReturns": True,
        "target": "es2022",
        "lib": ["es2023", "dom", "dom.iterable"],
        "module": "commonjs",
        "moduleResolution": "node10",
        "outDir": "compiled",
        "types": ["node"],
        "typeRoots": [str(TOOLS / "node_modules/@types")],
    }
    return {"compilerOptions": options, "include": ["play.ts", "clorp_sdk"]}


SDKS = [
    Sdk("openapi-python-client", _openapi_python_client),
    Sdk("openapi-generator", _openapi_generator),
    Sdk("openapi-ts", _openapi_ts),
]
