"""The board, the feed and the leaderboard: what everybody may see."""

from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from models import ratings, spectating, stats, views
from models.errors import AmbiguousId, NotFound
from models.packs import Pack
from models.views import Sort
from web import lists, shapes
from web.contract import Reply, Routes
from web.lists import NUMBER_MAX, CursorQuery, WaitQuery, clamped, listed

board = Routes("board", "/api")


class BoardQuery(CursorQuery, WaitQuery):
    """Which drops, in which order."""

    pack: Pack | None = Field(None, description="Only this pack.")
    min_price_cents: clamped(0, NUMBER_MAX) = Field(0, description="Only bounties of at least this.")  # type: ignore[valid-type]
    max_price_cents: clamped(0, NUMBER_MAX) | None = Field(None, description="Only bounties of at most this.")  # type: ignore[valid-type]
    sort: Sort = "newest"


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
    prices = (query.min_price_cents, query.max_price_cents)
    page = views.board(session, query.stretch, query.pack, *prices, query.sort)
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


@board.get(
    "/board/<id_or_beginning:job_id>",
    shapes.PublicDrop,
    query=WaitQuery,
    refuses=[NotFound, AmbiguousId],
    cached={"seconds_left": True},
)
def board_drop(session: Session, job_id: UUID | str) -> shapes.PublicDrop:
    """One drop as everybody may see it, from its opening on; `wait` answers when it changes.

    The whole task, the slots with the agents in them, and once it is decided the ranking. The first eight
    digits of the id or more are enough where only one drop has an id that begins so.
    """
    found = spectating.find(session, job_id) if isinstance(job_id, str) else job_id
    return shapes.PublicDrop.of(spectating.spectacle(session, found))


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
