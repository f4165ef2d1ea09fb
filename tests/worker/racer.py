"""A worker process whose only job writes down, in the same database, who did what and when.

python -m tests.worker.racer ADDRESS NAME
"""

import signal
import sys
import threading
import time

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, delete, insert
from sqlalchemy.exc import IntegrityError

from calotype.db.engine import Database, connect
from calotype.db.leases import Leases
from calotype.db.tasks import Run, Tasks
from calotype.model.task import TaskStatus
from calotype.worker.runner import Runner, Work

TABLES = MetaData()
#: Which tasks are being done just now: the key does not let one be done twice at once.
busy = Table(
    "race_busy",
    TABLES,
    Column("task_id", String(36), primary_key=True),
    Column("worker", String(10), nullable=False),
)
#: What happened. `what`: "done", or "overlap" when the task was being done already.
history = Table(
    "race_history",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("task_id", String(36), nullable=False),
    Column("worker", String(10), nullable=False),
    Column("what", String(10), nullable=False),
)

#: Seconds that a task takes.
TAKES = 0.05


class Race:
    """The job."""

    def __init__(self, database: Database, tasks: Tasks, worker: str) -> None:
        self._db = database
        self._tasks = tasks
        self._worker = worker

    def do(self, work: Work) -> None:
        task_id = work.run.task.id
        try:
            row = insert(busy).values(task_id=task_id, worker=self._worker)
            self._db.transaction(lambda connection: connection.execute(row))
        except IntegrityError:
            self._db.transaction(lambda connection: self._note(connection, task_id, "overlap"))
        time.sleep(TAKES)
        work.step("racing")

        def save(connection: Connection) -> None:
            mine = (busy.c.task_id == task_id) & (busy.c.worker == self._worker)
            connection.execute(delete(busy).where(mine))
            self._note(connection, task_id, "done")
            self._tasks.end(connection, task_id, TaskStatus.SUCCESS, self._worker)

        work.save(save)

    def give_up(self, run: Run, reason: str) -> None:
        def save(connection: Connection) -> None:
            self._note(connection, run.task.id, "given up")
            self._tasks.end(connection, run.task.id, TaskStatus.FAILURE, reason)

        self._tasks.transaction(save)

    def _note(self, connection: Connection, task_id: str, what: str) -> None:
        connection.execute(insert(history).values(task_id=task_id, worker=self._worker, what=what))


def main(address: str, worker: str) -> None:
    """Run tasks until SIGTERM."""
    database = connect(address)
    tasks = Tasks(database, 48)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print("ready", flush=True)
    Runner(
        tasks, Leases(database, 60), {"race": Race(database, tasks, worker)}, attempts=3, threads=4
    ).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
