"""The API against its own OpenAPI document: `python -m tests.fuzz.api [examples]`.

Starts a whole system and lets schemathesis loose on it with every check, once with a key and once without;
ends with 1 where anything is found. `examples` is per operation and phase.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import person, violations
from web.cli.background import running
from web.cli.servers import use

EXAMPLES = 150
BALANCE_CENTS = 1_000_000_000
SETTINGS = {"CLORP_RATE_LIMITS": "off", "CRON_SECRET": "fuzz-the-cron-route"}


def main(examples: int) -> int:
    """Run both rounds; the worse of their exit codes."""
    folder = tempfile.TemporaryDirectory(prefix="clorp-fuzz-", dir="/tmp")
    with folder, running(Path(folder.name), SETTINGS) as system:
        use(CLORP_DATABASE_URL=system.servers.database_url)
        key = person(BALANCE_CENTS).key
        found = [fuzz(system.api_url, examples, key), fuzz(system.api_url, examples, None)]
        broken = violations()
        print("audit:", broken or "clean")
        return max(*found, bool(broken))


def fuzz(url: str, examples: int, key: str | None) -> int:
    """One round of schemathesis; its exit code."""
    print(f"\n== {'with a key' if key else 'without a key'}", flush=True)
    config = Path(__file__).with_name("schemathesis.toml").read_text()
    if key:
        config += f'\n[auth.openapi.key]\nbearer = "{key}"\n'
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(config)
        file.flush()
        return _run(file.name, url, examples)


def _run(config: str, url: str, examples: int) -> int:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", config]
    command += ["run", f"{url}/openapi.json", "--url", url]
    # Every check is on by itself; naming them would switch on those that the configuration takes out, too.
    command += ["--max-examples", str(examples), "--continue-on-failure", "--workers", "2"]
    command += ["--suppress-health-check", "all", "--no-color", "--seed", "1", "--warnings", "off"]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"}
    return subprocess.run(command, env=os.environ | hooks, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES))
