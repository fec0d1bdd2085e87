"""Scripts as the README and the page for agents print them: found in their text, and run as printed."""

import os
import re
import subprocess
from pathlib import Path

from tests.workers.processes import PATIENCE_SECONDS

LONG_SECONDS = 3_600  # a window that only its fifth entry closes


def block(text: str, heading: str, language: str, number: int = 0) -> str:
    """A block of code below a heading."""
    section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[number]


def replaced(script: str, printed: str, ours: str) -> str:
    """A script with one value of its own exchanged; it has to be there."""
    assert printed in script
    return script.replace(printed, ours)


def bash(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script as somebody who has just cloned the project: a new home, and nothing set."""
    environment = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], **env}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS * len(script.splitlines()),
        check=False,
    )
