"""The job that calculates the digests of an image from its data.

All digests are taken in one read. When the image has a digest already it is computed too and must
be the same: data that does not match is never given a new digest.
"""

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from calotype import errors
from calotype.db import digests as rows
from calotype.db.digests import Digests
from calotype.db.images import Images
from calotype.db.tasks import Run, Tasks
from calotype.model.image import Image
from calotype.model.task import TaskStatus
from calotype.stores.catalog import Catalog
from calotype.worker.digesting import MIB, digests, known
from calotype.worker.runner import Work

LOG = logging.getLogger(__name__)

#: Most seconds of reading between two looks whether the image is still there.
LOOK = 0.05
#: The first pause between two attempts at reading, and the longest, in seconds.
PAUSE, LONGEST = 0.2, 5.0


class HashJob:
    """Calculates digests. `retries`: further attempts when the stores fail. `md5`: checksum too."""

    def __init__(
        self,
        images: Images,
        hashes: Digests,
        tasks: Tasks,
        stores: Catalog,
        *,
        retries: int,
        md5: bool,
    ) -> None:
        self._images = images
        self._hashes = hashes
        self._tasks = tasks
        self._stores = stores
        self._retries = max(0, retries)
        self._md5 = md5

    def do(self, work: Work) -> None:
        """Read the data, compare, and save the digests with the end of the task."""
        image = self.image(work.run.task.image_id)
        self.calculate(work, image, _algorithm(work.run), work.run.undo)

    def calculate(self, work: Work, image: Image, algorithm: str, was: Mapping[str, Any]) -> None:
        """Calculate the digests of an image that `rows.begin` was called for, and end the task.

        `was`: what the image had before, as of `rows.before`.
        """
        task, recorded = work.run.task, _recorded(image, was)
        found = self.read(work, image, {algorithm, *recorded}, recorded)
        _compare(image, found, recorded)
        value, checksum = found[algorithm], found["md5"] if self._md5 else image.checksum
        result = {
            "image_id": image.id,
            "checksum": checksum,
            "os_hash_algo": algorithm,
            "os_hash_value": value,
        }

        def save(connection: Connection) -> None:
            self._tasks.end(
                connection, task.id, TaskStatus.SUCCESS, "The digests are calculated", result
            )
            rows.save(connection, image, algorithm, was, value=value, checksum=checksum)

        work.save(save)

    def give_up(self, run: Run, reason: str) -> None:
        """The digests as they were, the image as it is, and the task failed."""

        def save(connection: Connection) -> None:
            run.guard(connection)
            self._tasks.end(connection, run.task.id, TaskStatus.FAILURE, reason)
            rows.restore(connection, run.task.image_id or "", _algorithm(run), run.undo)

        self._tasks.transaction(save)

    def image(self, image_id: str | None) -> Image:
        """The image of a task. Raises Gone."""
        try:
            return self._images.get(image_id or "")
        except errors.ImageNotFound as error:
            raise _deleted() from error

    def read(
        self,
        work: Work,
        image: Image,
        wanted: set[str],
        recorded: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, str]:
        """The digests of the first copy that can be read, with the checksum if that is configured.

        Reads again when the stores fail, `retries` times. Raises StoreError, Gone.
        """
        wanted = wanted | {"md5"} if self._md5 else wanted
        trouble: errors.StoreError = errors.DataNotFound("The image has no data")
        for attempt in range(self._retries + 1 if image.locations else 0):
            if attempt:
                work.pause(pause_before(attempt))
            for location in self._stores.ordered(image.locations):
                try:
                    blocks = self._stores.holding(location).read(location)
                    size, found = digests(blocks, wanted, _Watch(work, self._hashes, image.id).see)
                    # What is recorded tells more about data of another size than its size does.
                    if size != image.size and not recorded:
                        raise errors.StoreError(f"The store gave {size} bytes of {image.size}")
                    return found
                except errors.Gone as error:
                    self.image(image.id)  # it is there again when the store refused to delete it
                    trouble = errors.StoreError(error.message)
                except errors.StoreError as error:
                    self.image(image.id)  # a deleted image is no trouble of the store
                    LOG.warning("Image %s, attempt %d: %s", image.id, attempt + 1, error)
                    trouble = error
        raise errors.StoreError(
            f"The data could not be read in {self._retries + 1} attempts: {trouble}"
        ) from trouble


def pause_before(attempt: int) -> float:
    """Seconds to wait before a further attempt, of which the first one has the number 1."""
    return min(LONGEST, PAUSE * 2.0 ** (attempt - 1))


class _Watch:
    """What goes on beside the reading: progress, and whether the image is still there."""

    def __init__(self, work: Work, hashes: Digests, image_id: str) -> None:
        self._work = work
        self._hashes = hashes
        self._image_id = image_id
        self._size = 0
        self._looked = 0.0

    def see(self, block: bytes) -> None:
        """Look, before a block is hashed. Raises Gone."""
        self._size += len(block)
        if time.monotonic() >= self._looked + LOOK:
            self._look()
        self._work.step(f"Hashed {self._size // MIB} MiB")

    def _look(self) -> None:
        try:
            if not self._hashes.exists(self._image_id):
                raise _deleted()
        except errors.DatabaseUnavailable as error:
            # How long we go on without the database is decided by `Work.step`.
            LOG.info("Image %s: cannot see whether it is still there: %s", self._image_id, error)
        self._looked = time.monotonic()


def _algorithm(run: Run) -> str:
    return str((run.task.input or {})["os_hash_algo"])


def _recorded(image: Image, was: Mapping[str, Any]) -> dict[str, str]:
    """The digests that the data must have. Raises Unsupported when one cannot be computed."""
    recorded = {}
    if image.checksum:
        recorded["md5"] = image.checksum.lower()
    if was["os_hash_value"]:
        if not known(was["os_hash_algo"]):
            raise errors.Unsupported(
                f"The recorded hash cannot be verified: its algorithm {was['os_hash_algo']!r} is "
                "not known here"
            )
        recorded[was["os_hash_algo"]] = was["os_hash_value"].lower()
    return recorded


def _compare(image: Image, found: Mapping[str, str], recorded: Mapping[str, str]) -> None:
    for algorithm, digest in recorded.items():
        if digest != found[algorithm]:
            LOG.error("Image %s: its %s digest is not the recorded one", image.id, algorithm)
            raise errors.Conflict("stored data does not match its recorded hash")


def _deleted() -> errors.Gone:
    return errors.Gone("The image was deleted while its digests were calculated")
