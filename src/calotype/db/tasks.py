"""The rows of tasks: Glance's two tables, and ours with what is needed to run one.

A task that has not ended has a row in `calotype_task_runs`; the database is the queue. Who runs it
holds the lease `task:<id>`. A row whose lease nobody holds is waiting, be it new, handed over, or
left by a process that died.

Glance on the same database may end a task of ours when it breaks the lock of an import. That
counts: who runs it learns of it at the next report, and can no longer end it otherwise.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, String, delete, exists, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db import task_query
from calotype.db.aggregates import alive
from calotype.db.engine import LEAVES_WORK, Database
from calotype.db.images import Guard, now
from calotype.db.leases import exactly_now
from calotype.db.tables import calotype_leases, calotype_task_runs, task_info, tasks
from calotype.model.filter import TaskFilter, Viewer
from calotype.model.task import ENDED, Task, TaskStatus

_RUN = calotype_task_runs.c
_INFO = task_info.c
_TASK = select(
    tasks.c.id,
    tasks.c.type,
    tasks.c.status,
    tasks.c.owner,
    tasks.c.created_at,
    tasks.c.updated_at,
    tasks.c.image_id,
    tasks.c.request_id,
    tasks.c.user_id,
    _INFO.input,
    _INFO.result,
    _INFO.message,
    tasks.c.expires_at,
).outerjoin(task_info, _INFO.task_id == tasks.c.id)


#: Tasks taken out of sight in one transaction.
BATCH = 500
_GOING_ON = [status for status in TaskStatus if status not in ENDED]


class Ended(errors.Conflict):
    """The task has ended already."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a worker needs to run a task. `attempts` counts this one.

    `job` names the code; `undo` is what to put back when the task fails for good. `guard` is to be
    asked in each transaction of the attempt: it raises when another worker has taken over.
    """

    task: Task
    job: str
    attempts: int
    undo: Mapping[str, Any] = field(repr=False)  # may hold a token
    guard: Guard


def lease_name(task_id: str) -> str:
    """The name of the lease that whoever runs a task holds."""
    return f"task:{task_id}"


class Tasks:
    """Tasks in the database. `hours`: how long one that has ended is shown."""

    def __init__(self, database: Database, hours: int) -> None:
        self._db = database
        self._hours = hours

    def get(self, task_id: str) -> Task:
        """The task. Raises NotFound."""
        with self._db.reading() as connection:
            row = connection.execute(_TASK.where(tasks.c.id == task_id, alive(tasks))).first()
        if row is None:
            raise errors.NotFound(f"There is no task with the id {task_id}")
        return _task(row)

    def of_image(self, image_id: str) -> list[Task]:
        """The tasks of an image that have not expired, the newest first."""
        wanted = _TASK.where(tasks.c.image_id == image_id, task_query.unexpired())
        ordered = wanted.order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
        with self._db.reading() as connection:
            return [_task(row) for row in connection.execute(ordered)]

    def find(self, wanted: TaskFilter, viewer: Viewer) -> list[Task]:
        """One page of tasks that have not expired. Raises Invalid for a bad marker."""
        with self._db.reading() as connection:
            marked = wanted.marker is not None
            after = _marker_values(connection, wanted, viewer) if marked else None
            page = task_query.page(_TASK, wanted, viewer, after)
            return [_task(row) for row in connection.execute(page)]

    def show(self, task_id: str, viewer: Viewer) -> Task:
        """The task, if it has not expired and the viewer sees it. Raises NotFound."""
        shown = _TASK.where(
            tasks.c.id == task_id, task_query.unexpired(), task_query.visible(viewer)
        )
        with self._db.reading() as connection:
            row = connection.execute(shown).first()
        if row is None:
            raise errors.NotFound(f"There is no task with the id {task_id}, or you may not see it")
        return _task(row)

    def waiting(self, limit: int, jobs: Collection[str] | None = None) -> Sequence[str]:
        """The ids of tasks that nobody runs, the oldest first. `jobs`: only of these kinds."""
        held = exists().where(
            calotype_leases.c.name == literal("task:", String).concat(_RUN.task_id),
            calotype_leases.c.expires_at >= exactly_now(),
        )
        wanted = select(_RUN.task_id).where(~held).order_by(_RUN.created_at, _RUN.task_id)
        if jobs is not None:
            wanted = wanted.where(_RUN.job.in_(jobs))
        with self._db.reading() as connection:
            return list(connection.execute(wanted.limit(limit)).scalars())

    def begin(self, task_id: str, guard: Guard) -> Run | None:
        """Count one more attempt and tell how to run the task; None when it has ended meanwhile.

        Only for the holder of its lease, which `guard` proves by not raising.
        """

        def work(connection: Connection) -> Run | None:
            guard(connection)
            mine = _RUN.task_id == task_id
            counted = update(calotype_task_runs).where(mine).values(attempts=_RUN.attempts + 1)
            if connection.execute(counted).rowcount != 1:
                return None
            if not _update(connection, task_id, status=TaskStatus.PROCESSING):
                connection.execute(delete(calotype_task_runs).where(mine))
                return None
            run = connection.execute(select(_RUN.job, _RUN.attempts, _RUN.undo).where(mine)).one()
            task = _task(connection.execute(_TASK.where(tasks.c.id == task_id)).one())
            return Run(task, run.job, run.attempts, orjson.loads(run.undo), guard)

        return self._db.transaction(work)

    def report(self, task_id: str, message: str, guard: Guard) -> None:
        """Say how far a running task is, if `guard` does not refuse by raising. Raises Ended."""

        def work(connection: Connection) -> None:
            guard(connection)
            if not _update(connection, task_id):
                raise Ended()
            said = update(task_info).where(_INFO.task_id == task_id)
            connection.execute(said.values(message=message))

        self._db.transaction(work)

    def hand_over(self, task_id: str) -> None:
        """Leave a task to another worker: this attempt does not count."""
        mine = update(calotype_task_runs).where(_RUN.task_id == task_id, _RUN.attempts > 0)
        less = mine.values(attempts=_RUN.attempts - 1)
        self._db.transaction(lambda connection: connection.execute(less))

    def end(
        self,
        connection: Connection,
        task_id: str,
        status: TaskStatus,
        message: str,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """End a task in the transaction that saves what it did. Raises Ended."""
        mine = delete(calotype_task_runs).where(_RUN.task_id == task_id)
        if connection.execute(mine).rowcount != 1:
            raise Ended()
        expires_at = now() + timedelta(hours=self._hours)
        if not _update(connection, task_id, status=status, expires_at=expires_at):
            raise Ended()
        info = update(task_info).where(_INFO.task_id == task_id)
        connection.execute(info.values(message=message, result=_json(result)))

    def transaction(self, work: Callable[[Connection], None]) -> None:
        """Do `work` in one transaction of this database, as `Database.transaction` does."""
        self._db.transaction(work)

    def remove_expired(self) -> int:
        """Mark as deleted what is shown no longer, so that `db purge` removes it; how many."""
        found = select(tasks.c.id).where(tasks.c.expires_at < now(), alive(tasks)).limit(BATCH)
        count = 0
        while True:
            with self._db.reading() as connection:
                ids = list(connection.execute(found).scalars())
            if not ids:
                return count
            rows = update(tasks).where(tasks.c.id.in_(ids)).values(deleted=True, deleted_at=now())
            self._db.transaction(partial(Connection.execute, statement=rows))
            count += len(ids)


def add(
    connection: Connection,
    task: Task,
    *,
    job: str,
    slot: str | None = None,
    undo: Mapping[str, Any] | None = None,
) -> None:
    """Save a new task in the transaction of what belongs to it.

    `slot`: what only one task may do at a time. Raises Duplicate when it is taken.
    """
    values = {"status": task.status, "type": task.type, "owner": task.owner}
    times = {"created_at": task.created_at, "updated_at": task.updated_at, "deleted": False}
    # Both may be longer than their columns: names of users in a file, ids of requests by option.
    asked = {"request_id": _short(task.request_id), "user_id": _short(task.user_id)}
    refers = {"image_id": task.image_id, **asked}
    connection.execute(insert(tasks).values(id=task.id, **values, **refers, **times))
    connection.execute(
        insert(task_info).values(
            task_id=task.id, input=_json(task.input), message=task.message, result=None
        )
    )
    try:
        connection.execute(
            insert(calotype_task_runs).values(
                task_id=task.id,
                job=job,
                slot=slot,
                attempts=0,
                undo=_json(undo or {}),
                created_at=exactly_now(),
            )
        )
    except IntegrityError as error:
        raise errors.Duplicate(f"Another task is at work: {slot}") from error
    connection.info[LEAVES_WORK] = True


def in_slot(connection: Connection, slot: str) -> str | None:
    """The id of the task that has a slot."""
    found = connection.execute(select(_RUN.task_id).where(_RUN.slot == slot)).scalar()
    return None if found is None else str(found)


def change_slot(connection: Connection, task_id: str, slot: str) -> None:
    """Let a task that has not ended hold another slot. Raises Duplicate when it is taken."""
    mine = update(calotype_task_runs).where(_RUN.task_id == task_id)
    try:
        connection.execute(mine.values(slot=slot))
    except IntegrityError as error:
        raise errors.Duplicate(f"Another task is at work: {slot}") from error


def unfinished(connection: Connection, image_id: str) -> bool:
    """Whether an image has a task of ours that has not ended."""
    run = select(_RUN.task_id).join(tasks, tasks.c.id == _RUN.task_id)
    found = connection.execute(select(exists(run.where(tasks.c.image_id == image_id))))
    return bool(found.scalar())


def _marker_values(connection: Connection, wanted: TaskFilter, viewer: Viewer) -> Sequence[Any]:
    found = select(*task_query.sort_values(wanted.order)).where(
        tasks.c.id == wanted.marker, task_query.visible(viewer)
    )
    row = connection.execute(found).first()
    if row is None:
        raise errors.Invalid(f"marker: no task with the id {wanted.marker!r}")
    return row


def _update(connection: Connection, task_id: str, **values: Any) -> bool:
    """Change a task that has not ended; False when it has, or is gone."""
    mine = update(tasks).where(tasks.c.id == task_id, tasks.c.status.in_(_GOING_ON), alive(tasks))
    return connection.execute(mine.values(updated_at=now(), **values)).rowcount == 1


def _short(text: str | None) -> str | None:
    return None if text is None else text[:64]


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(dict(value)).decode()


def _task(row: Any) -> Task:
    moment: datetime = row.updated_at or row.created_at
    return Task(
        row.id,
        row.type,
        TaskStatus(row.status),
        row.owner,
        row.created_at,
        moment,
        row.image_id,
        row.request_id,
        row.user_id,
        _loaded(row.input),
        _loaded(row.result),
        row.message or "",
        row.expires_at,
    )


def _loaded(text: str | None) -> Any:
    """JSON as Glance and we write it; None for what is no JSON."""
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
