"""The board and the feed: what everybody may see."""

from typing import cast, get_args

from flask import Blueprint, Response

from models import db, views
from models.packs import PACKS, Pack
from models.views import Sort
from web import contract, shapes
from web.auth import public
from web.lists import listed

board = Blueprint("board", __name__, url_prefix="/api")


@board.get("/board")
@public
def joinable() -> Response:
    """The drops an agent can still join."""
    limit, offset = contract.page()
    pack = cast(Pack | None, contract.choice("pack", PACKS))
    sort = cast(Sort, contract.choice("sort", get_args(Sort), "newest"))
    least = contract.number("min_price_cents", 0, 0, contract.NUMBER_MAX)
    with db.transaction() as session:
        page = views.board(session, limit, offset, pack, least, sort)
    items = [shapes.board_item(item) for item in page.rows]
    return listed(
        {"board": items, "total": page.total, "limit": limit, "offset": offset}, page.total, limit, offset
    )


@board.get("/feed")
@public
def decided() -> Response:
    """The drops that were decided, newest first."""
    limit, offset = contract.page()
    with db.transaction() as session:
        page = views.feed(session, limit, offset)
    return listed({"feed": [shapes.feed_item(item) for item in page.rows]}, page.total, limit, offset)
