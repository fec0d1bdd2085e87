"""The reasons for which a test may be skipped; a skip for another one fails the run, for it hides a fault."""

import re

import pytest

ALLOWED = (
    r"only root .*",  # the suite is run both as root and as an ordinary user
    r"root may write everywhere",
    r"only Linux tells a child that its parent died",
    r"this machine has no IPv6",
    r"no (captions|answers|injections) here: CLORP_TEST_JUDGE_DATA says where",
    r"no data of people's ratings here",
    r"matplotlib is installed",
    r"could not import 'matplotlib': .*",
    r"PgBouncer is not installed: there is no pooler",  # a package of Debian's, which `.ci/run` brings
    r"not installed: .*",  # what `make live`, `make sdks` or `.ci/run` installs
)


def allowed(reason: str) -> bool:
    """Whether a test may be skipped for this reason."""
    return any(re.fullmatch(pattern, reason) for pattern in ALLOWED)


class Census:
    """Names every test that a run skipped, and fails the run for those that had no good reason."""

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of every test, whichever process ran it."""
        self._count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Of every file: one may be skipped as a whole."""
        self._count(report)

    def _count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple | list) else str(report.longrepr)
            self.skipped.append((report.nodeid, reason.removeprefix("Skipped: ")))

    @property
    def forbidden(self) -> list[tuple[str, str]]:
        """The skips for which there is no good reason."""
        return [(name, reason) for name, reason in self.skipped if not allowed(reason)]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A run that has skipped what it should not has failed."""
        if self.forbidden and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Every skip by name."""
        for name, reason in sorted(self.skipped):
            terminalreporter.write_line(f"SKIPPED {name}: {reason}")
        for name, reason in sorted(self.forbidden):
            terminalreporter.write_line(
                f"FAILED {name}: skipped, and tests/skips.py does not allow: {reason}"
            )


def pytest_configure(config: pytest.Config) -> None:
    """Count where all reports come together."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Census())
