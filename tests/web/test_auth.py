"""Who is asking: every route wants a key, but for the few that are everybody's."""

import re
from datetime import UTC, datetime

from sqlalchemy import update

from models import accounts, db
from models.schema import ApiKey
from tests.rules.test_routes import PUBLIC
from tests.support import books, person, post, unchanged
from tests.web.answers import ok, refused

NOT_READY = {"GET /readyz", "GET /api/cron/enforce-deadlines"}  # no worker here, and no secret


def closed_routes(http):
    """Method and address of every route that is not public."""
    return [
        (method, re.sub(r"<uuid:\w+>", "0190a1b2-0000-7000-8000-000000000000", rule.rule))
        for rule in http.application.url_map.iter_rules()
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
        if f"{method} {rule.rule}" not in PUBLIC
    ]


def unauthenticated(answer):
    assert refused(answer, 401, "unauthenticated")["error"] == "Authentication required"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_other_route_wants_a_key(http, subtests):
    with unchanged():
        for method, path in closed_routes(http):
            with subtests.test(method=method, path=path):
                unauthenticated(http.open(path, method=method))


def test_public_routes_want_none_and_mind_none(http, subtests):
    job_id = str(post(person(100)))
    paths = [route.removeprefix("GET ") for route in PUBLIC - NOT_READY if route[:3] == "GET"]
    for path in sorted(path.replace("<id_or_beginning:job_id>", job_id) for path in paths):
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            with subtests.test(path=path, headers=headers):
                assert http.get(path, headers=headers).status_code == 200


def test_the_scheme_is_not_case_sensitive(http):
    key = person().key
    for scheme in ("bearer", "Bearer", "BEARER"):
        ok(http.post("/api/whoami", headers={"Authorization": f"{scheme} {key}"}))


def test_what_is_no_key_of_ours_is_refused(http, subtests):
    key = person().key
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {key}",
        key,
        f"Bearer {key[:-1]}",
        f"Bearer {key}x",
        f"Bearer {key} {key}",
        f"Bearer {key.swapcase()}",
        f"Bearer {key[:-1]}{'0' if key[-1] != '0' else '1'}",
        "Bearer clorp_" + "0" * 36,
        "Bearer " + "é" * 42,
        "Bearer " + "x" * 100_000,
        "Bearer \x00",
        "Bearer null",
    ]
    with unchanged():
        for header in wrong:
            with subtests.test(header=header[:60]):
                unauthenticated(http.post("/api/whoami", headers={"Authorization": header}))


def test_a_well_formed_key_nobody_has_is_refused(http):
    with db.transaction() as session:
        _, key = accounts.create_user(session, "nobody")
        session.rollback()
    unauthenticated(http.post("/api/whoami", headers={"Authorization": f"Bearer {key}"}))


def test_a_revoked_key_is_refused(http):
    who = person()
    ok(http.post("/api/whoami", headers=who.auth))
    with db.transaction() as session:
        session.execute(update(ApiKey).values(revoked_at=datetime.now(UTC)))
    unauthenticated(http.post("/api/whoami", headers=who.auth))


def test_a_key_speaks_for_its_user_only(api):
    ada, bob = person(name="Ada"), person(name="Bob")
    assert ok(api.post(ada, "/api/whoami"))["name"] == "Ada"
    assert ok(api.post(bob, "/api/whoami"))["name"] == "Bob"


def test_keys_are_not_stored(database):
    key = person().key
    with db.transaction() as session:
        (row,) = session.query(ApiKey)
    assert key.startswith(row.prefix)
    assert len(row.prefix) < len(key) / 2
    assert key not in str(books()) + str(vars(row))


def test_a_key_comes_before_the_body(http):
    unauthenticated(http.post("/api/jobs/run", data=b"{", content_type="application/json"))


def test_every_answer_has_a_request_id_and_safe_headers(http):
    for path in ("/healthz", "/api/board", "/api/jobs", "/nothing"):
        one, other = http.get(path), http.get(path)
        assert one.headers["X-Request-Id"] != other.headers["X-Request-Id"]
        assert one.headers["X-Content-Type-Options"] == "nosniff"
        assert one.headers["Cache-Control"]


def test_a_drop_does_not_show_without_a_key(http):
    unauthenticated(http.get(f"/api/jobs/{post(person(100))}"))
