"""Blank texts over HTTP: nothing that can be seen is no prompt, no entry and no name, and costs nothing."""

import unicodedata
from typing import Any

import pytest

from models.texts import NOT_BLANK
from models.uploads import Parcel
from tests.signs import BLANK, SEEN
from tests.support import balance, drive, person, post, submit, unchanged, violations
from tests.web.answers import ok, refused
from tests.web.forms import upload
from tests.web.scenes import end_window
from web import openapi

RUN = "/api/jobs/run"
SENDABLE = {what: text for what, text in BLANK.items() if "\0" not in text}


def test_a_blank_prompt_is_refused_and_nothing_is_charged(api, subtests):
    sender = person(1000)
    for what, blank in SENDABLE.items():
        for confirmed in (True, False):
            with subtests.test(what=what, confirmed=confirmed), unchanged():
                answer = api.post(sender, RUN, prompt=blank, confirmed=confirmed, price_cents=50)
                (error,) = refused(answer, 400, "invalid_request")["errors"]
                assert error == {
                    "field": "prompt",
                    "message": "must not be blank: it has no visible character",
                }
    assert balance(sender) == 1000


def test_a_blank_entry_is_none(api, subtests):
    competitor, job_id = person(), post(person(500), price_cents=500)
    for what, blank in SENDABLE.items():
        with subtests.test(what=what), unchanged():
            answer = api.post(competitor, f"/api/jobs/{job_id}/submit", text=blank)
            assert refused(answer, 400, "invalid_request")["errors"][0]["field"] == "text"
    end_window(job_id)
    assert violations() == []


def test_a_blank_text_beside_a_file_is_an_entry(api):
    competitor, job_id = person(), post(person(100))
    key = ok(upload(api, competitor, b"Rhine, Danube, Volga."), 201)["key"]
    ok(api.post(competitor, f"/api/jobs/{job_id}/submit", text="\u3164", files=[key]))


def test_the_least_that_can_be_seen_will_do(api, subtests):
    sender, competitor = person(100 * len(SEEN)), person()
    for text in SEEN:
        with subtests.test(text=text):
            row = ok(api.post(sender, RUN, prompt=text, confirmed=True), 201)
            assert row["prompt"] == text  # stored as it was sent
            told = ok(api.post(competitor, f"/api/jobs/{row['id']}/submit", text=text))
            assert told["submission"]["revision"] == 1


def test_an_env_var_has_a_name_that_can_be_seen(api, subtests):
    sender = person(100)
    for what, blank in SENDABLE.items():
        with subtests.test(what=what), unchanged():
            answer = api.post(sender, RUN, prompt="x", envVars={blank: "v"}, confirmed=True)
            assert refused(answer, 400, "invalid_request")["errors"][0]["field"] == "envVars"


def test_an_entry_in_another_normal_form_is_the_same_entry(api):
    competitor, job_id = person(), post(person(100))
    sent = unicodedata.normalize("NFD", "Café Odéon, Zürich")
    first = ok(api.post(competitor, f"/api/jobs/{job_id}/submit", text=sent))
    with unchanged():
        for form in ("NFC", "NFD"):
            again = unicodedata.normalize(form, sent)
            assert ok(api.post(competitor, f"/api/jobs/{job_id}/submit", text=again)) == first


def test_another_text_is_a_revision_however_alike(api, settle):
    settle(revision_cooldown_seconds=0)
    competitor, job_id = person(), post(person(100))
    for revision, text in enumerate(("ﬁne", "fine", "fine ", "fine\u200b", "\ufefffine"), start=1):
        told = ok(api.post(competitor, f"/api/jobs/{job_id}/submit", text=text))
        assert told["submission"]["revision"] == revision


@pytest.mark.parametrize("what", BLANK)
def test_a_file_whose_name_cannot_be_seen_is_called_file(what: str):
    for name in (BLANK[what], f"/tmp/{BLANK[what]}", f"..{BLANK[what]}."):
        assert Parcel.of(name, "", b"x").name == "file"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a\u3164b.txt", "ab.txt"),
        ("\u2800a.txt", "a.txt"),
        ("u\u0308.txt", "u\u0308.txt"),
        ("❤\ufe0f.png", "❤\ufe0f.png"),
    ],
)
def test_of_the_name_of_a_file_stays_what_can_be_seen(sent: str, name: str):
    assert Parcel.of(sent, "", b"x").name == name


# Judged ----------------------------------------------------------------------------------------

CAFES = "1. Café Odeon\n2. Café Felix\n3. Café Noir"


def verdicts(api, prompt: str, texts: list[str]) -> list[tuple[int, str, str]]:
    """Rank, grade and reason of each of these entries, handed in in this order."""
    sender, competitors = person(100), [person() for _ in texts]
    job_id = post(sender, prompt)
    for who, text in zip(competitors, texts, strict=True):
        submit(who, job_id, text)
    end_window(job_id)
    assert drive(job_id) == "verified"
    rows = [ok(api.get(who, f"/api/jobs/{job_id}/submissions/mine"))["submission"] for who in competitors]
    return [(row["rank"], row["grade"], row["rationale"]) for row in rows]


@pytest.mark.parametrize("first", ["NFD", "NFC"])
def test_two_spellings_of_the_same_letters_are_judged_alike_and_the_first_wins(api, first: str):
    forms = [first, "NFC" if first == "NFD" else "NFD"]
    texts = [unicodedata.normalize(form, CAFES) for form in forms]
    one, other = verdicts(api, "Name three cafés in Zürich.", texts)
    assert (one[0], other[0]) == (1, 2)
    assert one[1:] == other[1:]


def test_a_byte_order_mark_costs_nothing(api):
    rivers = "1. Rhine\n2. Danube\n3. Volga"
    one, other = verdicts(api, "Name three rivers of Europe.", ["\ufeff" + rivers, rivers])
    assert (one[0], other[0]) == (1, 2)
    assert one[1:] == other[1:]


# The document ------------------------------------------------------------------------------------


def body_of(path: str) -> Any:
    schema = openapi.document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return openapi.document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def test_the_document_says_what_blank_means():
    draft, entry = body_of("/api/jobs/run"), body_of("/api/jobs/{job_id}/submit")
    assert draft["properties"]["prompt"]["pattern"] == NOT_BLANK
    assert "a text that is not blank, or at least one file" in entry["description"]
    for described in (draft["properties"]["prompt"], entry["properties"]["text"]):
        assert "nothing visible is left" in described["description"]
