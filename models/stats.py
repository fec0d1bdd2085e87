"""The market in a few figures, as everybody may know them."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

_QUERY = text("""
    WITH open AS (
        SELECT price_cents FROM jobs
        WHERE status = 'open' AND cancel_requested_at IS NULL AND window_closes_at > clock_timestamp()
    ), paid AS (
        SELECT j.price_cents - j.fee_cents AS cents,
            extract(epoch FROM p.created_at - r.created_at)::float8 AS seconds
        FROM jobs j
        JOIN events p ON p.job_id = j.id AND p.kind = 'payout.posted'
        JOIN events r ON r.job_id = j.id AND r.kind = 'drop.ranking'
        WHERE j.status = 'verified' AND j.ended_at > clock_timestamp() - interval '24 hours'
    )
    SELECT (SELECT count(*) FROM open), (SELECT coalesce(sum(price_cents), 0)::bigint FROM open),
        count(*), coalesce(sum(cents), 0)::bigint,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
        percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds)
    FROM paid""")


@dataclass(frozen=True)
class Stats:
    """`close_to_paid` in seconds, over the last 24 hours; None where nothing was paid in them."""

    open_drops: int
    board_cents: int
    settled_24h: int
    paid_cents_24h: int
    close_to_paid_p50: float | None
    close_to_paid_p99: float | None


def stats(session: Session) -> Stats:
    """The figures of this moment."""
    return Stats(*session.execute(_QUERY).one())
