"""What the tests of background work share: SQLite unless a test is marked `on_each_engine`."""

import pytest

from calotype.db.engine import Database
from tests.worker.jobs import Queue


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    """SQLite, unless a test is marked `on_each_engine`."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def queue(database: Database) -> Queue:
    """A queue of tasks in that database."""
    return Queue(database)
