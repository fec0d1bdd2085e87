"""A test that is skipped for a reason that nobody listed fails the run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import skips

ROOT = Path(skips.__file__).parent.parent
FILES = {
    "file": "import pytest\npytest.skip('{}', allow_module_level=True)",
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='{}')\ndef test_one(): pass",
    "call": "import pytest\ndef test_one(): pytest.skip('{}')",
}
PASSES = "def test_two(): pass"
XFAIL = "import pytest\n@pytest.mark.xfail(reason='a known fault')\ndef test_one(): assert False"


def run(folder: Path, processes: int, **files: str) -> "subprocess.CompletedProcess[str]":
    """A run of its own, of files with this code and one that passes."""
    for name, code in {**files, "passes": PASSES}.items():
        (folder / f"test_{name}.py").write_text(code)
    options = ["-p", "tests.skips", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-n", str(processes)]
    argv = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("processes", [0, 2])
def test_a_skip_fails_the_run_unless_its_reason_is_listed(tmp_path, processes):
    because = {name: code.format(f"{name}: cannot listen") for name, code in FILES.items()}
    done = run(tmp_path, processes, **because)
    assert done.returncode == 1, done.stdout
    for name in FILES:
        assert f"tests/skips.py does not allow: {name}: cannot listen" in done.stdout
    done = run(tmp_path, processes, **{name: code.format("only root can") for name, code in FILES.items()})
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": only root can\n") == len(FILES)


def test_what_is_expected_to_fail_is_no_skip(tmp_path):
    done = run(tmp_path, 0, xfail=XFAIL)
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" not in done.stdout


def test_what_failed_stays_failed(tmp_path):
    done = run(tmp_path, 0, mark=FILES["mark"].format("only root can"), fails="def test_x(): assert False")
    assert done.returncode == 1, done.stdout
