"""One question to a model: what comes of it, whatever the model or the way to it does. In both dialects."""

import json
import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.grades import Brief, Candidate
from models.panel import RAW_MAX, Answer
from models.settings import settings
from tests.judges.asking import asking
from tests.judges.script import MALFORMED
from tests.judges.server import judging
from workers.judge import dialects, llm, prompt, servers

TASK = "Name three rivers."
BRIEF = Brief(
    TASK, "wild", (Candidate("AK", "Rhine."), Candidate("QX", "Nile, Po, Don."), Candidate("7T", ""))
)
RATED = {
    "prompt": TASK,
    "submissions": [{"text": "Rhine.", "score": 2}, {"text": "Nile, Po, Don.", "score": 3}],
}
NAMES = (
    "choices message content finish_reason refusal stop_reason type name input usage entries ranking".split()
)
KEY = "sk-very-secret-0815"

both = pytest.mark.parametrize("dialect", ["openai", "anthropic"])


def ask(tried: int = 0, brief: Brief = BRIEF) -> Answer:
    return llm.ask(brief, "scripted", "0a1b2c3d", tried)


@both
def test_a_good_answer_is_a_ballot(scripted, dialect):
    judge = scripted(dialect, flaw="Too few.")
    judge.script.knows({**RATED, "submissions": [*RATED["submissions"], {"text": "", "score": 1}]})
    answer = ask()
    assert (answer.outcome, answer.trouble) == ("answered", "")
    assert {label: (o.place, o.grade) for label, o in answer.opinions.items()} == {
        "QX": (1, "S"), "AK": (2, "C"), "7T": (3, "F"),
    }  # fmt: skip
    assert {opinion.rationale for opinion in answer.opinions.values()} == {"Too few."}
    assert json.loads(answer.raw)["ranking"] == ["QX", "AK", "7T"]


@both
def test_of_a_call_is_told_what_it_cost_and_what_was_asked(scripted, dialect):
    stats = scripted(dialect, delay_seconds=0.05).stats
    answer = ask()
    assert (answer.input_tokens, answer.output_tokens) == (stats.input_tokens, stats.output_tokens)
    assert answer.input_tokens > 100
    assert answer.output_tokens > 10
    assert 50 <= answer.milliseconds < 5_000
    assert answer.prompt_hash == prompt.write(BRIEF, "0a1b2c3d").hash


@both
@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_answer_is_none_and_is_kept(scripted, dialect, kind):
    scripted(dialect, malformed=1.0, kinds=(kind,))
    answer = ask()
    assert (answer.outcome, answer.opinions) == ("invalid", {})
    assert re.match("no ballot: .", answer.trouble)
    assert answer.raw
    assert answer.input_tokens > 0
    assert answer.charged


@both
def test_a_refusal_is_one(scripted, dialect):
    scripted(dialect, refused=1.0)
    answer = ask()
    assert (answer.outcome, answer.charged) == ("refused", True)
    assert answer.trouble.startswith("it refused: ")


@both
@pytest.mark.parametrize(("told", "least", "most"), [
    ("7", 7, 7), ("0.75", 0.75, 0.75), ("999999", 20, 20), ("soon", 0.2, 0.8), ("-3", 0.2, 0.8),
    ("²", 0.2, 0.8), ("", 0.2, 0.8), ("Thu, 99 Foo 2026 10:00:00 GMT", 0.2, 0.8), ("1" * 400, 20, 20),
])  # fmt: skip
def test_a_busy_server_is_given_the_time_it_asks_for(scripted, dialect, told, least, most):
    scripted(dialect, limited=1.0, retry_after=told.encode().decode("latin-1"))
    answer = ask()
    assert (answer.outcome, answer.charged) == ("limited", False)
    assert least <= answer.pause_seconds <= most


@pytest.mark.parametrize(("ahead", "least", "most"), [(9, 6, 9), (3600, 20, 20), (-60, 0.2, 0.8)])
def test_a_busy_server_may_name_a_date(scripted, ahead, least, most):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    scripted(limited=1.0, retry_after=date)
    assert least <= ask().pause_seconds <= most


def test_a_date_without_a_zone_is_none(scripted):
    scripted(limited=1.0, retry_after="Wed, 25 Nov 2099 10:00:00")
    assert 0 <= ask().pause_seconds <= 20


@both
def test_a_servers_own_error_is_a_failure_that_costs_nothing(scripted, dialect):
    scripted(dialect, broken=1.0)
    answer = ask()
    assert (answer.outcome, answer.charged, answer.trouble) == ("failed", False, "it answered 500")


def test_the_pause_grows_with_the_tries(scripted):
    scripted(broken=1.0)
    pauses = [ask(tried).pause_seconds for tried in range(4)]
    assert all(0.25 * 2**tried <= pause <= 0.75 * 2**tried for tried, pause in enumerate(pauses))


