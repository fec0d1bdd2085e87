"""A result that Redis does not take is lost, and costs its worker nothing."""

import pytest
from celery.app.task import Context

from tests.redis_trouble import broken
from workers.app import app
from workers.results import Results

BALLOT = Context(
    id="a-ballot", group="a-chord", group_index=0, chord={"task": "workers.tasks.rank"}, ignore_result=False
)


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")  # which is Celery's
@pytest.mark.parametrize("kind", ["closed", "full"])
def test_no_worker_stumbles_over_a_result_that_cannot_be_kept(kind, caplog):
    """Else Celery never learns that the task ended, and keeps its place in the worker taken for ever."""
    with broken(kind) as url:
        results = Results(app=app, url=url)
        results.mark_as_done("a-ballot", 0, request=BALLOT)
        results.mark_as_failure("a-ballot", ValueError("a fault"), request=BALLOT)
    assert [
        record.message.partition(":")[0] for record in caplog.records if record.name == "workers.results"
    ] == [
        "the result of a-ballot is lost",
        "the result of a-ballot is lost",
    ]
