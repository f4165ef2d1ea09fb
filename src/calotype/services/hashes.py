"""Calculating the digests of an image that is active: the request. The work is a task."""

import hashlib
import uuid

from sqlalchemy import Connection

from calotype import errors
from calotype.caller import Caller
from calotype.db import digests
from calotype.db import tasks as task_rows
from calotype.db.engine import Database
from calotype.db.images import now
from calotype.model.image import Image, Status
from calotype.model.task import Task, TaskStatus
from calotype.services.gate import Gate

#: The type of the tasks, and the job that does them.
TYPE = "calculate_hash"

#: The algorithms that may be asked for: of fixed length, and short enough for the column.
ALGORITHMS = tuple(
    sorted(name for name in hashlib.algorithms_guaranteed if not name.startswith("shake_"))
)


class Hashes:
    """The use case of `POST /v2/images/{id}/hash`. `default`: the configured algorithm."""

    def __init__(self, database: Database, gate: Gate, default: str) -> None:
        self._db = database
        self._gate = gate
        self._default = default

    def start(self, caller: Caller, image_id: str, algorithm: str | None) -> Task:
        """Write the task that calculates the digests; `os_hash_algo` is set at once.

        Raises Invalid for an unknown algorithm, Conflict when the image is not active or a task
        is at it already.
        """
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "calculate_hash", image)
        algorithm = self._default if algorithm is None else algorithm
        if algorithm not in {*ALGORITHMS, self._default}:
            raise errors.Invalid(
                f"os_hash_algo: {algorithm!r} is not known; the algorithms are "
                f"{', '.join(ALGORITHMS)}"
            )
        return queue(self._db, image, algorithm, caller)


def queue(database: Database, image: Image, algorithm: str, caller: Caller) -> Task:
    """Write the task for an image as it was read. Raises Conflict, ChangedMeanwhile."""
    if image.status is not Status.ACTIVE:
        raise errors.Conflict(
            f"Only the digests of an active image can be calculated; image {image.id} is "
            f"{image.status.value}"
        )
    task, slot = _task(caller, image, algorithm), f"hash:{image.id}"
    undo = digests.before(image)

    def save(connection: Connection) -> None:
        running = task_rows.in_slot(connection, slot)
        if running is not None:
            raise errors.Conflict(
                f"The digests of this image are being calculated by task {running}"
            )
        task_rows.add(connection, task, job=TYPE, slot=slot, undo=undo)
        digests.begin(connection, image, algorithm)

    try:
        database.transaction(save)
    except errors.Duplicate:
        database.transaction(save)  # another one was quicker: now its task can be named
    return task


def _task(caller: Caller, image: Image, algorithm: str) -> Task:
    moment = now()
    return Task(
        id=str(uuid.uuid4()),
        type=TYPE,
        status=TaskStatus.PENDING,
        owner=caller.project_id or "",
        created_at=moment,
        updated_at=moment,
        image_id=image.id,
        request_id=caller.request_id or None,
        user_id=caller.user_id,
        input={"image_id": image.id, "os_hash_algo": algorithm},
    )
