"""What a fault does to what it strikes, one by one."""

import json
import signal
import tempfile

import pytest
from click.testing import CliRunner

from web.cli import background, main, torture
from web.cli.torture import faults, run
from web.cli.torture.faults import FAULTS


class Queue:
    def __init__(self) -> None:
        self.pushed: list[tuple[str, str]] = []

    def lpush(self, key: str, value: str) -> None:
        self.pushed.append((key, value))


def monitored(*words: str) -> str:
    """A line as MONITOR writes it."""
    quoted = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
    return f"1700000000.123456 [0 127.0.0.1:40000] {quoted}"


MESSAGE = {
    "body": "W10=",
    "headers": {"task": "workers.tasks.pay", "argsrepr": "('a\\\\b',)"},
    "properties": {"delivery_tag": "one"},
}


def test_a_message_is_sent_a_second_time_as_another_one():
    queue = Queue()
    faults._echo(monitored("LPUSH", "money", json.dumps(MESSAGE)), queue)
    ((key, sent),) = queue.pushed
    again = json.loads(sent)
    assert key == "money"
    assert (again["body"], again["headers"]["task"]) == ("W10=", "workers.tasks.pay")
    assert again["headers"]["argsrepr"] == MESSAGE["headers"]["argsrepr"]
    assert again["properties"]["delivery_tag"] != "one"


def test_what_was_sent_a_second_time_is_not_sent_a_third():
    queue = Queue()
    faults._echo(monitored("LPUSH", "money", json.dumps(MESSAGE)), queue)
    faults._echo(monitored("LPUSH", *queue.pushed[0]), queue)
    assert len(queue.pushed) == 1


@pytest.mark.parametrize(
    "line",
    [
        monitored("LPUSH", "unacked", json.dumps(MESSAGE)),
        monitored("BRPOP", "money", "judge", "1"),
        monitored("PING"),
        '1700000000.1 [0 lua] "SET" "a" "\\x00\\xff"',
        "OK",
    ],
)
def test_nothing_else_is_sent_again(line):
    queue = Queue()
    faults._echo(line, queue)
    assert queue.pushed == []


def test_every_fault_is_listed_and_can_be_named():
    listed = CliRunner().invoke(main, ["torture", "--list"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in FAULTS)


def test_a_fault_that_there_is_not_is_wrong_usage():
    refused = CliRunner().invoke(main, ["torture", "--faults", "kill-judge,earthquake"])
    assert refused.exit_code == 2
    assert "no fault earthquake" in refused.output


@pytest.mark.parametrize("value", ["", ",", " , "])
def test_no_fault_at_all_has_a_name(value):
    refused = CliRunner().invoke(main, ["torture", "--faults", value])
    assert refused.exit_code == 2
    assert "none" in refused.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_leaves_no_folder(monkeypatch, tmp_path, number):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(torture, "torture", lambda *_: signal.raise_signal(number))
    before = signal.getsignal(number)
    signal.signal(number, signal.default_int_handler)  # not the end of the test, where nobody listens
    try:
        ended = CliRunner().invoke(main, ["torture", "--faults", "none"])
    finally:
        signal.signal(number, before)
    assert (ended.exit_code, list(tmp_path.iterdir())) == (128 + number, [])


def test_who_was_started_to_outlive_the_terminal_does(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with background.ended_in_order():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_clocks_are_left_out_where_they_cannot_be_set(monkeypatch):
    monkeypatch.setattr(faults, "FAKETIME", ())
    assert faults.possible(("kill-web", "clock-ahead")) == (("kill-web",), ("clock-ahead",))


def test_what_cannot_be_healed_now_is_healed_later():
    healed, tries = [], []

    def stubborn() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError
        healed.append("stubborn")

    heals = [(0.0, 1, stubborn), (0.0, 2, lambda: healed.append("easy"))]
    run._heal_all(heals)
    assert (healed, heals) == (["easy", "stubborn"], [])


@pytest.mark.parametrize("option", ["--seconds", "--every", "--drops-per-second"])
@pytest.mark.parametrize("value", ["nan", "inf", "0"])
def test_an_amount_is_a_number_that_ends(option, value):
    refused = CliRunner().invoke(main, ["torture", option, value])
    assert refused.exit_code == 2, refused.output
