"""What everybody may know of all the money together."""

from tests.models.stages import sql
from tests.support import person, post
from tests.web.answers import ok
from tests.web.scenes import decided
from web import trust


def books(api):
    return ok(api.get(None, "/api/trust"))


def test_an_empty_house_owes_nothing_and_is_sound(api):
    found = books(api)
    assert found["audit"] == {"clean": True, "violations": 0, "transfers": 0}
    assert found["balanced"] is True
    assert {value for name, value in found.items() if name.endswith("_cents")} == {0}


def test_what_is_here_is_what_came_in_and_did_not_go_out(api, settle):
    settle(platform_fee_bps=1000)
    sender = person(1000)
    decided(sender, person())
    post(sender, price_cents=250)
    ok(api.post(sender, "/api/wallet/topup", amount_cents=700), 201)
    ok(api.post(sender, "/api/wallet/withdraw", amount_cents=500), 201)
    found = books(api)
    assert (found["came_in_cents"], found["went_out_cents"]) == (1700, 500)
    assert (found["wallets_cents"], found["escrow_cents"], found["fees_cents"]) == (940, 250, 10)
    assert (found["balanced"], found["audit"]["clean"], found["audit"]["transfers"]) == (True, True, 7)


def test_an_audit_is_kept_for_a_moment_and_then_made_anew(api, monkeypatch):
    first = books(api)
    person(1000)
    assert books(api) == first
    monkeypatch.setattr(trust, "FRESH_SECONDS", -1)
    api.http.application.extensions.pop("trust")
    assert [books(api)["came_in_cents"] for _ in "ab"] == [1000, 1000]
    person(1000)
    assert books(api)["came_in_cents"] == 2000


def test_broken_books_are_told_to_everybody(api):
    person(1000)
    off = "SET LOCAL session_replication_role = replica"
    sql(f"{off}; UPDATE accounts SET balance_cents = 999 WHERE kind = 'wallet'")
    found = books(api)
    assert (found["balanced"], found["audit"]["clean"]) == (False, False)
    assert found["audit"]["violations"] == 2