@pytest.mark.parametrize(
    "trouble", [{"hangs": True}, {"delay_seconds": 3600.0}, {"drip_seconds": 0.02, "padding": 200_000}]
)
def test_an_answer_that_does_not_come_in_time_is_not_waited_for(scripted, trouble):
    scripted(timeout_seconds="0.3", **trouble)
    answer = ask()
    assert (answer.outcome, answer.charged) == ("timeout", True)


def test_a_head_that_drips_in_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server, asking(_url(server), timeout_seconds="0.3"):
        answer = _answered_slowly(server)
    assert answer.outcome == "timeout"


def test_where_nobody_listens_nothing_was_asked():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = _url(server)
    with asking(url):
        answer = ask()
    assert (answer.outcome, answer.charged, answer.trouble) == (
        "failed",
        False,
        "no connection (ConnectError)",
    )


def test_an_answer_that_does_not_end_is_not_read(scripted):
    scripted(padding=dialects.ANSWER_BYTES_MAX)
    assert (ask().outcome, ask().charged) == ("timeout", True)


def test_of_an_answer_only_so_much_is_kept(scripted):
    scripted(malformed=1.0, kinds=("prose",), padding=RAW_MAX)
    assert len(ask().raw) <= RAW_MAX


@both
def test_what_a_model_says_is_a_line_that_can_be_stored_and_shown(scripted, dialect):
    scripted(dialect, flaw="a\0b\x1b[2J\x07\x9b31m\ud800c\u202ed\u2028e\r\n\tf" + "g" * 500)
    answer = ask()
    assert len(answer.opinions) == len(BRIEF.candidates)
    for opinion in answer.opinions.values():
        assert opinion.rationale.startswith("ab[2J31m?cd e f")
        assert len(opinion.rationale) == prompt.FLAW_CHARACTERS
        assert opinion.rationale.isprintable()
    assert not set("\0\x1b\x07\x9b").intersection(answer.raw)


@pytest.mark.parametrize("flaw", ["", " \n ", "\0\x1b"])
def test_a_flaw_is_always_named(scripted, flaw):
    scripted(flaw=flaw)
    assert {opinion.rationale for opinion in ask().opinions.values()} == {"No flaw was named."}


@both
def test_the_key_goes_where_the_dialect_has_it_and_nowhere_else(scripted, dialect, caplog):
    caplog.set_level(logging.DEBUG)
    judge = scripted(dialect, api_key=KEY, key=KEY)
    answer = ask()
    assert answer.outcome == "answered"
    headers = judge.stats.headers
    if dialect == "openai":
        assert headers["authorization"] == f"Bearer {KEY}"
        assert "x-api-key" not in headers
    else:
        assert headers["x-api-key"] == KEY
        assert headers["anthropic-version"] == "2023-06-01"
        assert "authorization" not in headers
    assert KEY not in json.dumps(judge.stats.told) + repr(answer) + caplog.text


@both
def test_a_wrong_key_is_a_failure_that_does_not_tell_it(scripted, dialect, caplog):
    caplog.set_level(logging.DEBUG)
    scripted(dialect, api_key=KEY, key="another")
    answer = ask()
    assert (answer.outcome, answer.trouble) == ("failed", "it answered 401")
    assert KEY not in repr(answer) + caplog.text


def test_a_server_that_refuses_the_key_is_told_of(scripted):
    scripted(api_key=KEY, key="another")
    assert servers.trouble(settings()) == "its server answers 401: the key is missing or wrong"


@both
def test_a_server_that_does_not_list_the_model_is_told_of(scripted, dialect):
    script = scripted(dialect, lists=("one", "other")).script
    assert servers.trouble(settings()) == "its server does not list scripted"
    assert servers.trouble(settings(), ["other", "none", "nothing"]) == (
        "its server does not list none and nothing"
    )
    script.knows_as = ("scripted",)
    assert servers.trouble(settings()) is None
    script.lists, script.knows_as = ("one", "scripted"), ()
    assert servers.look(settings()) == servers.Look(True, "answers")


def test_a_server_of_one_model_that_takes_any_name_for_it_is_not_blamed(scripted):
    script = scripted(lists=("/models/small.gguf",), owner="llamacpp").script
    assert servers.look(settings()).well
    assert "under any name" in servers.look(settings()).told
    script.owner = "vllm"
    assert servers.trouble(settings()) == "its server does not list scripted"


def test_a_server_that_lists_nothing_is_not_blamed(scripted):
    scripted()
    assert servers.look(settings()).well
    assert "lists no models" in servers.look(settings()).told


@pytest.mark.parametrize(("less", "told"), [
    ("/v1", "at /models: is /v1 missing?"), ("", "at /v2/v1/models: is CLORP_LLM_BASE_URL right?"),
])  # fmt: skip
def test_a_server_that_has_nothing_there_is_told_of(less, told):
    with judging() as judge, asking(judge.url.removesuffix("/v1") + ("" if less else "/v2/v1")):
        assert servers.trouble(settings()) == f"its server does not answer {told}"


