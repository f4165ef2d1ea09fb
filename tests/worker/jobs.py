"""A queue of tasks with a job that does what the test says."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from calotype.db import tasks as rows
from calotype.db.engine import Database
from calotype.db.images import now
from calotype.db.leases import Leases, exactly_now
from calotype.db.tables import calotype_leases, calotype_task_runs
from calotype.db.tasks import Run, Tasks, lease_name
from calotype.model.task import Task, TaskStatus
from calotype.worker.runner import Job, Runner, Work

#: Runs a test on SQLite, MariaDB and PostgreSQL; without it, on SQLite.
on_each_engine = pytest.mark.parametrize(
    "engine_name", ("sqlite", "mariadb", "postgresql"), indirect=True
)

Does = Callable[[Work], None]


class Scripted:
    """A job that does what it is told, and ends well if that raises nothing."""

    def __init__(self, tasks: Tasks, does: Does = lambda work: None) -> None:
        self.does = does
        self.undoes: Callable[[Run], None] = lambda run: None
        self.done: list[str] = []
        self.given_up: list[str] = []
        self._tasks = tasks

    def do(self, work: Work) -> None:
        self.done.append(work.run.task.id)
        self.does(work)
        work.save(lambda c: self._tasks.end(c, work.run.task.id, TaskStatus.SUCCESS, "well done"))

    def give_up(self, run: Run, reason: str) -> None:
        self.given_up.append(reason)

        def save(connection: Connection) -> None:
            run.guard(connection)
            self._tasks.end(connection, run.task.id, TaskStatus.FAILURE, reason)
            self.undoes(run)

        self._tasks.transaction(save)


class Queue:
    """Tasks in a database, and who runs them. `lease`: in seconds."""

    def __init__(self, database: Database, lease: int = 60) -> None:
        self.database = database
        self.tasks = Tasks(database, hours=48)
        self.leases = Leases(database, lease)
        self.job = Scripted(self.tasks)
        self.stop = threading.Event()

    def runner(
        self,
        *,
        attempts: int = 3,
        threads: int = 4,
        tasks: Tasks | None = None,
        leases: Leases | None = None,
        jobs: dict[str, Job] | None = None,
    ) -> Runner:
        return Runner(
            tasks or self.tasks, leases or self.leases, jobs or {"scripted": self.job},
            attempts, threads,
        )  # fmt: skip

    def add(self, job: str = "scripted") -> str:
        """A new task; its id."""
        task = Task(
            id=str(uuid.uuid4()),
            type="calculate_hash",
            status=TaskStatus.PENDING,
            owner="ours",
            created_at=now(),
            updated_at=now(),
        )
        self.database.transaction(lambda c: rows.add(c, task, job=job))
        return task.id

    def run_one(self, task_id: str, **more: Any) -> Task:
        """One attempt; the task afterwards."""
        self.runner(**more).run_one(task_id, self.stop)
        return self.tasks.get(task_id)

    def die(self, task_id: str) -> None:
        """Begin a task and leave it as a process that is killed does."""
        assert self.tasks.begin(task_id, lambda connection: None) is not None

    def attempts(self, task_id: str) -> int | None:
        """How many attempts count; None when the task has ended."""
        wanted = select(calotype_task_runs.c.attempts).where(
            calotype_task_runs.c.task_id == task_id
        )
        with self.database.reading() as connection:
            return connection.execute(wanted).scalar()

    def waiting(self) -> list[str]:
        return list(self.tasks.waiting(1000))

    def take_over(self, task_id: str) -> None:
        """As if a lease had run out and another worker had taken the task."""
        lease = calotype_leases.c.name == lease_name(task_id)
        with self.database.writing() as connection:
            row = update(calotype_leases).where(lease)
            later = exactly_now() + timedelta(minutes=1)
            taken = connection.execute(row.values(holder="another", expires_at=later))
            assert taken.rowcount == 1
