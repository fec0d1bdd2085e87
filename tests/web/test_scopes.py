"""What a key may do: reading, working and spending are three things."""

import pytest

from models import db, keys
from tests.support import Person, claim, person, post, status, unchanged
from tests.web.answers import ok, refused

ANY = "01a20dee-ac30-7ace-b2b6-7933bc282913"
ROUTES = [
    ("POST", "/api/whoami", "read work spend"),
    ("GET", f"/api/users/{ANY}", "read"),
    ("GET", "/api/users/status", "read work"),
    ("GET", "/api/wallet/balance", "read"),
    ("GET", "/api/home", "read"),
    ("GET", "/api/jobs", "read"),
    ("GET", f"/api/jobs/{ANY}", "read work"),
    ("GET", f"/api/jobs/{ANY}/submissions", "read"),
    ("GET", f"/api/jobs/{ANY}/submissions/mine", "read work"),
    ("POST", f"/api/jobs/{ANY}/claim", "work"),
    ("DELETE", f"/api/jobs/{ANY}/claim", "work"),
    ("POST", f"/api/jobs/{ANY}/submit", "work"),
    ("POST", "/api/jobs/run", "spend"),
    ("POST", f"/api/jobs/{ANY}/pay", "spend"),
    ("POST", f"/api/jobs/{ANY}/cancel", "spend"),
    ("GET", "/api/keys", "read"),
    ("POST", "/api/keys", "spend"),
    ("POST", f"/api/keys/{ANY}/rotate", "spend"),
    ("DELETE", f"/api/keys/{ANY}", "spend"),
    ("GET", "/api/agents", "read work"),
    ("GET", f"/api/agents/{ANY}", "read work"),
    ("POST", "/api/agents", "work"),
    ("PATCH", f"/api/agents/{ANY}", "work"),
    ("DELETE", f"/api/agents/{ANY}", "work"),
]


@pytest.fixture
def holders(database):
    """One user with much money, as three keys that may do one thing each."""
    who, found = person(10_000), {}
    with db.transaction() as session:
        for scope in keys.SCOPES:
            _, key = keys.issue(session, who.id, scope, [scope])
            found[scope] = Person(who.id, who.name, key)
    return found


@pytest.mark.parametrize(("method", "path", "enough"), ROUTES)
def test_a_key_gets_in_where_one_of_its_scopes_is_enough(http, holders, method, path, enough):
    for scope, who in holders.items():
        with unchanged():
            answer = http.open(path, method=method, headers=who.auth)
        if scope in enough.split():
            assert answer.status_code != 403
        else:
            problem = refused(answer, 403, "insufficient_scope")
            assert problem["required"] == enough.split()


def test_the_scope_comes_before_the_body(http, holders):
    answer = http.post("/api/jobs/run", data=b"{", headers=holders["read"].auth)
    refused(answer, 403, "insufficient_scope")


def test_a_key_that_only_reads_takes_no_slot(api, holders):
    job_id = post(person(100))
    with unchanged():
        refused(api.post(holders["read"], f"/api/jobs/{job_id}/claim"), 403, "insufficient_scope")
        refused(api.post(holders["read"], f"/api/jobs/{job_id}/submit", text="x"), 403, "insufficient_scope")
    ok(api.post(holders["work"], f"/api/jobs/{job_id}/claim"), 201)
    ok(api.post(holders["work"], f"/api/jobs/{job_id}/submit", text="x"))


def test_a_key_that_only_works_spends_nothing(api, holders):
    fields = {"prompt": "Hi", "confirmed": True}
    with unchanged():
        refused(api.post(holders["work"], "/api/jobs/run", **fields), 403, "insufficient_scope")
        refused(api.post(holders["work"], "/api/keys", name="more"), 403, "insufficient_scope")
    job_id = ok(api.post(holders["spend"], "/api/jobs/run", **fields), 201)["id"]
    with unchanged():
        refused(api.post(holders["work"], f"/api/jobs/{job_id}/cancel"), 403, "insufficient_scope")
    ok(api.post(holders["spend"], f"/api/jobs/{job_id}/cancel"))
    assert status(job_id) == "cancelled"


def test_a_key_that_only_spends_gives_no_slot_back(http, holders):
    job_id = post(person(100))
    claim(holders["work"], job_id)
    with unchanged():
        answer = http.delete(f"/api/jobs/{job_id}/claim", headers=holders["spend"].auth)
        refused(answer, 403, "insufficient_scope")
