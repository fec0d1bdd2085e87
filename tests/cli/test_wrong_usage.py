"""Wrong usages, one a line: each gets one sentence, the next step, the right exit code, and no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Clorp
from tests.support import claim, close, drive, let_time_pass, people, person, post, submit
from tests.workers.processes import PATIENCE_SECONDS

UNKNOWN = "01a20dee-ac30-7ace-b2b6-7933bc282913"

# What is typed | exit code | in the sentence | in the next step. `ada` types it: she has $10 and sent OPEN,
# which is full, and DONE, which nobody entered; IN is a drop of somebody else in which she holds a slot.
TABLE = """
bord                              | 2 | No such command 'bord'                  | Did you mean 'board'
bord --json                       | 2 | No such command 'bord'                  | Did you mean 'board'
dorp hello                        | 2 | No such command 'dorp'                  | 'drop'
xyzzy                             | 2 | No such command 'xyzzy'                 | clorp help
help xyzzy                        | 2 | No such command 'xyzzy'                 | All of them: clorp help
wallet topu 5                     | 2 | No such command 'topu'                  | Did you mean 'topup'
agents creat x                    | 2 | No such command 'creat'                 | Did you mean 'create'
keys rotat x                      | 2 | No such command 'rotat'                 | Did you mean 'rotate'
profiles uze bob                  | 2 | No such command 'uze'                   | Did you mean 'use'
admin usr bob                     | 2 | No such command 'usr'                   | Did you mean 'user'
help bord                         | 2 | No such command 'bord'                  | Did you mean 'board'
help board now                    | 2 | clorp board has no command 'now'        | clorp board --help
completion powershel              | 2 | 'powershel' is not one of               | 'bash', 'zsh', 'fish'
--colour                          | 2 | No such option                          | clorp --help
board --limt 5                    | 2 | No such option '--limt'                 | Did you mean '--limit'
board --limit 0                   | 2 | 0 is not in the range 1<=x<=100         | clorp board --help
board --limit ten                 | 2 | 'ten' is not a valid integer            | clorp board --help
board --sort best                 | 2 | 'best' is not one of                    | 'newest', 'closing', 'price'
board --pack cod                  | 2 | 'cod' is not one of                     | 'code'
board --min-price five            | 2 | 'five' is neither cents                 | '$1.50'
board extra                       | 2 | unexpected extra argument               | clorp board --help
drop                              | 2 | Missing argument 'PROMPT'               | clorp drop --help
drop x --price 1.50               | 2 | '1.50' is neither cents                 | '$1.50'
drop x --price 5                  | 2 | 5 is 5 cents, and the least bounty is   | '$5.00' for dollars
drop x --price $5.5               | 2 | '$5.5' is neither cents                 | '$1.50'
drop x --price -5                 | 2 | '-5' is neither cents                   | '$1.50'
drop x --price $0.05 -y           | 2 | between $0.50 and $1,000.00, not $0.05  | in that range
drop x --price $0.05              | 2 | between $0.50 and $1,000.00, not $0.05  | in that range
drop x --price $2000 -y           | 2 | between $0.50 and $1,000.00, not $2,000.00 | nothing was posted
drop x --time 5 -y                | 2 | between 30 s and 3600 s, not 5 s        | in that range
drop x --time 5h30 -y             | 2 | between 30 s and 3600 s, not 18030 s    | in that range
drop x --time 5minutes            | 2 | '5minutes' is no time                   | 90s, 5m or 1h30m
drop x --time -1                  | 2 | '-1' is no time                         | 90s, 5m or 1h30m
drop x --min-grade E              | 2 | 'E' is not one of                       | 'S', 'A', 'B'
drop x --env NOT_SET_ANYWHERE     | 2 | there is no such variable here          | NOT_SET_ANYWHERE=VALUE
drop x --attach nothing.png       | 2 | File 'nothing.png' does not exist       | clorp drop --help
drop x --env =x                   | 2 | --env =x: the name is missing           | NAME=VALUE
drop @ -y                         | 2 | The name of a file is missing           | @FILE
drop @nothing.md                  | 2 | nothing.md cannot be read               | No such file
drop x                            | 2 | Post it for $1.00?                      | Repeat it with -y
drop x --price $99 -y             | 4 | does not cover the bounty               | clorp wallet topup 8800
drop                 -y           | 2 | Missing argument 'PROMPT'               | clorp drop --help
view                              | 2 | Missing argument 'ID'                   | clorp view --help
drop x --price 0                  | 2 | 0 is 0 cents                            | Perhaps the shell took the $
drop x --price 00 -y              | 2 | 0 is 0 cents                            | write dollars in quotes
drop x --price .50                | 2 | '.50' is neither cents                  | Perhaps the shell took the $
drop x --price -y                 | 2 | '-y' is neither cents                   | Perhaps the shell took the $
drop x --price                    | 2 | Option '--price' requires an argument   | Perhaps the shell took the $
drop x --pack                     | 2 | Option '--pack' requires an argument    | Choose from
drop x --price 99999999999999999999 | 2 | is too much: the most is $999,999,999.99 | clorp drop --help
drop x --price 100 --price 200    | 2 | --price is given twice                  | give it once
board --limit 5 --limit 6         | 2 | --limit is given twice                  | give it once
login --signup a --signup b       | 2 | --signup is given twice                 | give it once
login --signup= --profile p       | 2 | name                                    | visible
login --key= --signup a           | 2 | not both                                | clorp login --help
view 123                          | 2 | '123' is too short                      | at least 8 characters
view 01a2222                      | 2 | '01a2222' is too short                  | at least 8 characters
keys revoke 01                    | 2 | '01' is too short                       | at least 8 characters
view g1a22222                     | 2 | 'g1a22222' is no id                     | nor how one begins
view IN --submissions             | 5 | sender                                  | --mine
view UNKNOWN                      | 5 | nothing here, or nothing you may see    | clorp jobs
view 01a20dee-ac30                | 5 | No drop has an id that begins with      | Copy more of it
view OPEN --mine                  | 5 | nothing here, or nothing you may see    | clorp jobs
wait UNKNOWN                      | 5 | nothing here, or nothing you may see    | clorp jobs
wait OPEN --timeout 0             | 124 | has not ended within 0 s              | clorp wait
wait OPEN --timeout soon          | 2 | 'soon' is no time                       | 90s, 5m or 1h30m
pull OPEN                         | 6 | there is no winner yet                  | clorp wait
pull DONE                         | 1 | nobody won it                           | clorp view
pay                               | 2 | Missing argument 'ID'                   | clorp pay --help
pay DONE                          | 6 | has already ended                       |
pay UNKNOWN                       | 5 | nothing here, or nothing you may see    | clorp jobs
cancel OPEN                       | 2 | Call the drop off?                      | Repeat it with -y
cancel DONE -y                    | 6 | can no longer be cancelled              |
claim OPEN                        | 5 | your own drop                           | the key in CLORP_API_KEY
claim FULL                        | 6 | Every slot of this drop is taken        |
claim IN --agent nobody           | 5 | You have no agent called 'nobody'       | clorp agents
submit IN                         | 2 | There is nothing to hand in             | name a FILE
submit IN nothing.md              | 2 | nothing.md cannot be read               | No such file
submit IN x.md --text y           | 2 | not from both                           | clorp submit --help
submit DONE --text x              | 5 | your own drop                           |
submit FULL --text x              | 6 | Every slot of this drop is taken        |
release OPEN                      | 5 | nothing here, or nothing you may see    | clorp jobs
verify OPEN                       | 6 | no verdict                              |
wallet topup                      | 2 | Missing argument                        | Perhaps the shell took the $
wallet topup five                 | 2 | 'five' is neither cents                 | '$1.50'
wallet topup 5                    | 2 | 5 is 5 cents, and the least top-up is   | '$5.00' for dollars
wallet withdraw 5                 | 2 | 5 is 5 cents, and the least withdrawal  | '$5.00' for dollars
wallet topup $4.99                | 2 | $4.99 is under the least top-up, $5.00  | '$5.00' or more
wallet topup 1                    | 2 | 1 is 1 cent, and the least top-up is    | '$1.00' for dollars
wallet topup 0                    | 2 | the least top-up is $5.00               | Perhaps the shell took the $
wallet topup $1000000000          | 2 | is too much: the most is $999,999,999.99 | topup --help
wallet withdraw $1.00             | 2 | $1.00 is under the least withdrawal     | '$5.00' or more
wallet auto-topup --below 5 --amount $1.00 | 2 | $1.00 is under the least top-up | '$5.00' or more
wallet withdraw $100.00           | 4 | does not cover this withdrawal          |
wallet auto-topup                 | 2 | Say --below and --amount, or --off      | auto-topup --help
agents create                     | 2 | Missing argument 'NAME'                 | clorp agents create --help
agents create ada                 | 6 | Another agent of yours has that name    | Choose another
agents edit ada                   | 2 | There is nothing to change              | --personality
agents delete ada                 | 6 | default                                 |
agents delete nobody              | 5 | You have no agent called 'nobody'       | clorp agents
keys create ci --scope all        | 2 | 'all' is not one of                     | 'read', 'work', 'spend'
keys revoke 01a20dee-ac30         | 5 | No key has an id that begins with       | clorp keys
keys revoke UNKNOWN               | 5 | nothing here, or nothing you may see    |
api GET                           | 2 | Missing argument 'PATH'                 | clorp api --help
api FETCH /api/board              | 2 | 'FETCH' is not one of                   | 'get', 'post'
api GET http://x.example/api      | 2 | is an address: give a path              | --api-url URL
api GET api/nosuch                | 5 | nothing here, or nothing you may see    | /docs has every route
api POST jobs/run -f price=5      | 2 | not valid                               | did you mean price_cents
api POST jobs/run -f prompt       | 2 | -f prompt: write NAME=VALUE             | clorp api --help
login --key x --signup y          | 2 | not both                                | clorp login --help
login                             | 2 | There is no key                         | --key -
login --key clorp_wrong           | 3 | does not know this key                  | clorp login --signup NAME
login --signup ada                | 6 | taken                                   | Choose another
board --profile nobody --api-url http://127.0.0.1:9 | 8 | cannot be reached     | clorp up
board --api-url nonsense          | 2 | 'nonsense' is no address                | http://
"""
LINES = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()]


@pytest.fixture
def world(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, dict[str, str]]:
    """Ada, and the ids that the table names."""
    ada, other = person(1_200, "ada"), person(200)
    opened, done = post(ada), post(ada)
    let_time_pass(done, 400)
    close(done)
    theirs, full = post(other), post(other)
    claim(ada, theirs)
    for who in people(5):
        claim(who, full)
    monkeypatch.chdir(tmp_path)
    ids = {"OPEN": opened, "DONE": done, "IN": theirs, "FULL": full, "UNKNOWN": UNKNOWN}
    return ada, {name: str(job_id) for name, job_id in ids.items()}


def typed_by(by: Clorp, world, line: str, *more: str):
    ada, ids = world
    who = None if line.startswith("login") else ada
    return by(who, *(ids.get(word, word) for word in line.split()), *more)


@pytest.mark.parametrize("line", LINES, ids=[line[0] for line in LINES])
def test_a_wrong_usage_says_what_to_do_next(by: Clorp, world, monkeypatch, line):
    typed, code, sentence, step = line
    result = typed_by(by, world, typed)
    assert result.exit_code == int(code), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.count("Error: ") == 1, result.stderr
    assert sentence in result.stderr
    assert step in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "line", [line for line in LINES if line[1] not in ("2", "124")], ids=lambda line: line[0]
)
def test_as_json_a_refusal_is_a_document(by: Clorp, world, line):
    typed, code, _, _ = line
    result = typed_by(by, world, typed, "--json")
    assert result.exit_code == int(code), result.output
    problem = json.loads(result.stderr)
    assert problem["error"]
    assert problem["code"]


def test_there_are_seventy_of_them():
    assert len(LINES) >= 70


# Where the trouble is in the machine -----------------------------------------------------------------

CLORP = [sys.executable, "-m", "web.cli"]


def run(
    api_url: str, *args: str, stdout: int = subprocess.PIPE, **env: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CLORP_API_URL": api_url, "CLORP_API_KEY": "", **env}
    return subprocess.run(
        [*CLORP, *args],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "args", [("board", "--json"), ("board",), ("version",), ("help",), ("completion", "bash")]
)
def test_a_full_disk_is_told_in_a_sentence(api_url, args):
    post(person(100))
    with open("/dev/full", "w") as full:
        result = run(api_url, *args, stdout=full.fileno())
    assert (result.returncode, result.stderr) == (
        1,
        "Error: The output cannot be written: No space left on device.\n",
    )


@pytest.mark.parametrize(
    ("args", "code"), [(("whoami",), 8), (("board",), 8), (("drop", "x", "-y"), 8), (("wait", UNKNOWN), 8)]
)
def test_no_server_is_told_with_how_to_get_one(home, args, code):
    result = run("http://127.0.0.1:9", *args, CLORP_API_KEY="clorp_x")
    assert result.returncode == code
    assert "http://127.0.0.1:9 cannot be reached" in result.stderr
    assert "Connection refused" in result.stderr
    assert "Errno" not in result.stderr
    assert "clorp up" in result.stderr
    assert args[0] != "wait" or f"The drop goes on meanwhile: clorp wait {UNKNOWN}" in result.stderr


@pytest.mark.parametrize("args", [("whoami",), ("jobs",), ("claim", UNKNOWN), ("drop", "x", "-y"), ("keys",)])
def test_a_wrong_key_is_told_with_how_to_get_one(by, args):
    result = by(None, *args)
    assert (result.exit_code, "clorp login" in result.stderr) == (3, True)


def test_a_folder_that_cannot_be_written_is_named(by):
    ada, bob = person(100), person()
    job_id = post(ada)
    submit(bob, job_id, "Rhine")
    let_time_pass(job_id, 400)
    close(job_id)
    drive(job_id)
    Path("taken").write_text("x")
    result = by(ada, "pull", job_id, "-o", "taken/below")
    assert result.exit_code == 1
    assert "taken/below: Not a directory." in result.stderr
    assert "name another one" in result.stderr
    assert "name another one" in by(ada, "pull", job_id, "-o", "/dev/null").stderr
