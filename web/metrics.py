"""Numbers for Prometheus: what this process answered, and how the whole market is doing.

Requests, their seconds and those who wait are counted by each process for itself: with more than one
behind one address (`WEB_CONCURRENCY`), each scrape sees one of them. Everything else comes from
PostgreSQL and Redis and is the same wherever it is asked.
"""

import logging
import threading
import time
from collections.abc import Iterator

from flask import Response
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models import db, health
from models.errors import RateLimited, Unauthenticated
from models.settings import settings
from web import watch
from web.auth import require_bearer
from web.contract import Routes
from web.redis_client import redis_at

logger = logging.getLogger(__name__)

metrics = Routes("metrics")

KEPT_SECONDS = 2.0  # several who scrape at once cost PostgreSQL one look
REDIS_SECONDS = 0.2
# A plain read takes milliseconds, a long poll 25 seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()  # when a series began is of no use to anybody
registry = CollectorRegistry()
_answered = Counter(
    "clorp_requests", "Requests answered by this process.", ["method", "route", "status"], registry=registry
)
_seconds = Histogram(
    "clorp_request_seconds",
    "How long this process took to answer, waiting included.",
    ["method", "route"],
    buckets=BUCKETS,
    registry=registry,
)


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request."""
    _answered.labels(method, route, str(status)).inc()
    _seconds.labels(method, route).observe(seconds)


@metrics.get("/metrics", media_type="text/plain", refuses=[Unauthenticated, RateLimited])
def scrape() -> Response:
    """Numbers for Prometheus; the bearer of `CLORP_METRICS_TOKEN` only, where that is set."""
    if wanted := settings().metrics_token:
        require_bearer(wanted)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Market(Collector):
    """The market as PostgreSQL and Redis have it at this moment, or had it a moment ago."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: list[Metric] = []
        self._until = 0.0

    def collect(self) -> Iterator[Metric]:
        """Every family; those whose source is away are missing."""
        with self._guard:
            if time.monotonic() >= self._until:
                self._kept = [*_database(), *_queues()]
                self._until = time.monotonic() + KEPT_SECONDS
            kept = self._kept
        yield from kept
        yield GaugeMetricFamily(
            "clorp_waiting", "Long polls and streams that wait in this process.", watch.count()
        )

    def describe(self) -> list[Metric]:
        """Nothing: registering must ask no database."""
        return []

    def forget(self) -> None:
        """Look anew at the next scrape."""
        self._until = 0.0


market = _Market()
registry.register(market)


def _database() -> Iterator[Metric]:
    up = GaugeMetricFamily("clorp_database_up", "Whether PostgreSQL answers.")
    try:
        load = health.load()
    except (DBAPIError, PoolTimeout) as error:
        if not db.noted(error):
            logger.warning("no numbers from PostgreSQL: %s", type(error).__name__)
        up.add_metric([], 0)
        yield up
        return
    up.add_metric([], 1)
    yield up
    yield _by("clorp_drops", "Drops by status.", "status", load.drops)
    yield GaugeMetricFamily("clorp_owed_overdue", "Drops whose task is due and not done.", load.overdue)
    yield GaugeMetricFamily(
        "clorp_owed_oldest_seconds", "How late the oldest of them is.", load.oldest_seconds
    )
    yield _by("clorp_heartbeat_age_seconds", "Since a queue was last served.", "queue", load.silence_seconds)
    if load.violations is not None:  # before the first audit there is nothing to tell
        yield GaugeMetricFamily(
            "clorp_audit_violations", "Broken promises that the last audit found.", load.violations
        )
        yield GaugeMetricFamily("clorp_audit_age_seconds", "Since the last audit.", load.audit_age_seconds)
    yield CounterMetricFamily("clorp_payouts", "Bounties paid out.", load.payouts)
    yield CounterMetricFamily("clorp_payouts_cents", "What was paid out.", load.payouts_cents)


def _queues() -> Iterator[Metric]:
    url = settings().redis_url
    if not url:
        return
    try:
        lengths = {queue: float(redis_at(url, REDIS_SECONDS).llen(queue)) for queue in health.QUEUES}
    except RedisError as error:
        logger.warning("no numbers from Redis: %s", type(error).__name__)
        return
    yield _by("clorp_queue_messages", "Messages that wait for a worker.", "queue", lengths)


def _by(name: str, about: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
