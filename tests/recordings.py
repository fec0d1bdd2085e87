"""Record two terminals for the README: a real market is started, a drop is played, the screens are drawn.

`make record` writes `docs/terminal/{sender,agent}-{light,dark}.svg`: what the sender sees at 80 columns and
what an agent sees at 120. Nothing moves in a picture, so the commands run with `--no-anim`.
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

from web.cli.background import running
from web.client import Client

PICTURES = Path(__file__).parents[1] / "docs/terminal"
COMMAND_SECONDS = 120  # the longest one waits for the end of a window of 30 s
SHOWN_ID = 13  # characters of an id in a table, enough as an argument

PROMPT = "Write a Python function that reverses the words of a sentence."
ANSWERS = {
    "bob": 'def reverse_words(sentence):\n    return " ".join(reversed(sentence.split()))',
    "eve": "You could use split and then join the words again in reverse.",
    "mia": 'def reverse(s):\n    words = s.split()\n    words.reverse()\n    return " ".join(words',
}
OTHERS = (
    ("Name my bakery in two words; it sells only rye bread.", "wild", 150),
    ("Plan a dinner for two from chickpeas, spinach and lemon, with amounts and steps.", "cook", 400),
)
LIGHT = TerminalTheme(
    (250, 250, 248),
    (40, 42, 46),
    [(40, 42, 46), (180, 40, 40), (40, 120, 50), (150, 100, 0), (40, 80, 170), (130, 50, 140), (0, 115, 125),
     (110, 112, 116)],
    [(90, 92, 96), (200, 50, 50), (50, 140, 60), (170, 115, 0), (60, 100, 200), (150, 70, 160), (0, 135, 145),
     (60, 62, 66)],
)  # fmt: skip
THEMES = {"light": LIGHT, "dark": SVG_EXPORT_THEME}


@dataclass
class Terminal:
    """One person's terminal: its width, its settings, and what was typed and printed so far."""

    name: str
    columns: int
    env: dict[str, str]
    screen: list[str] = field(default_factory=list)

    def type(self, command: str) -> None:
        """Run a command in a terminal of this width; what it prints stays on the screen.

        Raises:
            RuntimeError: it failed.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, self.columns, 0, 0))
        chunks: list[bytes] = []
        files = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        process = subprocess.Popen(["bash", "-c", command], **files, env=self.env, cwd=self.env["HOME"])
        os.close(theirs)
        reader = Thread(target=lambda: chunks.extend(_everything(ours)), daemon=True)
        reader.start()
        exit_code = process.wait(COMMAND_SECONDS)
        reader.join(COMMAND_SECONDS)
        os.close(ours)
        printed = b"".join(chunks).decode().replace("\r\n", "\n").rstrip("\n")
        if exit_code:
            raise RuntimeError(f"{command}\n{printed}")
        self.screen.append(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\n{printed}\n")

    def picture(self, theme: TerminalTheme) -> str:
        """Return the screen as an SVG that fetches nothing."""
        paper = Console(
            record=True, width=self.columns, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        paper.print(Text.from_ansi("\n".join(self.screen)))
        drawn = paper.export_svg(title=self.name, theme=theme, unique_id=f"clorp-{self.name}")
        # The fonts of a reader's machine will do; rich would fetch one.
        return re.sub(r"\n *@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


def _everything(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # Linux says so where nobody writes any more
            return
        if not chunk:
            return
        yield chunk


@contextmanager
def market() -> Iterator[tuple[str, Path]]:
    """Yield the address of a market that has just been started, and a folder for its users' homes."""
    folders = [tempfile.TemporaryDirectory(prefix=f"clorp-recorded-{what}-") for what in ("data", "home")]
    with folders[0] as data, folders[1] as home, running(Path(data), {"CLORP_RATE_LIMITS": "off"}) as system:
        yield system.api_url, Path(home)


def record(api_url: str, home: Path) -> tuple[Terminal, Terminal]:
    """Play a drop; return the terminals of its sender and of the agent that wins it."""
    clients = {name: signed_up(api_url, name) for name in ("ada", "bob", "eve", "mia", "zoe")}
    clients["ada"].topup(1_000)
    clients["zoe"].topup(1_000)
    for prompt, pack, cents in OTHERS:
        clients["zoe"].post(prompt, pack=pack, price_cents=cents, time_limit_seconds=900)
    sender = Terminal("sender", 80, environment(api_url, home / "ada", clients["ada"]))
    agent = Terminal("agent", 120, environment(api_url, home / "bob", clients["bob"]))

    sender.type(f"clorp drop '{PROMPT}' --pack code --price '$3' --time 30s --min-grade C -y")
    job_id = clients["ada"].jobs(status="open")[0]["id"]
    short = job_id[:SHOWN_ID]
    agent.type("clorp board")
    agent.type(f"clorp claim {short}")
    (home / "bob/answer.py").write_text(ANSWERS["bob"] + "\n")
    agent.type(f"clorp submit {short} - < answer.py")
    for name in ("eve", "mia"):
        clients[name].submit(job_id, ANSWERS[name])
    sender.type(f"clorp wait {short} --no-anim")
    sender.type(f"clorp view {short} --submissions")
    sender.type(f"clorp pull {short} -o result && cat result/output.txt")
    agent.type("clorp status")
    agent.type("clorp leaderboard")
    agent.type("clorp wallet")
    return sender, agent


def signed_up(api_url: str, name: str) -> Client:
    """Return the client of a new user."""
    with Client(api_url) as stranger:
        return Client(api_url, stranger.signup(name)["api_key"])


def environment(api_url: str, home: Path, client: Client) -> dict[str, str]:
    """Return the environment of a terminal in which a user has logged in."""
    home.mkdir()
    key = client.create_key("terminal")["api_key"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {
        "HOME": str(home), "PATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8",
        "CLORP_API_URL": api_url, "CLORP_API_KEY": key,
    }  # fmt: skip


def main() -> None:
    """Record both terminals in both themes."""
    with market() as (api_url, home):
        terminals = record(api_url, home)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for terminal in terminals:
        for name, theme in THEMES.items():
            path = PICTURES / f"{terminal.name}-{name}.svg"
            path.write_text(terminal.picture(theme))
            print(path.relative_to(PICTURES.parents[1]))


if __name__ == "__main__":
    main()
