"""Every race runs with a connection for each caller: the crowd meets in PostgreSQL, not in the pool."""

import pytest


@pytest.fixture(autouse=True)
def crowd(settle):
    settle(database_pool=70, max_pending_drops=20)
