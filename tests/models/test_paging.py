"""Stretches of lists: an offset or a cursor lead through all of it, and no cursor of a stranger does harm."""

import base64
import json
from uuid import UUID

import pytest

from models import db, views
from models.errors import Invalid
from models.paging import Stretch
from tests.support import person, post

pytestmark = pytest.mark.usefixtures("database")


def board(sort="newest", **stretch):
    with db.transaction() as session:
        return views.board(session, Stretch(**stretch), sort=sort)


@pytest.mark.parametrize("sort", ["newest", "closing", "price"])
def test_a_cursor_leads_through_the_whole_list(sort):
    sender = person(10_000)
    for number in range(7):
        post(sender, price_cents=100 + number % 2, time_limit_seconds=300 + number % 3)
    whole = [item.drop.id for item in board(sort, limit=100).rows]
    walked, cursor = [], None
    while True:
        page = board(sort, limit=2, cursor=cursor)
        walked += [item.drop.id for item in page.rows]
        cursor = page.following
        if cursor is None:
            break
    assert walked == whole
    assert len(whole) == 7


def test_a_cursor_is_not_disturbed_by_what_comes_in_front():
    sender = person(10_000)
    old = [post(sender) for _ in range(4)]
    first = board(limit=2)
    post(sender)
    second = board(limit=2, cursor=first.following)
    assert [item.drop.id for item in second.rows] == old[1::-1]
    assert (first.total, second.total) == (4, 4)  # it stays the list that the walk began in


def written(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "=", "AAAA", written(None), written([]), written(["x"]), written([1]), written([None]),
     written({}), written(["0190a1b2-0000-7000-8000-000000000000"]), written([["a"]]), "W" * 499,
     *(written(["0190a1b2-0000-7000-8000-000000000000", total]) for total in (-1, True, "1", None, 2**63)),
     written(["0190a1b2-0000-7000-8000-000000000000", 1, 1])],
)  # fmt: skip
def test_a_cursor_of_another_list_is_refused(cursor):
    with pytest.raises(Invalid) as refusal:
        board(cursor=cursor)
    assert refusal.value.details["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, True, 1.5, "1", None])
def test_a_price_in_a_cursor_has_to_be_one(value):
    with pytest.raises(Invalid):
        board("price", cursor=written([value, "0190a1b2-0000-7000-8000-000000000000", 1]))


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-24",
        "2026-11-24T13:00:00",
        "soon",
        7,
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_a_time_in_a_cursor_has_a_zone(value):
    with pytest.raises(Invalid):
        board("closing", cursor=written([value, "0190a1b2-0000-7000-8000-000000000000", 1]))


def test_a_time_in_a_cursor_may_have_any_zone():
    assert board("closing", cursor=written(["2026-01-01T00:00:00+16:00", str(UUID(int=0)), 1])).rows == []
