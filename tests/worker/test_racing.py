"""Many worker processes at one queue never do one task twice at the same time."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, select

from calotype.db import dialects
from calotype.model.task import TaskStatus
from tests.servers import Process
from tests.service import environment
from tests.worker.jobs import Queue, on_each_engine
from tests.worker.racer import TABLES, busy, history

ROOT = Path(__file__).parents[2]
PROCESSES = 4
TASKS = 80


@pytest.fixture
def notes(queue: Queue) -> Iterator[Engine]:
    """The tables of the race, made and dropped."""
    engine = create_engine(
        dialects.address(make_url(queue.database.address).render_as_string(False))
    )
    TABLES.create_all(engine)
    yield engine
    TABLES.drop_all(engine)
    engine.dispose()


@on_each_engine
def test_no_task_is_done_twice(queue: Queue, notes: Engine, tmp_path: Path) -> None:
    with ExitStack() as stack:
        racers = []
        for number in range(PROCESSES):
            command = [sys.executable, "-m", "tests.worker.racer", queue.database.address]
            log = tmp_path / f"racer-{number}.log"
            racer = Process([*command, f"w{number}"], log, env=environment(), cwd=ROOT)
            racers.append(stack.enter_context(racer))
        for racer in racers:
            racer.wait_until(lambda racer=racer: "ready" in racer.output())
        added = [queue.add(job="race") for _ in range(TASKS)]
        deadline = time.monotonic() + 60
        while any(queue.attempts(task_id) is not None for task_id in added):
            assert time.monotonic() < deadline, [racer.output()[-2000:] for racer in racers]
            time.sleep(0.05)
    with notes.connect() as connection:
        happened = connection.execute(select(history.c.task_id, history.c.what)).all()
        assert connection.execute(select(busy)).all() == []
        workers = Counter(connection.scalars(select(history.c.worker)))
    assert Counter(happened) == Counter((task_id, "done") for task_id in added)
    assert len(workers) > 1, "there was no race"
    assert {queue.tasks.get(task_id).status for task_id in added} == {TaskStatus.SUCCESS}
    assert not any("Traceback" in racer.output() for racer in racers)
