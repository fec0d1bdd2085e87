"""A test that is skipped for a reason that nobody listed fails the run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import skips

ROOT = Path(skips.__file__).parent.parent
WHOLE_FILE = "import pytest\npytest.skip('{}', allow_module_level=True)"
ONE_TEST = "import pytest\n@pytest.mark.skipif(True, reason='{}')\ndef test_one(): pass\ndef test_two(): pass"
IN_A_TEST = "import pytest\ndef test_one(): pytest.skip('{}')\ndef test_two(): pass"
XFAIL = "import pytest\n@pytest.mark.xfail(reason='{}')\ndef test_one(): assert False\ndef test_two(): pass"


def run(folder: Path, code: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """A run of its own, of one file with this code and one that passes."""
    (folder / "test_x.py").write_text(code)
    (folder / "test_y.py").write_text("def test_y(): pass")
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.skips",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
    ]
    argv += ["-c", "/dev/null", "--rootdir", str(folder), *options, str(folder)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize("code", [WHOLE_FILE, ONE_TEST, IN_A_TEST], ids=["file", "mark", "call"])
def test_a_skip_fails_the_run_unless_its_reason_is_listed(tmp_path, code, processes):
    done = run(tmp_path, code.format("cannot listen on [::]"), "-n", processes)
    assert done.returncode == 1, done.stdout
    assert "tests/skips.py does not allow: cannot listen on [::]" in done.stdout
    done = run(tmp_path, code.format("only root can do it"), "-n", processes)
    assert done.returncode == 0, done.stdout
    assert "SKIPPED test_x.py" in done.stdout
    assert ": only root can do it\n" in done.stdout


def test_what_is_expected_to_fail_is_no_skip(tmp_path):
    done = run(tmp_path, XFAIL.format("a known fault"), "-n", "0")
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" not in done.stdout


def test_what_failed_stays_failed(tmp_path):
    done = run(
        tmp_path, ONE_TEST.format("only root can do it") + "\ndef test_three(): assert False", "-n", "0"
    )
    assert done.returncode == 1, done.stdout
