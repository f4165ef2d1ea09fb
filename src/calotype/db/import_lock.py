"""The lock of an import: the property `os_glance_import_task` of its image names the task.

Glance knows the same lock, so one of the two imports into an image at a time. It is taken by the
one insert that can succeed, and removed for good, not just marked as deleted.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db.aggregates import alive
from calotype.db.images import now
from calotype.db.tables import calotype_task_runs, image_properties, task_info, tasks
from calotype.model.task import TaskStatus

NAME = "os_glance_import_task"

#: After how long without a sign of life a lock counts as abandoned, by the status of its task.
#: Only for tasks of Glance: ours end in every case.
ABANDONED = {
    TaskStatus.PENDING: timedelta(minutes=120),
    TaskStatus.PROCESSING: timedelta(minutes=60),
    TaskStatus.SUCCESS: timedelta(minutes=60),
    TaskStatus.FAILURE: timedelta(minutes=60),
}
_ROW = image_properties.c


def take(connection: Connection, image_id: str, task_id: str) -> bool:
    """Take the lock of an image for a task; True when an abandoned one was broken for it.

    Raises Conflict when another import holds it.
    """
    found = connection.execute(select(_ROW.value, _ROW.deleted).where(_of(image_id))).first()
    if found is None:
        _insert(connection, image_id, task_id)
        return False
    if not found.deleted:
        if not abandoned(connection, str(found.value)):
            raise errors.Conflict(f"This image is being imported by task {found.value}")
        _preempt(connection, str(found.value))
    mine = {"value": task_id, "deleted": False, "deleted_at": None, "updated_at": now()}
    same = _of(image_id) & (_ROW.value == found.value)
    if connection.execute(update(image_properties).where(same).values(**mine)).rowcount != 1:
        raise errors.Conflict("This image is being imported by somebody else")
    return not found.deleted


def holder(connection: Connection, image_id: str) -> str | None:
    """The id of the task that holds the lock."""
    held = select(_ROW.value).where(_of(image_id), alive(image_properties))
    found = connection.execute(held).scalar()
    return None if found is None else str(found)


def release(connection: Connection, image_id: str, task_id: str) -> None:
    """Remove the lock if the task still has it."""
    mine = _of(image_id) & (_ROW.value == task_id)
    connection.execute(delete(image_properties).where(mine))


def abandoned(connection: Connection, task_id: str) -> bool:
    """Whether whoever held a lock for this task will never come back to it."""
    if connection.execute(
        select(calotype_task_runs.c.task_id).where(calotype_task_runs.c.task_id == task_id)
    ).first():
        return False
    row = connection.execute(
        select(tasks.c.status, tasks.c.updated_at, tasks.c.created_at).where(tasks.c.id == task_id)
    ).first()
    if row is None:
        return True
    patience = ABANDONED.get(row.status, timedelta(minutes=60))
    return bool((row.updated_at or row.created_at) < now() - patience)


def _of(image_id: str) -> ColumnElement[bool]:
    return (_ROW.image_id == image_id) & (_ROW.name == NAME)


def _insert(connection: Connection, image_id: str, task_id: str) -> None:
    row: dict[str, Any] = {"image_id": image_id, "name": NAME, "value": task_id}
    times = {"created_at": now(), "updated_at": now(), "deleted": False}
    try:
        connection.execute(insert(image_properties).values(**row, **times))
    except IntegrityError as error:
        raise errors.Conflict("This image is being imported by somebody else") from error


def _preempt(connection: Connection, task_id: str) -> None:
    """Let a task of Glance that has died end as failed."""
    going_on = (tasks.c.id == task_id) & tasks.c.status.in_(
        (TaskStatus.PENDING, TaskStatus.PROCESSING)
    )
    failed = update(tasks).where(going_on).values(status=TaskStatus.FAILURE, updated_at=now())
    if connection.execute(failed).rowcount == 1:
        said = update(task_info).where(task_info.c.task_id == task_id)
        connection.execute(said.values(message="Expired lock preempted"))
