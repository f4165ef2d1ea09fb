"""The job that gives an image the location that was registered for it.

The size is asked of the store before the image becomes active. Data that was registered is not ours
to delete: whatever fails, only rows go back to what they were.
"""

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from calotype import errors
from calotype.db import digests as digest_rows
from calotype.db import image_rows, import_lock
from calotype.db import tasks as task_rows
from calotype.db.tasks import Run, Tasks
from calotype.imports.journey import change_row
from calotype.model.image import Image, Status
from calotype.model.location import LocationOrder
from calotype.model.task import TaskStatus
from calotype.quota import Quota
from calotype.services.image_data import need_formats
from calotype.stores.catalog import Catalog
from calotype.worker.hashing import HashJob, pause_before
from calotype.worker.runner import Work

LOG = logging.getLogger(__name__)

#: The digests of an image that never had any, as of `digest_rows.before`.
NEVER: Mapping[str, Any] = {"os_hash_algo": None, "os_hash_value": None}


class LocationJob:
    """Adds locations. `hashing` reads the data; `retries`: further attempts to ask for its size."""

    def __init__(
        self, tasks: Tasks, stores: Catalog, quota: Quota, hashing: HashJob, retries: int
    ) -> None:
        self._tasks = tasks
        self._stores = stores
        self._quota = quota
        self._hashing = hashing
        self._retries = max(0, retries)

    def do(self, work: Work) -> None:
        """Make the image active with its location; then, if so ordered, calculate its digests."""
        order = LocationOrder.load(work.run.undo)
        image = self._hashing.image(work.run.task.image_id)
        if image.status is Status.IMPORTING:
            self._activate(work, image, order)
        elif all(location.url != order.url for location in image.locations):
            raise errors.Conflict(f"Image {image.id} is {image.status.value}, not importing")
        # Else a worker that died had come this far.
        if order.hashes_later and order.algorithm:
            image = self._hashing.image(image.id)
            self._hashing.calculate(work, image, order.algorithm, NEVER)

    def give_up(self, run: Run, reason: str) -> None:
        """The image queued as before, or active without digests, and the task failed."""
        order, task_id = LocationOrder.load(run.undo), run.task.id
        image_id = run.task.image_id or ""

        def save(connection: Connection) -> None:
            run.guard(connection)
            self._tasks.end(connection, task_id, TaskStatus.FAILURE, reason)
            if import_lock.holder(connection, image_id) == task_id:
                import_lock.release(connection, image_id, task_id)
                _queue_again(connection, image_id)
            elif order.hashes_later and order.algorithm:
                digest_rows.restore(connection, image_id, order.algorithm, NEVER)

        self._tasks.transaction(save)

    def _activate(self, work: Work, image: Image, order: LocationOrder) -> None:
        size = self._size(work, order)
        self._quota.check_stored(image.owner, size)
        digests = self._digests(work, image.with_(size=size, locations=(order.location,)), order)
        image = self._hashing.image(image.id)
        need_formats(image)
        active = image.moved_to(Status.ACTIVE, size=size, locations=(order.location,), **digests)

        def save(connection: Connection) -> None:
            change_row(connection, image, active)
            self._end(connection, work.run, image.id, order)

        work.save(save)
        LOG.info("Image %s is active: %d bytes at a location", image.id, size)

    def _end(self, connection: Connection, run: Run, image_id: str, order: LocationOrder) -> None:
        """End the task, or let it go on as one that calculates digests."""
        import_lock.release(connection, image_id, run.task.id)
        if order.hashes_later:
            task_rows.change_slot(connection, run.task.id, f"hash:{image_id}")
            return
        result = {"image_id": image_id}
        self._tasks.end(connection, run.task.id, TaskStatus.SUCCESS, "The image is active", result)

    def _size(self, work: Work, order: LocationOrder) -> int:
        store, location = self._stores.holding(order.location), order.location
        for attempt in range(self._retries + 1):
            if attempt:
                work.pause(pause_before(attempt))
            work.step("Asking for the size of the data")
            try:
                size = store.size(location)
                break
            except errors.StoreUnavailable as error:
                LOG.warning("Task %s, attempt %d: %s", work.run.task.id, attempt + 1, error)
                trouble = error
        else:
            raise trouble
        if not size:
            raise errors.Invalid("The data at the location is empty")
        return size

    def _digests(self, work: Work, shape: Image, order: LocationOrder) -> dict[str, Any]:
        """The digests that the image gets when it becomes active."""
        if not order.validates or order.algorithm is None:
            return {"os_hash_algo": order.algorithm, "os_hash_value": order.value}
        found = self._hashing.read(work, shape, {order.algorithm})
        if found[order.algorithm] != order.value:
            raise errors.Conflict(
                f"The data at the location does not have the {order.algorithm} digest that was "
                "given with it"
            )
        return {
            "os_hash_algo": order.algorithm,
            "os_hash_value": order.value,
            "checksum": found.get("md5"),
        }


def _queue_again(connection: Connection, image_id: str) -> None:
    try:
        image = image_rows.read(connection, image_id)
    except errors.ImageNotFound:
        return
    if image.status is Status.IMPORTING:
        change_row(connection, image, image.moved_to(Status.QUEUED, size=None, virtual_size=None))
