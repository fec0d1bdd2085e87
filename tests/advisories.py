"""Known vulnerabilities of what is locked: `python -m tests.advisories [--tolerant]`, which asks pip-audit.

Ends with 1 where one is known and with 2 where somebody was not asked about a package: an advisory service
that is away, or an index without advisories, says "none known" of everything. `--tolerant` makes that a
warning, for checks that must not depend on somebody else's server.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tests.rules.source import ROOT

LOCK = "requirements.lock"  # the other locks are part of it: see test_compose
WHOLE_SECONDS = 180


@dataclass
class Report:
    """What is known of the locked packages, and of which nothing is."""

    asked: int = 0
    vulnerable: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    trouble: str = ""

    @classmethod
    def read(cls, output: str, errors: str = "") -> "Report":
        """Of pip-audit's JSON; anything else on its output means that it got no answer."""
        try:
            rows: list[dict[str, Any]] = json.loads(output)["dependencies"]
        except (ValueError, KeyError, TypeError):
            return cls(trouble=(errors.strip().splitlines() or ["pip-audit said nothing"])[-1][:300])
        report = cls(asked=len(rows), trouble="" if rows else "pip-audit looked at nothing")
        for row in rows:
            if "skip_reason" in row:
                report.unknown.append(row["name"])
            for known in row.get("vulns", ()):
                fixed = ", ".join(known.get("fix_versions", ())) or "no release"
                report.vulnerable.append(f"{row['name']} {row['version']}: {known['id']}, mended in {fixed}")
        return report

    def verdict(self, tolerant: bool) -> int:
        """The exit code."""
        if self.vulnerable:
            return 1
        return 2 if (self.unknown or self.trouble) and not tolerant else 0

    def told(self) -> str:
        """For people."""
        lines = [f"VULNERABLE: {one}" for one in self.vulnerable]
        if self.trouble:
            lines.append(f"WARNING: NOT AUDITED, no advisories could be asked for: {self.trouble}")
        elif self.unknown:
            some = ", ".join(self.unknown[:5])
            lines.append(
                f"WARNING: NOT AUDITED: {len(self.unknown)} of {self.asked} packages, such as {some}"
            )
        return "\n".join(lines) or f"no known vulnerability in {self.asked} locked packages"


def ask(*options: str) -> Report:
    """Ask pip-audit, which asks the advisory service; installs and resolves nothing."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(ROOT / LOCK)]
    command += ["--format", "json", "--progress-spinner", "off", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WHOLE_SECONDS)
    except subprocess.TimeoutExpired:
        return Report(trouble=f"no answer within {WHOLE_SECONDS} s")
    return Report.read(done.stdout, done.stderr)


def main(arguments: list[str]) -> int:
    """Ask and tell; options that are not ours go to pip-audit."""
    report = ask(*(one for one in arguments if one != "--tolerant"))
    code = report.verdict("--tolerant" in arguments)
    print(report.told(), file=sys.stderr if code or report.unknown or report.trouble else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
