"""What crashes leave of stages and imports, put right: statuses first, then stray files.

A stage holds a lease as long as its process lives, and gives the image its size when it is
complete. So an image that is `uploading`, has no size and whose lease has ended, has lost its
process. Our imports end in every case; those of Glance may not, and their lock grows old.
"""

import logging
import os
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from calotype import errors
from calotype.db import import_lock
from calotype.db.engine import Database
from calotype.db.images import Images, now
from calotype.db.leases import Leases
from calotype.db.tasks import unfinished
from calotype.imports.journey import change_row
from calotype.model.image import Image, Status
from calotype.model.importing import ended
from calotype.services.staging import Staging

LOG = logging.getLogger(__name__)

#: How long an image may be importing without a lock and without a task of ours.
LOCKLESS = timedelta(minutes=60)


class Leftovers:
    """Cleans up after stages and imports, of this service and of Glance."""

    def __init__(
        self, database: Database, images: Images, leases: Leases, staging: Staging
    ) -> None:
        self._db = database
        self._images = images
        self._leases = leases
        self._staging = staging

    def requeue(self) -> int:
        """Queue images again whose stage or import died; how many."""
        return sum(
            self._each(status, put_right)
            for status, put_right in (
                (Status.UPLOADING, self._end_stage),
                (Status.IMPORTING, self._end_import),
            )
        )

    def sweep(self, older_than: float) -> int:
        """Remove staged files that nobody needs and that are older than a moment (epoch seconds).

        How many bytes. What belongs to an image that this database never had is left alone.
        """
        removed = 0
        for image_id, paths in self._staging.untouched(older_than).items():
            try:
                with self._leases.hold(f"image:{image_id}"):
                    if not self._needed(image_id):
                        removed += sum(_remove(path) for path in paths)
            except errors.Conflict:
                continue  # somebody is at it
        return removed

    def _each(self, status: Status, put_right: Callable[[Image], bool]) -> int:
        image_ids = self._images.in_status(status)
        living = self._leases.living("image:") if image_ids else set()
        count = 0
        for image_id in image_ids:
            if f"image:{image_id}" in living:
                continue
            try:
                with self._leases.hold(f"image:{image_id}"):
                    count += put_right(self._images.get(image_id))
            except (errors.ImageNotFound, errors.Conflict):
                continue  # somebody else deals with it
        return count

    def _end_stage(self, image: Image) -> bool:
        if image.status is not Status.UPLOADING or image.size is not None:
            return False
        self._images.swap(image, image.moved_to(Status.QUEUED))
        self._staging.discard(image.id)
        LOG.warning("Image %s: its stage died, it is queued again", image.id)
        return True

    def _end_import(self, image: Image) -> bool:
        if image.status is not Status.IMPORTING:
            return False

        def work(connection: Connection) -> bool:
            task_id = import_lock.holder(connection, image.id)
            if not self._is_dead(connection, image, task_id):
                return False
            queued = image.moved_to(Status.QUEUED, size=None, properties=ended(image.properties))
            change_row(connection, image, queued)
            if task_id is not None:
                import_lock.release(connection, image.id, task_id)
            return True

        if not self._db.transaction(work):
            return False
        self._staging.discard(image.id)
        LOG.warning("Image %s: its import died, it is queued again", image.id)
        return True

    def _is_dead(self, connection: Connection, image: Image, task_id: str | None) -> bool:
        if unfinished(connection, image.id):
            return False
        if task_id is None:
            return image.updated_at < now() - LOCKLESS
        return import_lock.abandoned(connection, task_id)

    def _needed(self, image_id: str) -> bool:
        try:
            image = self._images.get(image_id)
        except errors.ImageNotFound:
            return not self._images.located([image_id])
        staged = image.status in (Status.UPLOADING, Status.IMPORTING)
        return staged or import_lock.NAME in image.properties


def _remove(path: str) -> int:
    """Remove a file; its size."""
    try:
        size = os.lstat(path).st_size
        os.unlink(path)
    except OSError as error:
        LOG.error("A staged file is left: %s", error)
        return 0
    LOG.info("Removed the staged file %s: %d bytes", path, size)
    return size
