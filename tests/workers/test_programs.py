"""Celery's programs, told to end in the middle of their start: they do, and have nothing to say about it."""

import os
import subprocess
import sys

import pytest

from tests.workers.processes import PATIENCE_SECONDS

# Sends itself a SIGTERM when it imports that module, once it would hear one.
STOPPED = """
import os, runpy, signal, sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["STOP_AT"] and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            sys.meta_path.remove(self)
            print("stopped", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Stop())
runpy.run_module("celery", run_name="__main__")
"""
WORKER = ["worker", "--queues", "money", "--concurrency", "2", "--without-gossip", "--without-mingle"]


@pytest.mark.parametrize(
    ("program", "module"),
    [
        (["beat"], "celery.app.routes"),
        (["beat"], "kombu.transport.redis"),
        ([*WORKER, "--pool", "prefork"], "celery.worker.strategy"),
        ([*WORKER, "--pool", "threads"], "celery.worker.strategy"),
    ],
    ids=["beat that makes its first message", "beat that connects", "worker with processes", "with threads"],
)
def test_a_stop_amid_an_import_is_a_quiet_end(database, program, module):
    # A number of its own: other tests send messages at the same time.
    redis_url = os.environ["CLORP_REDIS_URL"].removesuffix("/0") + "/8"
    env = {"CLORP_REDIS_URL": redis_url, "STOP_AT": module, "REMAP_SIGTERM": "SIGQUIT"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STOPPED, "--quiet", "--app", "workers.app", *program],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")
