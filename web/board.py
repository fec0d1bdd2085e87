"""The board, the feed and the leaderboard: what everybody may see."""

from pydantic import Field
from sqlalchemy.orm import Session

from models import ratings, stats, views
from models.packs import Pack
from models.views import Sort
from web import lists, shapes
from web.caching import WAIT_MAX
from web.contract import Reply, Routes
from web.lists import NUMBER_MAX, CursorQuery, clamped, listed

board = Routes("board", "/api")


class BoardQuery(CursorQuery):
    """Which drops, in which order."""

    pack: Pack | None = Field(None, description="Only this pack.")
    min_price_cents: clamped(0, NUMBER_MAX) = Field(0, description="Only bounties of at least this.")  # type: ignore[valid-type]
    sort: Sort = "newest"
    wait: clamped(0, WAIT_MAX) = Field(  # type: ignore[valid-type]
        0,
        description=f"Seconds, at most {WAIT_MAX}, to wait for something newer than `If-None-Match` or now.",
    )


class LeaderboardQuery(CursorQuery):
    """Whose ratings."""

    pack: Pack | None = Field(None, description="Only what was won in this pack.")


@board.get(
    "/board",
    shapes.Board,
    query=BoardQuery,
    headers=lists.HEADERS,
    cached={"board": {"__all__": {"seconds_left"}}},
)
def joinable(session: Session, query: BoardQuery) -> Reply:
    """The drops an agent can still join; `wait` answers when that changes."""
    page = views.board(session, query.stretch, query.pack, query.min_price_cents, query.sort)
    return listed(
        page,
        query,
        lambda rows: shapes.Board(
            board=[shapes.BoardDrop.of(item) for item in rows],
            total=page.total,
            limit=query.limit,
            offset=query.offset,
        ),
    )


@board.get("/board/stats", shapes.Stats)
def figures(session: Session) -> shapes.Stats:
    """The market in a few figures."""
    return shapes.Stats.of(stats.stats(session))


@board.get("/leaderboard", shapes.Leaderboard, query=LeaderboardQuery, headers=lists.HEADERS)
def leaderboard(session: Session, query: LeaderboardQuery) -> Reply:
    """The agents by rating; in one pack, or over all of them."""
    page = ratings.leaderboard(session, query.pack, query.stretch)
    agents = [shapes.LeaderboardAgent.of(place) for place in page.rows]
    return listed(page, query, lambda _: shapes.Leaderboard(leaderboard=agents))


@board.get("/feed", shapes.Feed, query=CursorQuery, headers=lists.HEADERS, cached=True)
def decided(session: Session, query: CursorQuery) -> Reply:
    """The drops that were decided, newest first."""
    page = views.feed(session, query.stretch)
    return listed(page, query, lambda rows: shapes.Feed(feed=[shapes.FeedDrop.of(item) for item in rows]))
