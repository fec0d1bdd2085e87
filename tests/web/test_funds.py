"""Play money and real money: whichever came first, the other kind neither comes in nor goes out."""

from functools import partial

import pytest

from models import autotopup, db, funds, payments
from models.errors import MixedMoney
from models.ids import uuid7
from models.schema import Payment
from tests.models.stages import sql
from tests.payments import event, let_payments_age, paid, tell
from tests.support import at_once, balance, drive, person, post, submit, unchanged
from tests.web.answers import ok, refused
from tests.web.scenes import end_window
from workers import tasks

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def rail(settle):
    """`rail("stripe")`: the server is started with this rail."""
    return lambda name: settle(payments=name)


def topup(api, who, cents=2000):
    """Money over the rail of now, paid at once."""
    payment = ok(api.post(who, "/api/wallet/topup", amount_cents=cents), 201)
    if payment["rail"] == "stripe":
        ok(tell(api.http, paid(payment["id"], cents)))
    assert balance(who) == cents


def won(sender, winner):
    job_id = post(sender, price_cents=1000)
    submit(winner, job_id)
    end_window(job_id)
    assert drive(job_id) == "verified"
    assert balance(winner) == 1000


def nothing_moves(api, who):
    for path in ("topup", "withdraw"):
        with unchanged():
            refused(api.post(who, f"/api/wallet/{path}", amount_cents=500), 503, "mixed_money")


def test_play_money_of_the_sandbox_is_not_paid_out_in_earnest(api, rail, double):
    rail("sandbox")
    who = person()
    topup(api, who)
    rail("stripe")
    nothing_moves(api, who)
    nothing_moves(api, person())
    assert double.calls == []  # not even an account to be paid out to was made
    rail("sandbox")
    ok(api.post(who, "/api/wallet/withdraw", amount_cents=500), 201)


def test_nor_is_what_an_operator_credited_or_what_was_won_of_it(api, rail, double):
    rail("stripe")
    sender, winner = person(2000), person()
    won(sender, winner)
    nothing_moves(api, sender)
    nothing_moves(api, winner)
    assert double.calls == []


def test_what_was_won_of_real_money_is_real(api, rail):
    rail("stripe")
    sender, winner = person(), person()
    topup(api, sender)
    won(sender, winner)
    ok(api.post(winner, "/api/wallet/withdraw", amount_cents=1000), 201)
    assert balance(winner) == 0


def test_a_forgotten_setting_neither_adds_play_money_nor_lets_real_money_vanish(api, rail):
    rail("stripe")
    who = person()
    topup(api, who)
    rail("sandbox")
    nothing_moves(api, who)
    rail("stripe")
    ok(api.post(who, "/api/wallet/withdraw", amount_cents=2000), 201)


def never_pay():
    """Everything that waits for money has waited long enough."""
    let_payments_age(26)
    tasks.remit_owed()


def test_a_topup_under_way_counts_until_nobody_paid_it(api, rail):
    rail("stripe")
    ok(api.post(person(), "/api/wallet/topup", amount_cents=2000), 201)
    rail("sandbox")
    nothing_moves(api, person())
    never_pay()
    topup(api, person())


def test_play_money_that_came_while_a_checkout_was_made_keeps_it_from_being_shown(api, rail):
    rail("stripe")
    who = person()
    with db.transaction() as session:
        order = payments.draft_topup(session, who.id, 2000, "stripe")
    rail("sandbox")
    topup(api, person())
    with unchanged(), pytest.raises(MixedMoney), db.transaction() as session:
        payments.begin_topup(session, order, "cs_1", None)


def test_of_two_kinds_that_come_first_at_once_one_comes():
    def begin(rail):
        with db.transaction() as session:
            funds.bring_in(session, rail)
            payment = Payment(id=uuid7(), user_id=who.id, kind="topup", rail=rail, amount_cents=500)
            payment.state = "pending"
            session.add(payment)
            return rail

    for _ in range(5):
        who = person()
        found = at_once([partial(begin, rail) for rail in ("sandbox", "stripe") * 10])
        assert len({kind for kind in found if isinstance(kind, str)}) == 1
        never_pay()


def test_what_is_paid_late_still_counts(api, rail):
    rail("stripe")
    who = person()
    payment = ok(api.post(who, "/api/wallet/topup", amount_cents=2000), 201)["id"]
    never_pay()
    rail("sandbox")
    topup(api, person())
    ok(tell(api.http, paid(payment)))
    assert balance(who) == 2000
    for name in ("sandbox", "stripe"):
        rail(name)
        nothing_moves(api, who)


def test_a_wallet_does_not_fill_itself_with_the_other_kind(api, rail):
    rail("sandbox")
    who = person()
    topup(api, who, 500)
    asked = {"enabled": True, "threshold_cents": 1000, "amount_cents": 2000}
    ok(api.post(who, "/api/wallet/auto-topup", **asked))
    assert autotopup.sweep("stripe") == 0
    assert sql("SELECT 1 FROM payments WHERE automatic") == []
    assert autotopup.sweep("sandbox") == 1


def test_a_withdrawal_that_came_back_is_of_no_other_kind(api, rail):
    rail("sandbox")
    who = person()
    topup(api, who)
    payment = ok(api.post(who, "/api/wallet/withdraw", amount_cents=2000), 201)["id"]
    ok(tell(api.http, event("transfer.reversed", payment, reversed=True)))
    ok(api.post(who, "/api/wallet/withdraw", amount_cents=2000), 201)
