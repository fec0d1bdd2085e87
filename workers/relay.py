"""One readable log for many processes. Whatever becomes of its reader, those who write to it go on."""

import sys
import threading
from datetime import UTC, datetime
from typing import IO

from rich.console import Console
from rich.text import Text


class Log:
    """Lines with their time and who said them. A line that cannot be written is lost, and nothing else."""

    def __init__(self, output: IO[str] | None = None) -> None:
        self._console = Console(file=output or sys.stdout, highlight=False, soft_wrap=True)

    def say(self, text: str, name: str, style: str) -> None:
        """A line of the log; never raises."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        line = Text(f"{at}Z ", style="dim")
        try:
            self._console.print(line + Text(f"{name:<8} ", style=style) + Text.from_ansi(text))
        except (Exception, SystemExit):  # a full disk, a closed pipe; rich would end the program for one
            return

    def follow(self, output: IO[bytes], name: str, style: str) -> threading.Thread:
        """Say every line of this pipe in a thread of its own, until its writers have ended."""
        thread = threading.Thread(target=self._relay, args=(output, name, style), daemon=True)
        thread.start()
        return thread

    def _relay(self, output: IO[bytes], name: str, style: str) -> None:
        with output:
            for line in output:  # on and on: who writes into a full pipe would stand still
                if text := line.decode(errors="replace").rstrip():
                    self.say(text, name, style)
