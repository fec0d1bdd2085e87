"""Where the command `clorp` begins: Ctrl-C ends it quietly from here on, while it still imports."""

import sys

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended


def main() -> None:
    """Run the command."""
    try:
        from web.cli import main as command

        command(prog_name="clorp")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