@pytest.mark.parametrize(("wrong", "told"), [
    ({"llm_base_url": "http://a..b/v1"}, "UnicodeError"),
    ({"llm_base_url": "http://[::1/v1"}, "CLORP_LLM_BASE_URL is no address"),
    ({"llm_base_url": "http://u:\udcff@127.0.0.1/v1"}, "UnicodeEncodeError"),
    ({"llm_api_key": "sk-š"}, "UnicodeEncodeError"),
    ({"llm_api_key": "sk-a\nb"}, "LocalProtocolError"),
])  # fmt: skip
def test_a_request_that_cannot_be_made_costs_nothing(scripted, monkeypatch, wrong, told):
    scripted()
    odd = settings().model_copy(update=wrong)  # as no settings can be: they are refused before
    monkeypatch.setattr(llm, "settings", lambda: odd)
    answer = ask()
    assert (answer.outcome, answer.charged) == ("failed", False)
    assert told in answer.trouble
    assert "cannot be reached" in str(servers.trouble(odd))


def test_a_model_whose_name_cannot_be_sent_is_not_asked(scripted):
    scripted(lists=("one",))
    assert llm.ask(BRIEF, "\udcff", "0a1b2c3d").outcome == "failed"
    assert "cannot be reached" in str(servers.trouble(settings(), ["\udcff"]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.sampled_from(NAMES), some, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["openai", "anthropic"]), JSON)
def test_whatever_json_a_server_sends_is_read_or_refused(dialect, body):
    with suppress(dialects.Malformed, dialects.Refused):
        assert isinstance(dialects.read(dialect, body), str)
    assert min(dialects.tokens(dialect, body)) >= 0


@given(st.sampled_from(["", "null", "[]", "{}", "NaN", '"AK"', "[" * 100, "{" * 9]) | JSON.map(json.dumps))
def test_whatever_a_model_says_is_a_verdict_or_is_told_to_be_none(said):
    with pytest.raises(dialects.Malformed):
        llm.opinions_of(said, BRIEF)


GRADED = '[{"label": "AK", "flaw": "x", "grade": "A"}, {"label": "QX", "flaw": "x", "grade": "B"}]'
TWICE = [
    f'{{"entries": {GRADED}, "ranking": ["AK", "QX"], "ranking": ["QX", "AK"]}}',
    f'{{"entries": [], "ranking": ["AK", "QX"], "entries": {GRADED}}}',
    '{"ranking": ["AK", "QX"], "entries": [{"label": "AK", "flaw": "x", "grade": "A", "grade": "F"}, '
    '{"label": "QX", "flaw": "x", "grade": "B"}]}',
]


@both
@pytest.mark.parametrize("said", TWICE)
def test_an_answer_that_says_something_twice_says_nothing(dialect, said):
    chat = {"message": {"content": said}}
    bodies = {
        "openai": json.dumps({"choices": [chat], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}),
        "anthropic": '{"content": [{"type": "tool_use", "name": "verdict", "input": SAID}], '
        '"usage": {"input_tokens": 7, "output_tokens": 5}}'.replace("SAID", said),
    }
    two = Brief(TASK, "wild", BRIEF.candidates[:2])
    with saying(bodies[dialect]) as url, asking(url, dialect=dialect):
        answer = ask(brief=two)
    assert (answer.outcome, answer.trouble) == ("invalid", "no ballot: a key stands twice in an object of it")
    assert (answer.input_tokens, answer.output_tokens) == (7, 5)


@contextmanager
def saying(body: str) -> Iterator[str]:
    """A server that answers this to whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_the_scripted_server_answers_only_proper_questions(scripted):
    judge = scripted()
    with httpx2.Client(trust_env=False) as client:
        assert client.post(judge.url + "/nowhere", json={}).status_code == 404
        for body in ([], {}, {"model": "m", "messages": []}, "x"):
            assert client.post(judge.url + "/chat/completions", json=body).status_code == 400
        ask()
        good = judge.stats.told[-1]
        for name in good:
            less = {key: value for key, value in good.items() if key != name}
            assert client.post(judge.url + "/chat/completions", json=less).status_code == 400
        assert client.post(judge.url + "/messages", json=good).status_code == 400
        assert client.get(judge.url.removesuffix("/v1") + "/stats").json()["calls"] == 1


def _url(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def _answered_slowly(server: socket.socket) -> Answer:
    """What comes of a question whose answer's head arrives byte by byte."""
    heard = threading.Event()

    def drip() -> None:
        connection, _ = server.accept()
        with connection:
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 5000:
                if heard.wait(0.01):
                    return
                connection.sendall(bytes([byte]))
        heard.set()

    dripping = threading.Thread(target=drip)
    dripping.start()
    answer = ask()
    whole = heard.is_set()
    heard.set()
    dripping.join()
    assert not whole
    return answer
