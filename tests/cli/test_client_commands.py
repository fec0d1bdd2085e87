"""The commands of senders and agents: what they do, what people read, and what scripts get."""

import json
from threading import Timer

import pytest

from tests.support import balance, claim, close, drive, let_time_pass, person, post, status, submit
from tests.web.scenes import decided, end_window
from web.client import AuthError, Client, Forbidden
from workers import tasks

ID = "01a20dee-ac30-7ace-b2b6-7933bc282913"


def posted(result) -> str:
    """The id of the drop that a command has posted."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["id"]


def test_a_drop_from_the_prompt_to_the_file(by, tmp_path):
    ada, bob = person(1000, "ada"), person(0, "bob")
    options = ["--price", "$3.00", "--pack", "scout", "--time", "5m", "--env", "TOKEN=t"]
    job_id = posted(by(ada, "drop", "Name three rivers.", *options, "-y", "--json"))
    assert "Name three rivers." in by(None, "board").stdout
    assert job_id in by(bob, "claim", job_id).stdout
    assert "Name three rivers." in by(bob, "status").stdout
    assert by(bob, "submit", job_id, "-", stdin="Rhine, Danube, Volga.").exit_code == 0
    assert "sealed until the drop is decided" in by(ada, "view", job_id, "--submissions").stdout
    end_window(job_id)
    assert drive(job_id) == "verified"
    waited = by(ada, "wait", job_id)
    assert waited.exit_code == 0
    assert "Rhine, Danube, Volga." in waited.stdout
    assert "outcome\tbob won; $3.00 paid\n" in waited.stdout
    assert "outcome\tbob won; $3.00 paid\n" in by(None, "view", job_id).stdout
    assert by(ada, "pull", job_id, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out/output.txt").read_text() == "Rhine, Danube, Volga."
    assert "bob" in by(None, "feed").stdout
    assert "+$3.00" in by(bob, "wallet").stdout
    assert "verified" in by(ada, "jobs").stdout


def test_the_estimate_is_shown_and_costs_nothing(by):
    ada = person(1000)
    result = by(ada, "drop", "Name three rivers.", "--price", "$9999", "--estimate")
    assert result.exit_code == 0
    assert "bounty\t$1,000.00, not $9,999.00\n" in result.stdout
    assert "The bounty is $1,000.00: it has to be between $0.50 and $1,000.00." in result.stdout
    short = by(ada, "drop", "Name three rivers.", "--time", "5", "--estimate")
    assert "open for\t30 s, not 5 s\n" in short.stdout
    assert "note 1\tThe bounty" in result.stdout
    assert "note 2\tWithout a minimum grade above F the best entry takes the whole bounty" in result.stdout
    assert json.loads(by(ada, "drop", "x", "--estimate", "--json").stdout)["needs_confirmation"]
    none = by(ada, "jobs")
    assert (none.stdout, none.stderr) == ("", 'You have sent no drops. Post one: clorp drop "…"\n')


def test_the_estimate_comes_before_the_drop(by):
    result = by(person(1000), "drop", "Name three rivers.", "-y")
    assert "open for" in result.stderr
    assert "clorp wait" in result.stdout


@pytest.mark.parametrize(("given", "stdin"), [("-", "Ä prompt"), ("@prompt.md", None)])
def test_a_prompt_may_come_from_elsewhere(by, tmp_path, given, stdin):
    (tmp_path / "prompt.md").write_text("Ä prompt")
    result = by(person(100), "drop", given, "-y", "--json", stdin=stdin)
    assert json.loads(result.stdout)["prompt"] == "Ä prompt"


def test_a_variable_may_come_from_the_environment(by, monkeypatch):
    monkeypatch.setenv("TOKEN", "secret")
    result = by(person(100), "drop", "x", "--env", "TOKEN", "--env", "EMPTY=", "-y", "--json")
    assert json.loads(result.stdout)["envVars"] == {"TOKEN": "secret", "EMPTY": ""}
    assert "secret" not in by(person(100), "drop", "x", "--env", "TOKEN", "-y").output
    assert by(person(100), "drop", "x", "--env", "NOT_THERE", "-y").exit_code == 2


def test_who_cannot_pay_is_told_how_and_pays_later(by):
    ada = person(30)
    result = by(ada, "drop", "Name three rivers.", "-y")
    assert result.exit_code == 4
    job_id = json.loads(by(ada, "jobs", "--json").stdout)[0]["id"]
    assert f"clorp wallet topup 500 && clorp pay {job_id}" in result.stderr
    assert "It costs $1.00, you have $0.30" in result.stderr
    assert by(ada, "pay", job_id).exit_code == 4
    assert json.loads(by(ada, "jobs", "--status", "pending_payment", "--json").stdout)


def test_a_drop_that_is_paid_already_is_said_to_be(by):
    ada = person(30)
    by(ada, "drop", "Name three rivers.", "-y")
    job_id = json.loads(by(ada, "jobs", "--json").stdout)[0]["id"]
    by(ada, "wallet", "topup", "500")
    assert by(ada, "pay", job_id).stdout.startswith(f"posted\t{job_id}\n")
    again = by(ada, "pay", job_id)
    assert (again.exit_code, again.stdout.startswith(f"is paid already\t{job_id}\n")) == (0, True)
    assert balance(ada) == 430


def test_money_in_and_out_says_what_there_is_now(by):
    ada = person(30)
    assert by(ada, "wallet", "topup", "$5").stdout.splitlines()[-1] == "balance\t$5.30"
    assert by(ada, "wallet", "withdraw", "$5").stdout.splitlines()[-1] == "balance\t$0.30"


def test_a_list_without_a_match_does_not_say_that_there_is_nothing(by):
    ada = person(100)
    post(ada)
    for options in (
        ("board", "--pack", "code"),
        ("board", "--min-price", "500", "--max-price", "100"),
        ("board", "--offset", "5"),
        ("jobs", "--status", "failed"),
        ("jobs", "--offset", "5"),
        ("feed", "--offset", "5"),
        ("agents", "directory", "--offset", "5"),
    ):
        assert by(ada, *options).stderr == "Nothing matches these options; leave some out.\n"
    assert by(ada, "feed").stderr == "Nothing was decided yet.\n"


def test_the_estimate_in_a_pipe_has_no_padding(by):
    lines = by(person(1_000), "drop", "Name three rivers.", "-y").stderr.splitlines()
    assert "bounty\t$1.00" in lines
    assert [line for line in lines if line != line.rstrip()] == []


def test_calling_off_says_what_becomes_of_the_money(by):
    ada = person(200)
    free, worked_on = post(ada), post(ada)
    claim(person(), worked_on)
    assert by(ada, "cancel", free, "-y").stdout == "Cancelled; $1.00 came back.\n"
    assert "when nobody is at work on it any more" in by(ada, "cancel", worked_on, "-y").stdout
    assert balance(ada) == 100


def test_a_slot_can_be_given_back(by):
    bob, job_id = person(), post(person(100))
    claim(bob, job_id)
    assert by(bob, "release", job_id).stdout == "The slot is free again.\n"
    assert by(bob, "status").stderr.startswith("You are in no drop.")


def test_the_last_entry_says_that_it_closed_the_window(by, settle):
    settle(max_claims=1)
    job_id = post(person(100))
    assert "closed by this entry" in by(person(), "submit", job_id, "--text", "Rhine").stdout


def test_waiting_ends_by_how_the_drop_ended(by):
    ada = person(300)
    nobody_came = post(ada)
    end_window(nobody_came)
    failed = by(ada, "wait", nobody_came)
    assert failed.exit_code == 1
    assert "outcome\tnobody handed in; $1.00 came back\n" in failed.stdout
    assert json.loads(by(ada, "wait", nobody_came, "--json").stdout)["status"] == "failed"


def test_waiting_sees_the_end_when_it_comes(by, api_url):
    ada = person(100)
    job_id = post(ada)
    Timer(0.5, lambda: Client(api_url, ada.key).cancel(job_id)).start()
    assert by(ada, "wait", job_id, "--timeout", "10m").exit_code == 1  # 124 would be the time-out


def test_waiting_may_have_an_end_of_its_own(by):
    ada = person(100)
    job_id = post(ada)
    result = by(ada, "wait", job_id, "--timeout", "1s")
    assert result.exit_code == 124
    assert f"clorp wait {job_id}" in result.stderr
    assert status(job_id) == "open"


def test_posting_may_wait_at_once(by, api_url):
    ada = person(100)

    def call_off() -> None:
        client = Client(api_url, ada.key)
        client.cancel(client.jobs()[0]["id"])

    Timer(0.7, call_off).start()
    result = by(ada, "drop", "x", "-y", "--wait", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == "cancelled"


def test_there_is_nothing_to_pull_before_the_end(by, tmp_path):
    ada = person(100)
    job_id = str(post(ada))
    result = by(ada, "pull", job_id)
    assert result.exit_code == 6
    assert f"clorp wait {job_id}" in result.stderr
    assert not (tmp_path / job_id).exists()


def test_pulling_replaces_nothing_unasked(by, tmp_path):
    ada = person(100)
    job_id = decided(ada, person())
    assert by(ada, "pull", job_id).stdout == f"{job_id}/output.txt\n"
    again = by(ada, "pull", job_id)
    assert again.exit_code == 1
    assert "is there already" in again.stderr
    assert by(ada, "pull", job_id, "--force").exit_code == 0


def test_what_strangers_wrote_does_not_steer_the_terminal(by):
    job_id = post(person(100), "\x1b[2J\x1b]0;owned\x07[bold]title[/]\u202e")
    bob = person()
    submit(bob, job_id)
    for shown in (by(None, "board").stdout, by(bob, "view", job_id).stdout, by(bob, "status").stdout):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "[bold]title[/]" in shown


def test_the_winner_reads_why(by):
    bob = person()
    job_id = decided(person(100), bob)
    shown = by(bob, "view", job_id, "--mine").stdout
    assert "rank" in shown
    assert "judge" in shown


def test_agents_are_made_named_and_sent_to_work(by):
    bob, job_id = person(name="bob"), post(person(100))
    assert by(bob, "agents", "create", "quill", "--personality", "Dry.").exit_code == 0
    quill = next(one for one in json.loads(by(bob, "agents", "--json").stdout) if one["name"] == "quill")
    claimed = json.loads(by(bob, "claim", job_id, "--agent", "quill", "--json").stdout)
    assert claimed["agent_id"] == quill["id"]
    assert "yes" in by(bob, "agents", "edit", "quill", "--default").stdout
    assert "quill" in by(None, "agents", "directory").stdout
    assert by(bob, "agents", "delete", "quill").exit_code == 6


def test_a_key_may_do_less_and_can_be_changed_and_ended(by, api_url):
    bob = person(200)
    made = json.loads(by(bob, "keys", "create", "ci", "--scope", "read", "--json").stdout)
    with Client(api_url, made["api_key"]) as reader:
        assert reader.jobs() == []
        with pytest.raises(Forbidden):
            reader.post("x")
        newer = json.loads(by(bob, "keys", "rotate", made["id"], "--json").stdout)
        assert by(bob, "keys", "revoke", made["id"]).stdout == "Revoked.\n"
        with pytest.raises(AuthError):
            reader.jobs()
    assert newer["api_key"] != made["api_key"]
    assert "ci" in by(bob, "keys").stdout


# Who is best -------------------------------------------------------------------------------------


def test_the_leaderboard_shows_rank_rating_wins_earnings_and_grades(by):
    assert by(None, "leaderboard").stderr.startswith("No agent has a rating yet.")
    decided(person(1000), person(0, "quill"), person(0, "[b]forge[/b]"))
    tasks.rate()
    rows = json.loads(by(None, "leaderboard", "--json").stdout)["leaderboard"]
    first, second = by(None, "leaderboard").stdout.splitlines()
    assert first.split()[:4] == ["1", rows[0]["name"], f"{rows[0]['rating']:.2f}", "1"]
    assert first.split()[4:] == ["1", "$1.00", "1", *rows[0]["grades"]]
    assert second.split()[4:6] == ["0", "$0.00"]
    rest = by(None, "leaderboard", "--limit", 1, "--offset", 1).stdout
    assert rest.split() == second.split()
    assert by(None, "leaderboard", "--pack", "cook").stderr.startswith("Nothing matches these options")
    assert by(None, "leaderboard", "--pack", "chess").exit_code == 2


# What scripts get --------------------------------------------------------------------------------


def test_json_is_the_document_of_the_api_and_nothing_else(by, api_url):
    ada, bob = person(500), person()
    job_id = post(ada)
    submit(bob, job_id)
    calls = {
        ("whoami",): ("POST", "/api/whoami"),
        ("jobs",): ("GET", "/api/jobs"),
        ("view", job_id): ("GET", f"/api/jobs/{job_id}"),
        ("view", job_id, "--submissions"): ("GET", f"/api/jobs/{job_id}/submissions"),
        ("status",): ("GET", "/api/users/status"),
        ("feed",): ("GET", "/api/feed"),
        ("leaderboard",): ("GET", "/api/leaderboard"),
        ("board",): ("GET", "/api/board"),
        ("wallet",): ("GET", "/api/wallet/balance"),
        ("api", "GET", "jobs", "-f", "limit=1"): ("GET", "/api/jobs"),
    }
    with Client(api_url, ada.key) as client:
        for command, (method, path) in calls.items():
            result = by(ada, *command, "--json")
            assert (result.exit_code, result.stderr) == (0, "")
            told, expected = json.loads(result.stdout), client.api(method, path)
            if command == ("board",):
                told["board"][0].pop("seconds_left"), expected["board"][0].pop("seconds_left")
            assert told == expected


def test_json_is_ascii_so_that_no_terminal_and_no_locale_matters(by):
    result = by(person(100), "drop", "Flüsse \x9b31m", "-y", "--json")
    assert result.stdout.isascii()
    assert json.loads(result.stdout)["prompt"] == "Flüsse \x9b31m"


def test_any_route_can_be_called(by, tmp_path):
    ada = person(500)
    estimate = by(ada, "api", "post", "/api/jobs/run", "-f", "prompt=x", "-f", "price_cents=70")
    assert json.loads(estimate.stdout)["estimated_price_cents"] == 70
    (tmp_path / "body.json").write_text('{"prompt": "x", "confirmed": true}')
    job_ids = {
        posted(by(ada, "api", "POST", "jobs/run", "--input", "body.json", "--idempotency-key", "one"))
        for _ in range(2)
    }
    assert len(job_ids) == 1
    assert json.loads(by(None, "api", "GET", "/healthz").stdout)
    assert by(ada, "api", "DELETE", f"jobs/{ID}/claim").exit_code == 5
    assert by(ada, "api", "POST", "jobs/run", "--input", "-", stdin="[]").exit_code == 2
    assert by(ada, "api", "POST", "jobs/run", "-f", "prompt").exit_code == 2
    assert by(ada, "api", "PUT", "jobs").exit_code == 2


@pytest.mark.parametrize("address", ["http://127.0.0.1/api/board", "HTTPS://clorp.test", "//clorp.test/x"])
def test_an_address_is_no_path(clorp, home, address):
    result = clorp("api", "GET", address)
    assert result.exit_code == 2
    assert "give a path, such as /api/board" in result.stderr


def test_a_drop_can_be_read_before_a_slot_is_taken(by):
    ada, bob, eve = person(1_000, name="Ada"), person(name="Bob"), person()
    job_id = post(ada, "Three rivers.\nOne a line.", min_grade="F")
    claim(bob, job_id)
    for who in (eve, None):  # with a key and without
        shown = by(who, "view", job_id)
        assert shown.exit_code == 0
        assert "One a line." in shown.stdout
        assert "1. Bob is at work" in shown.stdout
    submit(bob, job_id, "Rhine\nDanube\nVolga")
    assert "1. Bob has handed in" in by(eve, "view", job_id).stdout
    let_time_pass(job_id, 400)
    close(job_id)
    drive(job_id)
    decided = by(None, "view", job_id).stdout
    assert "ranking" in decided
    assert "Bob" in decided
    assert "Danube" not in decided
    assert by(eve, "view", job_id, "--mine").exit_code == 5
    assert by(None, "view", job_id, "--mine").exit_code == 3


def test_a_late_release_says_that_it_counts(by):
    bob, job_id = person(), post(person(100), time_limit_seconds=3600)
    claim(bob, job_id)
    assert "entry due" in by(bob, "status").stdout
    let_time_pass(job_id, 200)
    assert "counts as a no-show" in by(bob, "release", job_id).stdout
    claim(bob, job_id)
    let_time_pass(job_id, 301)
    assert "lost" in by(bob, "status").stdout
